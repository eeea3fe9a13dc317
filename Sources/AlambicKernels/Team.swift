import CKernels

/// Whether a worker stays on its core.
public enum Pinning: Sendable, Equatable, CustomStringConvertible {
    /// Bound to the hardware thread that the text names.
    case pinned(String)
    /// The system did not let it; the text says why. Work is right all the same.
    case failed(String)
    /// Not attempted; the text says why.
    case skipped(String)

    /// One line for people.
    public var description: String {
        switch self {
        case .pinned(let what): "pinned: \(what)"
        case .failed(let why): "not pinned: \(why)"
        case .skipped(let why): "not pinned: \(why)"
        }
    }
}

/// Owns a `ck_team`: worker threads that run one job at a time, first come first served. Contexts share it.
final class Team: @unchecked Sendable {
    let handle: OpaquePointer
    let topology: Topology

    init(_ topology: Topology, _ options: ck_team_options) throws(KernelError) {
        var handle: OpaquePointer?
        let status = ck_team_create(topology.handle, options, &handle)
        guard let handle else { throw KernelError(status, "starting \(options.workers) workers") }
        self.handle = handle
        self.topology = topology
    }

    deinit { ck_team_destroy(handle) }

    var threads: Int { Int(ck_team_workers(handle)) }

    var pinning: [Pinning] {
        (0..<threads).map { worker in
            var text = [CChar](repeating: 0, count: 128)
            let outcome = ck_team_pinning(handle, UInt32(worker), &text, text.count)
            let reason = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return switch outcome {
            case CK_PINNED: .pinned(reason)
            case CK_PIN_FAILED: .failed(reason)
            default: .skipped(reason)
            }
        }
    }
}
