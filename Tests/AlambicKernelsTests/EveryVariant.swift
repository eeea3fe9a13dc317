import AlambicKernels
import AlambicTestSupport

/// Runs a test on every variant that this machine has, with every number of threads.
func onEveryVariant(
    _ variants: [Variant], threads: [Int] = threadCounts, _ body: (_ label: String, _ context: Context) throws -> Void
) throws {
    for variant in variants where variant.runsHere {
        for count in threads {
            try body("\(variant) x \(count) threads", variant.context(threads: count))
        }
    }
}
