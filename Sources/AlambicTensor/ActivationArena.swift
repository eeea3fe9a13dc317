import AlambicKernels

/// Where the values of a training step live. The first step of a shape is watched: what is asked for, how large, and
/// until when somebody holds it. Steps after it find everything at a fixed place of one stretch of memory, in which
/// things whose lives do not overlap share bytes.
///
/// Nothing is handed out while somebody still holds what shares its bytes: whoever keeps a value beyond its step keeps
/// its elements, and the step that wanted the place gets other memory.
final class ActivationArena {
    /// What one step asks for, in order.
    private struct Request {
        let bytes: Int
        let type: ObjectIdentifier
        /// The number of the first later request that came when nobody held this any more.
        var end = Int.max
    }

    /// A watched step with a place for each of its requests.
    private final class Plan {
        let requests: [Request]
        let memory: Memory<UInt8>
        var parts: [AnyObject]
        /// For each request, the others that share bytes with it.
        let sharers: [[Int]]

        init(requests: [Request], memory: Memory<UInt8>, parts: [AnyObject], sharers: [[Int]]) {
            self.requests = requests
            self.memory = memory
            self.parts = parts
            self.sharers = sharers
        }
    }

    private struct Key: Hashable {
        let bytes: Int
        let type: ObjectIdentifier
    }

    private enum Mode {
        /// Requests are written down, and get memory of their own.
        case watching
        /// Requests get their place, as long as they are those of the plan.
        case following(Plan)
        /// The step is not the one that was planned for; the next one is watched.
        case astray
    }

    private var mode = Mode.watching
    private var plans: [Int: Plan] = [:] // by the bytes of the first request
    private var requests: [Request] = []
    private var next = 0
    /// Memory outside of the plan: held by somebody (and by which request), and free.
    private var held: [(memory: AnyObject, key: Key, request: Int?)] = []
    private var free: [Key: [AnyObject]] = [:]
    private var makers: [(Memory<UInt8>, Int) -> AnyObject] = []
    /// How many memories have been made so far: constant in steady state.
    private(set) var made = 0
    /// How many more steps of other shapes than before may come before older plans are given up.
    private static let mostPlans = 4

    /// Bytes of the places of all plans.
    var plannedBytes: Int { plans.values.reduce(0) { $0 + $1.memory.count } }

    /// Starts a step: everything handed out so far may be handed out again as soon as nobody holds it.
    func begin() throws(KernelError) {
        if case .watching = mode, !requests.isEmpty { try settle() }
        requests = []
        makers = []
        next = 0
        switch mode {
        case .astray: mode = .watching
        case .following, .watching: mode = plans.isEmpty ? .watching : mode
        }
    }

    /// A memory of `count` elements with arbitrary contents.
    func take<Element: BitwiseCopyable>(_ type: Element.Type, _ count: Int) throws(KernelError) -> Memory<Element> {
        let bytes = count * MemoryLayout<Element>.stride
        defer { next += 1 }
        if next == 0, let plan = plans[bytes] { mode = .following(plan) }
        if next == 0, plans[bytes] == nil { mode = .watching }
        guard case .following(let plan) = mode else { return try takeLoose(type, count) }
        guard next < plan.requests.count, plan.requests[next].bytes == bytes,
            plan.requests[next].type == ObjectIdentifier(type)
        else {
            plans[plan.requests[0].bytes] = nil
            mode = .astray
            return try takeLoose(type, count)
        }
        guard isKnownUniquelyReferenced(&plan.parts[next]),
            plan.sharers[next].allSatisfy({ isKnownUniquelyReferenced(&plan.parts[$0]) })
        else { return try takeLoose(type, count) }
        return unsafeDowncast(plan.parts[next], to: Memory<Element>.self)
    }

    /// Memory of its own, used again for the same size once nobody holds it.
    private func takeLoose<Element: BitwiseCopyable>(
        _ type: Element.Type, _ count: Int
    ) throws(KernelError) -> Memory<Element> {
        var watched: Int?
        let key = Key(bytes: count * MemoryLayout<Element>.stride, type: ObjectIdentifier(type))
        release()
        if case .watching = mode {
            watched = requests.count
            requests.append(Request(bytes: key.bytes, type: key.type))
            makers.append { Memory<Element>(in: $0, at: $1, count: count) }
        }
        let memory: Memory<Element>
        if let old = free[key]?.popLast() {
            memory = unsafeDowncast(old, to: Memory<Element>.self)
        } else {
            memory = try Memory<Element>(count: count)
            made += 1
        }
        held.append((memory, key, watched))
        return memory
    }

    /// Finds what nobody holds any more.
    private func release() {
        var kept = 0
        for i in held.indices {
            if isKnownUniquelyReferenced(&held[i].memory) {
                free[held[i].key, default: []].append(held[i].memory)
                if let request = held[i].request { requests[request].end = requests.count }
            } else {
                held.swapAt(kept, i)
                kept += 1
            }
        }
        held.removeLast(held.count - kept)
    }

    /// Makes a plan of the step that was watched, and lets go of the memory that it used.
    private func settle() throws(KernelError) {
        release()
        free = [:]
        for i in held.indices { held[i].request = nil }
        let places = Places(requests.map { (bytes: $0.bytes, end: $0.end) })
        if plans.count >= Self.mostPlans { plans = [:] }
        let memory = try Memory<UInt8>(count: max(places.bytes, 64))
        made += 1
        var parts: [AnyObject] = []
        for (make, offset) in zip(makers, places.offsets) { parts.append(make(memory, offset)) }
        plans[requests[0].bytes] = Plan(
            requests: requests, memory: memory, parts: parts, sharers: places.sharers)
    }

    /// Gives everything back to the machine that nobody else holds.
    func drain() {
        plans = [:]
        free = [:]
        held = []
        mode = .watching
        requests = []
    }
}

/// A place for everything: the largest first, each at the lowest offset where it meets nothing that lives at the same
/// time (first fit, decreasing).
struct Places {
    /// Byte offset of each request, a multiple of 64.
    let offsets: [Int]
    /// Bytes of all of it.
    let bytes: Int
    /// For each request, the others that share bytes with it.
    let sharers: [[Int]]

    /// Request i lives from i until request `end` comes.
    init(_ requests: [(bytes: Int, end: Int)]) {
        var offsets = [Int](repeating: 0, count: requests.count)
        func size(_ i: Int) -> Int { max(64, (requests[i].bytes + 63) / 64 * 64) }
        func overlap(_ i: Int, _ j: Int) -> Bool { i < requests[j].end && j < requests[i].end }
        var placed: [Int] = []
        var total = 0
        let order = requests.indices.sorted { (size($0), $1) > (size($1), $0) }
        for i in order {
            var offset = 0
            // `placed` is kept in the order of offsets.
            for j in placed where overlap(i, j) {
                if offsets[j] >= offset + size(i) { break }
                offset = max(offset, offsets[j] + size(j))
            }
            offsets[i] = offset
            total = max(total, offset + size(i))
            let at = placed.firstIndex { offsets[$0] > offset } ?? placed.count
            placed.insert(i, at: at)
        }
        self.offsets = offsets
        bytes = total
        sharers = requests.indices.map { i in
            requests.indices.filter { j in
                i != j && offsets[i] < offsets[j] + size(j) && offsets[j] < offsets[i] + size(i)
            }
        }
    }
}
