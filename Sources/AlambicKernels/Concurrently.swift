import CKernels

/// Calls `body` for every task in 0 ..< `tasks`, in any order, on the context's workers; returns when all are done.
///
/// For work that has no kernel of its own. Results should depend on the task alone, never on which worker runs it or how many
/// there are. The body must not call kernels on the same context: they throw `.badArgument`.
///
/// - Parameter nanoseconds: an estimate for all tasks together on one thread, 0 when unknown. Little work runs on the caller.
public func concurrently(
    _ tasks: Int, nanoseconds: Double = 0, on context: Context, _ body: (_ task: Int) -> Void
) throws(KernelError) {
    try concurrently(tasks, nanoseconds: nanoseconds, scratch: 0, shared: 0, on: context) { task, _ in body(task) }
}

/// The same with scratch memory: `scratch` bytes for each worker, `shared` for all of them.
func concurrently(
    _ tasks: Int, nanoseconds: Double, scratch: Int, shared: Int, on context: Context,
    _ body: (_ task: Int, _ place: ck_each_place) -> Void
) throws(KernelError) {
    precondition(tasks >= 0, "\(tasks) tasks")
    precondition(!context.isRecording, "a list cannot note a Swift closure")
    let status = withoutActuallyEscaping(body) { body in
        withUnsafePointer(to: body) { body in
            ck_each(
                context.handle, tasks, scratch, shared, nanoseconds,
                { argument, task, place in
                    argument?.assumingMemoryBound(to: ((Int, ck_each_place) -> Void).self).pointee(task, place)
                }, UnsafeMutableRawPointer(mutating: body))
        }
    }
    try check(status, "\(tasks) tasks")
}
