import CKernels
import Synchronization

/// What a machine is made of, and the source of contexts that run on it. Immutable.
public final class Machine: Sendable {
    /// This machine, examined once. The environment variables ALAMBIC_ISA and ALAMBIC_THREADS, read at that moment, shape its
    /// default context.
    public static let local = Machine(localWith: .current)

    /// The processor's brand string, or its architecture where it has none.
    public let name: String
    /// The instruction sets that can be used here.
    public let isa: ISA
    /// What is wrong with ALAMBIC_ISA or ALAMBIC_THREADS, in one line; such a variable is ignored. Commands print it and stop.
    public let environmentProblem: String?

    let topology: Topology
    let environment: Environment
    private let teams = Mutex<Teams>(Teams())

    private struct Teams {
        struct Key: Hashable { let threads, firstCore: Int; let pin: Bool }
        struct Weak { weak var team: Team? }
        var shared: [Key: Weak] = [:]
        var `default`: Team?
    }

    private init(localWith environment: Environment) {
        self.environment = environment
        environmentProblem = environment.problem
        name = Machine.processorName
        isa = .detected
        topology = Machine.localTopology
    }

    /// A machine that exists only as hwloc's synthetic description, such as "numa:2 core:8 pu:2": for testing plans. Its
    /// instruction sets are the real ones, and its workers run (pinning to hardware that is not there fails).
    ///
    /// Throws `.badArgument` for a description that hwloc does not understand, or without hwloc.
    public init(synthetic description: String) throws(KernelError) {
        environment = Environment([:])
        environmentProblem = nil
        name = "synthetic \(description)"
        isa = .detected
        topology = try Topology(synthetic: description)
    }

    /// NUMA nodes with hardware threads that this process may use.
    public var nodes: Int { Int(topology.info.nodes) }
    /// Sockets with hardware threads that this process may use.
    public var packages: Int { Int(topology.info.packages) }
    /// Physical cores that this process may use.
    public var cores: Int { Int(topology.info.cores) }
    /// Hardware threads that this process may use.
    public var units: Int { Int(topology.info.units) }
    /// Whole CPUs that the control group grants, nil when unlimited.
    public var quota: Int? { topology.info.quota == 0 ? nil : Int(topology.info.quota) }
    /// Bytes of one level 1 data cache, 0 when unknown.
    public var l1dBytes: Int { topology.info.l1d_bytes }
    /// Bytes of one level 2 cache, 0 when unknown.
    public var l2Bytes: Int { topology.info.l2_bytes }
    /// Bytes of one level 3 cache, 0 when unknown.
    public var l3Bytes: Int { topology.info.l3_bytes }

    /// Bytes that can still be allocated without pushing anything out, by the system's and the control group's own account;
    /// nil where they do not say. Asks anew each time.
    public var availableMemory: Int? {
        let bytes = ck_memory_available()
        return bytes == 0 ? nil : Int(clamping: bytes)
    }

    /// One worker for each core, but no more than the control group grants.
    public var defaultWorkers: Int { Int(ck_topology_default_workers(topology.handle)) }

    /// Where each of `workers` workers goes: the hardware thread's index in the operating system, and its NUMA node. One
    /// worker on each core in NUMA order, then second hardware threads, then from the start again.
    public func plan(workers: Int) -> [(unit: Int, node: Int)] {
        precondition(workers >= 0, "a plan for \(workers) workers")
        var units = [UInt32](repeating: 0, count: workers)
        var nodes = units
        ck_topology_plan(topology.handle, UInt32(workers), &units, &nodes)
        return zip(units, nodes).map { (Int($0), Int($1)) }
    }

    /// The default context: all default workers, everything the machine has, unless the environment says otherwise.
    ///
    /// Where the system refuses threads, it runs on the threads that call it.
    public var context: Context {
        let team = teams.withLock { teams in
            let team = teams.default ?? makeDefaultTeam()
            teams.default = team
            return team
        }
        return Context(machine: self, team: team, allowing: environment.allowed)
    }

    /// A context with its own number of threads and instruction sets.
    ///
    /// - Parameters:
    ///   - threads: workers; nil for the default number. More than there are cores is allowed, and slow.
    ///   - isa: what kernels may use of what the machine has; nil for what ALAMBIC_ISA leaves.
    ///   - firstCore: where in the plan the team starts, so that two teams share no core. Contexts with the same threads and
    ///     first core share one team.
    ///   - pinned: whether workers are bound to their cores. One worker has no thread of its own: work runs on the callers.
    public func context(
        threads: Int? = nil, allowing isa: ISA? = nil, firstCore: Int = 0, pinned: Bool = true
    ) throws(KernelError) -> Context {
        let threads = threads ?? environment.threads ?? defaultWorkers
        return Context(
            machine: self, team: try team(threads: threads, firstCore: firstCore, pinned: pinned),
            allowing: isa ?? environment.allowed)
    }

    func team(threads: Int, firstCore: Int, pinned: Bool) throws(KernelError) -> Team {
        guard 1...Environment.mostThreads ~= threads else {
            throw KernelError(.badArgument, "\(threads) threads: expected 1 to \(Environment.mostThreads)")
        }
        precondition(firstCore >= 0, "first core \(firstCore) is negative")
        let key = Teams.Key(threads: threads, firstCore: firstCore, pin: pinned)
        return try teams.withLock { teams throws(KernelError) in
            if let team = teams.shared[key]?.team { return team }
            let options = ck_team_options(
                workers: UInt32(threads), first_core: UInt32(clamping: firstCore), pin: pinned, spin_ns: 0)
            let team = try Team(topology, options)
            teams.shared[key] = Teams.Weak(team: team)
            return team
        }
    }

    private func makeDefaultTeam() -> Team {
        var options = ck_team_options()
        options.workers = UInt32(environment.threads ?? 0)
        options.pin = true
        if let team = try? Team(topology, options) { return team }
        options.workers = 1  // needs no thread
        guard let team = try? Team(topology, options) else { preconditionFailure("no memory for a few hundred bytes") }
        return team
    }

    private static var localTopology: Topology {
        if let topology = try? Topology() { return topology }
        guard let topology = try? Topology.plain() else { preconditionFailure("no memory for a few hundred bytes") }
        return topology
    }

    private static var processorName: String {
        var text = [CChar](repeating: 0, count: 128)
        let count = ck_cpu_name(&text, text.count)
        if count > 0 { return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) }
        #if arch(arm64)
            return "arm64"
        #elseif arch(x86_64)
            return "x86-64"
        #else
            return "unknown processor"
        #endif
    }
}
