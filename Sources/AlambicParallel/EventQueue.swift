/// What happens on a simulated cluster, in order of time; what happens at the same time, in the order it was planned.
struct EventQueue<Event> {
    fileprivate struct Entry {
        let time: Double
        let number: Int
        let event: Event

        func isBefore(_ other: Entry) -> Bool {
            time < other.time || (time == other.time && number < other.number)
        }
    }

    private var heap: [Entry] = []
    private var planned = 0
    /// The time of the last event taken, in seconds.
    private(set) var now: Double

    /// An empty queue at this time.
    init(from now: Double = 0) { self.now = now }

    /// Plans an event, not before now.
    mutating func plan(_ event: Event, at time: Double) {
        precondition(time >= now, "an event at \(time) s when it is \(now) s")
        heap.append(Entry(time: time, number: planned, event: event))
        planned += 1
        var child = heap.count - 1
        while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes the next event, whose time it is then.
    mutating func next() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        now = first.time
        guard !heap.isEmpty else { return first.event }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            if least == parent { return first.event }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

extension EventQueue: Sendable where Event: Sendable {}
extension EventQueue.Entry: Sendable where Event: Sendable {}
