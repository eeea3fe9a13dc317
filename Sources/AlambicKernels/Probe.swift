import CKernels

/// Arithmetic whose peak can be measured, by C type name.
public enum PeakType: String, Sendable, CaseIterable {
    case f32, s8, bf16

    var raw: ck_probe_type {
        switch self {
        case .f32: CK_PROBE_F32
        case .s8: CK_PROBE_S8
        case .bf16: CK_PROBE_BF16
        }
    }
}

/// How a kernel moves memory; each pattern has a bandwidth of its own.
public enum TrafficPattern: String, Sendable, CaseIterable {
    /// Reads only.
    case read
    /// Writes through the cache: each line is read before it is written.
    case write
    /// Writes around the cache.
    case streamingWrite = "streaming-write"
    /// Reads one buffer, writes another.
    case copy
    /// The same, writing around the cache.
    case streamingCopy = "streaming-copy"
    /// Reads and writes one buffer.
    case update
    /// Reads four buffers, writes three of them: AdamW's traffic.
    case optimizer

    /// Buffers that one pass touches.
    var buffers: Int {
        switch self {
        case .read, .write, .streamingWrite, .update: 1
        case .copy, .streamingCopy: 2
        case .optimizer: 4
        }
    }

    var raw: ck_probe_pattern {
        switch self {
        case .read: CK_PROBE_READ
        case .write: CK_PROBE_WRITE
        case .streamingWrite: CK_PROBE_STREAMING_WRITE
        case .copy: CK_PROBE_COPY
        case .streamingCopy: CK_PROBE_STREAMING_COPY
        case .update: CK_PROBE_UPDATE
        case .optimizer: CK_PROBE_OPTIMIZER
        }
    }
}

/// Runs multiply-adds that never leave the registers, on every worker of the context.
///
/// - Parameter iterations: rounds per worker; time this call to learn the rate.
/// - Returns: multiplications plus additions done by all workers together; nil when the context's instruction sets have
///   no arithmetic of this type.
public func arithmeticProbe(_ type: PeakType, iterations: Int, on context: Context) throws(KernelError) -> Double? {
    var operations = 0.0
    let status = ck_probe_compute(context.handle, type.raw, UInt64(iterations), &operations)
    if status == CK_NO_KERNEL { return nil }
    try check(status, "arithmetic probe")
    return operations
}

/// Buffers to measure memory bandwidth with.
public final class TrafficProbe {
    private let buffers: [Memory<Float>]
    private let sink: Memory<Float>

    /// Four buffers of `count` floats each, a multiple of 64.
    public init(count: Int, on context: Context) throws(KernelError) {
        precondition(count > 0 && count.isMultiple(of: 64), "\(count) floats are not a positive multiple of 64")
        var buffers: [Memory<Float>] = []
        for _ in 0..<4 { buffers.append(try Memory(count: count)) }
        self.buffers = buffers
        sink = try Memory(count: max(context.threads, 1))
        // Every page is touched by the worker that will use it, before anything is timed.
        for turn in 0..<buffers.count { try run(.write, turn: turn, on: context) }
    }

    /// One pass over the buffers. Returns the bytes read plus written; time this call to learn the rate.
    ///
    /// - Parameter turn: which buffers the pattern takes. Patterns that touch fewer than four go round all of them when every
    ///   call has the next turn, so that no cache smaller than the four helps.
    @discardableResult
    public func run(_ pattern: TrafficPattern, turn: Int = 0, on context: Context) throws(KernelError) -> Int {
        precondition(context.threads <= sink.count, "\(context.threads) workers, room for \(sink.count)")
        precondition(turn >= 0, "turn \(turn) is negative")
        let start = turn % buffers.count * pattern.buffers
        func buffer(_ index: Int) -> Memory<Float> { buffers[(start + index) % buffers.count] }
        let (first, second, third, fourth, results) = (buffer(0), buffer(1), buffer(2), buffer(3), sink)
        var a = first.mutableSpan
        var b = second.mutableSpan
        var c = third.mutableSpan
        var d = fourth.mutableSpan
        var last = results.mutableSpan
        try check(
            ck_probe_bandwidth(context.handle, pattern.raw, first.count, a.base, b.base, c.base, d.base, last.base),
            "memory probe")
        return ck_probe_bytes(pattern.raw, first.count)
    }
}
