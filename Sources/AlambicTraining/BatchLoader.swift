import Dispatch

/// Makes the batch that comes next while the one before is being learned from: reading it from the disk then costs no
/// time. Batches are functions of their number, so what it gives is what ``Batches`` would give.
///
/// A loader is used by one thread at a time.
final class BatchLoader: @unchecked Sendable {
    private let batches: Batches
    private let queue = DispatchQueue(label: "alambic.batches", qos: .userInitiated)
    private let isMade = DispatchSemaphore(value: 0)
    /// The number of the batch being made, or none.
    private var expected: Int?
    /// Written on the queue before `isMade` is signalled, read after waiting for it.
    private var made: Batch?

    /// Smaller batches of tokens in memory are made faster than a thread is woken.
    private static let worthwhile = 1 << 16

    init(_ batches: Batches) { self.batches = batches }

    /// Batch number `index`. Unless it is the `last`, number `index + 1` is begun.
    func batch(_ index: Int, last: Bool) -> Batch {
        var batch: Batch?
        if let expected {
            isMade.wait()
            if expected == index { batch = made }
            self.expected = nil
        }
        if !last && (batches.mayWait || batches.source.rows * batches.source.context >= Self.worthwhile) {
            expected = index + 1
            queue.async { [self] in
                made = batches[index + 1]
                isMade.signal()
            }
        }
        return batch ?? batches[index]
    }
}
