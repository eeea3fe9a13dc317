import Foundation

/// Hands values from one thread to another, in order, without a limit.
final class Channel<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    // Read and written under the lock alone.
    private var values: [Value] = []
    private var isClosed = false

    func send(_ value: Value) {
        condition.lock()
        values.append(value)
        condition.signal()
        condition.unlock()
    }

    /// The next value; nil once the channel is closed.
    func receive() -> Value? {
        condition.lock()
        defer { condition.unlock() }
        while values.isEmpty && !isClosed { condition.wait() }
        return values.isEmpty || isClosed ? nil : values.removeFirst()
    }

    /// Nobody gets anything any more.
    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }
}
