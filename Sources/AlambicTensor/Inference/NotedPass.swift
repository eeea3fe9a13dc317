import AlambicKernels

/// The forward pass of a few tokens up to the logits of the next one, noted once and run as one parallel region each
/// time: its operations are shorter than the way into a region of their own. Tokens and the number of those before them
/// are read when it runs; everything else, scratch memory included, stays as it is.
final class NotedPass {
    private let list: OperationList
    // Its pool owns the memory that the noted operations use.
    private let graph: Inference
    private let cache: KeyValueCache
    private let input: PassInput
    private let logits: Tensor
    private let operations: [(name: String, start: Int)]

    /// Notes what `body` calls for `count` tokens.
    ///
    /// - Parameters:
    ///   - weights: weights in walk order.
    ///   - cache: what the tokens continue.
    ///   - context: where the pass will run.
    ///   - body: the logits of the token after the last.
    init(
        of count: Int, _ weights: [RunnableWeight], _ cache: KeyValueCache, on context: Context,
        _ body: (Tokens, Inference) throws(KernelError) -> Tensor
    ) throws(KernelError) {
        let list = try OperationList(on: context)
        let graph = Inference(weights, cache: cache, on: list.context)
        var operations: [(name: String, start: Int)] = []
        graph.observer = { operations.append(($0, list.count)) }
        // Any tokens do: they are looked at when the pass runs.
        let logits = try body(Tokens([Int32](repeating: 0, count: count)), graph)
        graph.observer = nil
        guard let input = graph.input else { preconditionFailure("a pass starts with an embedding") }
        (self.list, self.graph, self.cache, self.input) = (list, graph, cache, input)
        (self.logits, self.operations) = (logits, operations)
    }

    /// The logits of the token after `tokens`, in memory that the next run overwrites.
    func run(_ tokens: [Int32]) throws(KernelError) -> Tensor {
        try place(tokens)
        try list.run()
        return logits
    }

    /// The same with the nanoseconds that each operation took.
    func runTimed(_ tokens: [Int32]) throws(KernelError) -> (logits: Tensor, times: [OperationTime]) {
        try place(tokens)
        let steps = try list.runTimed()
        let ends = operations.dropFirst().map(\.start) + [steps.count]
        let times = zip(operations, ends).map { operation, end in
            OperationTime(
                name: operation.name, nanoseconds: Int(steps[operation.start..<end].reduce(0, +)))
        }
        return (logits, times)
    }

    private func place(_ tokens: [Int32]) throws(KernelError) {
        let limit = min(cache.capacity, input.positions)
        precondition(
            cache.count + tokens.count <= limit, "\(tokens.count) tokens after \(cache.count) cached ones of \(limit)")
        try input.place(tokens)
    }
}

/// How long one operation of a pass took.
public struct OperationTime: Sendable {
    /// Such as `attention`, or `linear 2304 x 768`.
    public let name: String
    /// Wall-clock time.
    public let nanoseconds: Int
}
