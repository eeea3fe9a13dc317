import AlambicKernels

/// Where the time of a step goes, operation by operation.
public final class StepProfile {
    /// One kind of operation, summed over the steps that were measured.
    public struct Entry: Sendable {
        /// What it is, such as `mlp.c_fc forward`.
        public let name: String
        /// How often it ran.
        public internal(set) var calls = 0
        /// Wall-clock time.
        public internal(set) var nanoseconds = 0.0
        /// Arithmetic operations: a multiply-add counts two. 0 where bytes are what bounds it.
        public internal(set) var operations = 0.0
        /// Whose peak bounds them; nil for that of the training's own type.
        public internal(set) var arithmetic: PeakType?
        /// Bytes that must move.
        public internal(set) var bytes = 0.0
    }

    /// What has been measured, in the order of first appearance.
    public private(set) var entries: [Entry] = []
    private var indices: [String: Int] = [:]
    private var stages: [(entry: Int, start: Int)] = []

    /// An empty profile.
    public init() {}

    /// All measured time.
    public var nanoseconds: Double { entries.reduce(0) { $0 + $1.nanoseconds } }

    /// Adds time that was measured elsewhere.
    public func add(_ name: String, nanoseconds: Double, operations: Double = 0, bytes: Double = 0) {
        let i = index(name)
        entries[i].calls += 1
        entries[i].nanoseconds += nanoseconds
        entries[i].operations += operations
        entries[i].bytes += bytes
    }

    /// Forgets what has been measured, for instance after the first steps.
    public func reset() {
        entries = []
        indices = [:]
        stages = []
    }

    /// Says what is noted in the list from here on, with its work.
    public func begin(
        _ name: String, in list: OperationList, operations: Double = 0, arithmetic: PeakType? = nil, bytes: Double = 0
    ) {
        let i = index(name)
        entries[i].arithmetic = arithmetic
        entries[i].calls += 1
        entries[i].operations += operations
        entries[i].bytes += bytes
        stages.append((i, list.count))
    }

    /// Says that what is noted from here on belongs to the stage before the last one.
    func resume(in list: OperationList) {
        precondition(stages.count >= 2, "no stage was interrupted")
        stages.append((stages[stages.count - 2].entry, list.count))
    }

    /// Forgets what was noted and not run.
    func clear() { stages.removeAll(keepingCapacity: true) }

    /// Runs the list and adds the times of its steps to what they were said to be.
    public func run(_ list: OperationList) throws(KernelError) {
        defer { clear() }
        let times = try list.runTimed()
        for (number, stage) in stages.enumerated() {
            let end = number + 1 < stages.count ? stages[number + 1].start : times.count
            for step in stage.start..<end { entries[stage.entry].nanoseconds += Double(times[step]) }
        }
    }

    private func index(_ name: String) -> Int {
        if let known = indices[name] { return known }
        indices[name] = entries.count
        entries.append(Entry(name: name))
        return entries.count - 1
    }
}
