import CKernels

/// Where and how kernels run: a team of workers and the instruction sets that they may use. Every kernel takes one.
///
/// Immutable and cheap: contexts made alike share their team. Any number of threads and tasks may use one at the same time;
/// their calls are served one at a time, in the order of arrival. A call blocks until its work is done.
public final class Context: @unchecked Sendable {
    /// The machine it runs on.
    public let machine: Machine
    /// The instruction sets that kernels use here: allowed, and present.
    public let isa: ISA
    /// Workers. May be fewer than asked for, if the system granted fewer: results are the same.
    public let threads: Int

    let handle: OpaquePointer
    let team: Team
    /// The list that notes what is called with this context, and owns the handle; nil for a context that runs.
    private let recorder: Recorder?

    /// A context on this machine with its own number of threads. Without `isa`, kernels use what ALAMBIC_ISA leaves.
    public convenience init(threads: Int, allowing isa: ISA? = nil) throws(KernelError) {
        let team = try Machine.local.team(threads: threads, firstCore: 0, pinned: true)
        self.init(machine: .local, team: team, allowing: isa ?? Machine.local.environment.allowed)
    }

    /// This machine's default context.
    public static var `default`: Context { Machine.local.context }

    init(machine: Machine, team: Team, allowing allowed: ISA) {
        var handle: OpaquePointer?
        let status = ck_context_create(allowed.rawValue, team.handle, &handle)
        guard let handle else { preconditionFailure("context: \(String(cString: ck_status_text(status)))") }
        self.machine = machine
        self.team = team
        self.handle = handle
        recorder = nil
        isa = ISA(rawValue: ck_context_isa(handle))
        threads = team.threads
    }

    init(of recorder: Recorder) {
        machine = recorder.base.machine
        isa = recorder.base.isa
        threads = recorder.base.threads
        team = recorder.base.team
        handle = ck_list_context(recorder.list)
        self.recorder = recorder
    }

    deinit { if recorder == nil { ck_context_destroy(handle) } }

    /// Whether kernels called with this context are only noted, for an ``OperationList`` to run later.
    public var isRecording: Bool { recorder != nil }

    /// What a list of operations noted must live until it has run.
    func keep(_ object: AnyObject) { recorder?.kept.append(object) }

    /// Worker by worker, whether it stays on its core and if not, why.
    public var pinning: [Pinning] { team.pinning }

    /// How many operations and lists of operations the team has been given to run so far: parallel regions, and what was
    /// too small for one.
    public var regionCount: Int { Int(ck_team_regions(team.handle)) }

    /// How many callers wait for their turn at this moment.
    public var waitingCallers: Int { Int(ck_team_queued(team.handle)) }
}
