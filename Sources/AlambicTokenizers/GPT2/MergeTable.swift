/// The merges of a byte-pair encoding: for a pair of neighbouring tokens its rank (the lowest goes first) and what it
/// becomes. Open addressing, one cache line for most look-ups.
struct MergeTable: Sendable {
    /// Rank in the upper half, merged token in the lower; all ones where a pair does not merge.
    static let none = UInt64.max

    private var keys: [UInt64]
    private var values: [UInt64]
    private let shift: UInt64

    init(capacity: Int) {
        let bits = UInt64(Int.bitWidth - max(capacity * 2, 16).leadingZeroBitCount)
        keys = Array(repeating: .max, count: 1 << Int(bits))
        values = Array(repeating: Self.none, count: 1 << Int(bits))
        shift = 64 - bits
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(of key: UInt64) -> Int { Int((key &* 0x9E37_79B9_7F4A_7C15) >> shift) }

    /// Adds a pair; of two equal ones the first stays.
    mutating func add(_ left: Int32, _ right: Int32, rank: Int, merged: Int32) {
        let key = Self.key(left, right)
        var slot = slot(of: key)
        while keys[slot] != .max {
            if keys[slot] == key { return }
            slot = (slot + 1) & (keys.count - 1)
        }
        keys[slot] = key
        values[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged))
    }

    @inline(__always)
    func find(_ left: Int32, _ right: Int32) -> UInt64 {
        let key = Self.key(left, right)
        var slot = slot(of: key)
        while true {
            let found = keys[slot]
            if found == key { return values[slot] }
            if found == .max { return Self.none }
            slot = (slot + 1) & (keys.count - 1)
        }
    }
}

/// Merges the tokens of one piece of text: always the pair of lowest rank, the leftmost of several.
struct Merger {
    private let table: MergeTable
    /// The tokens, then the merges of each with its right neighbour.
    private(set) var tokens: [Int32] = []
    private var merges: [UInt64] = []

    /// Pieces up to this length are scanned for the lowest rank; longer ones have a heap.
    private static let scanned = 48

    init(_ table: MergeTable) { self.table = table }

    /// Leaves the tokens of a piece in `tokens`, given those of its bytes.
    mutating func merge(_ start: some Collection<Int32>) {
        tokens.removeAll(keepingCapacity: true)
        tokens.append(contentsOf: start)
        guard tokens.count > 1 else { return }
        if tokens.count <= Self.scanned { scan() } else { mergeByHeap() }
    }

    private mutating func scan() {
        merges.removeAll(keepingCapacity: true)
        for i in 0..<tokens.count - 1 { merges.append(table.find(tokens[i], tokens[i + 1])) }
        while true {
            var (best, at) = (MergeTable.none, 0)
            for i in merges.indices where merges[i] < best { (best, at) = (merges[i], i) }
            guard best != MergeTable.none else { return }
            tokens[at] = Int32(truncatingIfNeeded: best)
            tokens.remove(at: at + 1)
            merges.remove(at: at)
            if at > 0 { merges[at - 1] = table.find(tokens[at - 1], tokens[at]) }
            if at < merges.count { merges[at] = table.find(tokens[at], tokens[at + 1]) }
        }
    }

    /// The same in O(n log n): a heap of (rank, place), in which pairs that are no more are left and passed over.
    private mutating func mergeByHeap() {
        let count = tokens.count
        var next = (1...count).map { $0 }
        var previous = (-1..<count - 1).map { $0 }
        // The rank that each place's entry in the heap must have to be current.
        var ranks = [UInt64](repeating: MergeTable.none, count: count)
        var heap = RankHeap()
        func push(_ left: Int) {
            let right = next[left]
            let merge = right < count ? table.find(tokens[left], tokens[right]) : MergeTable.none
            ranks[left] = merge
            if merge != MergeTable.none { heap.push(.init(merge: merge, place: left)) }
        }
        for left in 0..<count { push(left) }
        while let lowest = heap.pop() {
            let left = lowest.place
            guard ranks[left] == lowest.merge else { continue }
            let right = next[left]
            tokens[left] = Int32(truncatingIfNeeded: lowest.merge)
            ranks[right] = MergeTable.none
            next[left] = next[right]
            if next[left] < count { previous[next[left]] = left }
            push(left)
            if previous[left] >= 0 { push(previous[left]) }
        }
        var (from, to) = (0, 0)
        while from < count {
            tokens[to] = tokens[from]
            to += 1
            from = next[from]
        }
        tokens.removeLast(count - to)
    }
}

/// A binary heap: the lowest rank first, of equal ones the leftmost.
private struct RankHeap {
    struct Entry {
        let merge: UInt64
        let place: Int

        @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool { a.merge != b.merge ? a.merge < b.merge : a.place < b.place }
    }

    private var entries: [Entry] = []

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var at = entries.count - 1
        while at > 0, entries[at] < entries[(at - 1) / 2] {
            entries.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    mutating func pop() -> Entry? {
        guard let lowest = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return lowest }
        entries[0] = last
        var at = 0
        while true {
            var child = 2 * at + 1
            guard child < entries.count else { return lowest }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entries[at] else { return lowest }
            entries.swapAt(at, child)
            at = child
        }
    }
}
