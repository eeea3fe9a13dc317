import AlambicKernels

/// Where the values of a training step live. The first step of a shape is watched: what is asked for, how large, and
/// until when somebody holds it. Steps after it find everything at a fixed place of one stretch of memory, in which
/// things whose lives do not overlap share bytes.
///
/// Nothing is handed out while somebody still holds what shares its bytes: whoever keeps a value beyond its step keeps
/// its elements, and the step that wanted the place gets other memory.
final class ActivationArena {
    /// The element types that are asked for.
    enum Kind { case f32, bf16, s8 }

    private struct Key: Hashable {
        let count: Int
        let kind: Kind

        var bytes: Int {
            switch kind {
            case .f32: 4 * count
            case .bf16: 2 * count
            case .s8: count
            }
        }
    }

    /// What one step asks for, in order.
    private struct Request {
        let key: Key
        /// The number of the first later request that came when nobody held this any more.
        var end = Int.max
    }

    /// A memory of one of the types. (Not `AnyObject`: with Swift 6.3 a class of another module that a generic function makes and
    /// stores as one is never released.)
    private struct Part {
        var f32: Memory<Float>?
        var bf16: Memory<UInt16>?
        var s8: Memory<Int8>?

        init(_ key: Key) throws(KernelError) {
            switch key.kind {
            case .f32: f32 = try Memory(count: key.count)
            case .bf16: bf16 = try Memory(count: key.count)
            case .s8: s8 = try Memory(count: key.count)
            }
        }

        init(_ key: Key, in owner: Memory<UInt8>, at offset: Int) {
            switch key.kind {
            case .f32: f32 = Memory(in: owner, at: offset, count: key.count)
            case .bf16: bf16 = Memory(in: owner, at: offset, count: key.count)
            case .s8: s8 = Memory(in: owner, at: offset, count: key.count)
            }
        }

        /// Whether nobody else holds it.
        var isFree: Bool {
            mutating get {
                if f32 != nil { return isKnownUniquelyReferenced(&f32) }
                return bf16 != nil ? isKnownUniquelyReferenced(&bf16) : isKnownUniquelyReferenced(&s8)
            }
        }
    }

    /// A watched step with a place for each of its requests.
    private final class Plan {
        let requests: [Request]
        let memory: Memory<UInt8>
        var parts: [Part]
        /// For each request, the others that share bytes with it.
        let sharers: [[Int]]

        init(requests: [Request], memory: Memory<UInt8>, parts: [Part], sharers: [[Int]]) {
            self.requests = requests
            self.memory = memory
            self.parts = parts
            self.sharers = sharers
        }
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
    private var plans: [Key: Plan] = [:]  // by the first request
    private var latest: Plan?
    private var requests: [Request] = []
    private var next = 0
    /// Memory outside of the plan: held by somebody (and by which request), and free.
    private var held: [(part: Part, key: Key, request: Int?)] = []
    private var free: [Key: [Part]] = [:]
    /// How many memories have been made so far: constant in steady state.
    private(set) var made = 0
    /// Plans in all: one more, and the others are given up.
    private static let mostPlans = 4

    /// Bytes of the places of the shape that was planned or followed last.
    var plannedBytes: Int { latest?.memory.count ?? 0 }

    /// Starts a step: everything handed out so far may be handed out again as soon as nobody holds it.
    func begin() throws(KernelError) {
        if case .watching = mode, !requests.isEmpty { try settle() }
        requests = []
        next = 0
        switch mode {
        case .astray: mode = .watching
        case .following, .watching: mode = plans.isEmpty ? .watching : mode
        }
    }

    /// A memory of `count` floats with arbitrary contents.
    func floats(_ count: Int) throws(KernelError) -> Memory<Float> {
        guard let memory = try take(Key(count: count, kind: .f32)).f32 else { preconditionFailure("no floats") }
        return memory
    }

    /// A memory of `count` 16-bit elements with arbitrary contents.
    func halves(_ count: Int) throws(KernelError) -> Memory<UInt16> {
        guard let memory = try take(Key(count: count, kind: .bf16)).bf16 else { preconditionFailure("no halves") }
        return memory
    }

    /// A memory of `count` signed bytes with arbitrary contents.
    func bytes(_ count: Int) throws(KernelError) -> Memory<Int8> {
        guard let memory = try take(Key(count: count, kind: .s8)).s8 else { preconditionFailure("no bytes") }
        return memory
    }

    private func take(_ key: Key) throws(KernelError) -> Part {
        if next == 0 {
            mode = plans[key].map(Mode.following) ?? .watching
            latest = plans[key]
        }
        defer { next += 1 }
        if let part = planned(key) { return part }
        // Memory of its own, used again for the same size once nobody holds it.
        release()
        var request: Int?
        if case .watching = mode {
            request = requests.count
            requests.append(Request(key: key))
        }
        let part: Part
        if let old = free[key]?.popLast() {
            part = old
        } else {
            part = try Part(key)
            made += 1
        }
        held.append((part, key, request))
        return part
    }

    /// The place of the next request, unless it is another request than was planned for, or the place is held.
    private func planned(_ key: Key) -> Part? {
        guard case .following(let plan) = mode else { return nil }
        guard next < plan.requests.count, plan.requests[next].key == key else {
            plans[plan.requests[0].key] = nil
            mode = .astray
            return nil
        }
        guard plan.parts[next].isFree, plan.sharers[next].allSatisfy({ plan.parts[$0].isFree }) else { return nil }
        return plan.parts[next]
    }

    /// Finds what nobody holds any more.
    private func release() {
        var kept = 0
        for i in held.indices {
            if held[i].part.isFree {
                free[held[i].key, default: []].append(held[i].part)
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
        let places = Places(requests.map { (bytes: $0.key.bytes, end: $0.end) })
        if plans.count >= Self.mostPlans { plans = [:] }
        let memory = try Memory<UInt8>(count: max(places.bytes, 64))
        made += 1
        let parts = zip(requests, places.offsets).map { Part($0.key, in: memory, at: $1) }
        let plan = Plan(requests: requests, memory: memory, parts: parts, sharers: places.sharers)
        plans[requests[0].key] = plan
        latest = plan
    }

    /// Gives everything back to the machine that nobody else holds.
    func drain() {
        plans = [:]
        latest = nil
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
