import CKernels

/// Operations that are noted now and run later, all together: one hand-over to the team instead of one for each. For
/// decoding and small models, whose operations are shorter than a hand-over.
///
/// Call kernels with the list's `context`: they check their arguments and are noted instead of run. `run()` then runs them in
/// that order, as often as wanted. The memory they name must stay valid and in place until the list is cleared; kernels
/// that return a number cannot be noted. Note from one thread at a time.
public final class OperationList {
    /// Kernels called with this context are noted.
    public let context: Context
    private let recorder: Recorder

    /// An empty list whose operations will run where `base` runs.
    public init(on base: Context) throws(KernelError) {
        recorder = try Recorder(base)
        context = Context(of: recorder)
    }

    /// How many steps have been noted; an operation may take several.
    public var count: Int { ck_list_count(recorder.list) }

    /// Runs everything in order, and returns when it is done. The list keeps its operations.
    public func run() throws(KernelError) { try check(ck_run(recorder.list), "list of \(count) operations") }

    /// The same, with the time in nanoseconds that each step took.
    public func runTimed() throws(KernelError) -> [UInt64] {
        var times = [UInt64](repeating: 0, count: count)
        try check(ck_run_timed(recorder.list, &times), "list of \(count) operations")
        return times
    }

    /// Forgets the operations.
    public func clear() {
        ck_list_clear(recorder.list)
        recorder.bodies = []
        recorder.kept = []
    }

    /// Notes a closure to be called for every task, as `concurrently` would call it now.
    func note(_ tasks: Int, nanoseconds: Double = 0, _ body: @escaping (_ task: Int) -> Void) throws(KernelError) {
        let box = Body(body)
        recorder.bodies.append(box)
        let status = ck_each(
            context.handle, tasks, 0, 0, nanoseconds,
            { argument, task, _ in
                guard let argument else { return }
                Unmanaged<Body>.fromOpaque(argument).takeUnretainedValue().call(task)
            }, Unmanaged.passUnretained(box).toOpaque())
        try check(status, "\(tasks) tasks")
    }

    fileprivate final class Body {
        let call: (Int) -> Void
        init(_ call: @escaping (Int) -> Void) { self.call = call }
    }
}

/// Owns a `ck_list`, for the list and for the context that notes into it.
final class Recorder: @unchecked Sendable {
    let list: OpaquePointer
    let base: Context
    /// Closures that the list's steps point to.
    fileprivate var bodies: [OperationList.Body] = []
    /// Packed matrices that they read.
    var kept: [AnyObject] = []

    init(_ base: Context) throws(KernelError) {
        var list: OpaquePointer?
        let status = ck_list_create(base.handle, &list)
        guard let list else { throw KernelError(status, "list of operations") }
        self.list = list
        self.base = base
    }

    deinit { ck_list_destroy(list) }
}
