import AlambicKernels

/// When the kernels of a tape run: as they are called, or all of a pass together in one parallel region.
///
/// Noted kernels run in the order of their calls, so memory may be given to a later one as soon as the call of an
/// earlier one has returned. What Swift itself reads or writes has to wait for `finish`.
public final class Execution {
    /// When kernels run.
    public enum Kind: Sendable {
        /// As they are called: values can be read at once.
        case immediate
        /// At the loss and at the end of `backward`.
        case noted
    }

    /// Where kernels run.
    let base: Context
    /// What kernels are called with.
    let context: Context
    private let list: OperationList?
    private var kept: [Any] = []
    /// Whether nothing is to run: the step is only walked through, to learn what memory it needs.
    var plans = false {
        didSet { forget() }
    }
    /// What asks for the times of the noted operations, if anybody does.
    var profile: StepProfile?

    init(_ kind: Kind, on base: Context) throws(KernelError) {
        self.base = base
        switch kind {
        case .immediate: (list, context) = (nil, base)
        case .noted:
            let list = try OperationList(on: base)
            (self.list, context) = (list, list.context)
        }
    }

    /// Runs what has been noted.
    func finish() throws(KernelError) {
        defer { forget() }
        guard let list, list.count > 0, !plans else { return }
        if let profile { try profile.run(list) } else { try list.run() }
    }

    /// Forgets what has been noted.
    func forget() {
        list?.clear()
        profile?.clear()
        kept.removeAll(keepingCapacity: true)
    }

    /// Keeps alive what noted kernels read, until they have run.
    func keep(_ value: Any) { if list != nil { kept.append(value) } }

    /// Says what the kernels called from here on are, with their work: multiply-adds count two operations, bytes are
    /// those that must move.
    func stage(
        _ name: @autoclosure () -> String, operations: Double = 0, arithmetic: PeakType? = nil, bytes: Double = 0
    ) {
        guard let profile, let list else { return }
        profile.begin(name(), in: list, operations: operations, arithmetic: arithmetic, bytes: bytes)
    }

    /// Says that the kernels from here to `endInterlude` are something that the present stage needs.
    func beginInterlude(_ name: @autoclosure () -> String, bytes: Double) { stage(name(), bytes: bytes) }

    /// Goes on with the stage that was interrupted.
    func endInterlude() {
        guard let profile, let list else { return }
        profile.resume(in: list)
    }
}
