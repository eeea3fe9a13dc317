import AlambicTestSupport
import Dispatch
import Foundation
import Synchronization
import Testing

@testable import AlambicKernels

#if canImport(Glibc)
    import Glibc
#endif

/// Squares of 0 ..< count through the team, each in its own place; nil when all are right.
private func wrongSquare(_ count: Int, nanoseconds: Double = 0, on context: Context) throws -> Int? {
    let squares = try Memory<Int>(count: count)
    let start = squares.start
    try concurrently(count, nanoseconds: nanoseconds, on: context) { start[$0] += $0 * $0 }
    return (0..<count).first { start[$0] != $0 * $0 }
}

private func isRight(_ count: Int, nanoseconds: Double, on context: Context) -> Bool {
    do { return try wrongSquare(count, nanoseconds: nanoseconds, on: context) == nil } catch { return false }
}

private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for i in 0..<count {
        group.enter()
        Thread {
            body(i)
            group.leave()
        }.start()
    }
    group.wait()
}

@Suite struct TeamTests {
    @Test(arguments: threadCounts) func everyTaskRunsOnce(threads: Int) throws {
        let context = try Context(threads: threads)
        #expect(context.threads == threads)
        for count in [0, 1, 2, 3, 7, 64, 1000, 20_000] {
            for nanoseconds in [0.0, 1, 1e9] {
                #expect(try wrongSquare(count, nanoseconds: nanoseconds, on: context) == nil, "\(count) tasks")
            }
        }
    }

    @Test(arguments: threadCounts) func manyTasksCallAtOnce(threads: Int) async throws {
        let context = try Context(threads: threads)
        let wrong = await withTaskGroup(of: Int.self) { group in
            for caller in 0..<64 {
                group.addTask {
                    (0..<50).count { job in
                        // Small and large work, on the caller and on the team, by turns.
                        let nanoseconds: Double = (caller + job) % 3 == 0 ? 10 : 0
                        return (try? wrongSquare(1 + (caller * 7 + job) % 40, nanoseconds: nanoseconds, on: context))
                            != .some(nil)
                    }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
        #expect(context.waitingCallers == 0)
    }

    @Test func manyThreadsCallSeveralTeams() throws {
        let contexts = try threadCounts.map { try Context(threads: $0) }
        let wrong = Atomic(0)
        onThreads(64) { caller in
            for job in 0..<50 {
                let context = contexts[(caller + job) % 4]
                if !isRight(20, nanoseconds: job % 4 == 0 ? 10 : 0, on: context) { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    @Test func turnsAreFirstInFirstOut() throws {
        let context = try Machine.local.context(threads: 2, firstCore: 1)  // a team of its own: nobody else queues
        let hold = DispatchSemaphore(value: 0)
        let order = Mutex<[Int]>([])
        let group = DispatchGroup()
        func start(_ caller: Int, _ body: @escaping @Sendable () -> Void) {
            group.enter()
            Thread {
                try? concurrently(1, nanoseconds: caller % 2 == 0 ? 1 : 1e9, on: context) { _ in body() }
                group.leave()
            }.start()
        }
        let held = DispatchSemaphore(value: 0)
        start(1) {
            held.signal()
            hold.wait()
        }
        held.wait()
        for caller in 0..<12 {
            start(caller) { order.withLock { $0.append(caller) } }
            while context.waitingCallers != caller + 1 { usleep(100) }
        }
        hold.signal()
        group.wait()
        #expect(order.withLock { $0 } == Array(0..<12))
    }

    @Test(arguments: threadCounts) func callingTheTeamFromItsOwnWorkIsAnError(threads: Int) throws {
        let context = try Context(threads: threads)
        let other = try Machine.local.context(threads: 2, firstCore: 3)  // a team of its own: nobody else queues
        for nanoseconds in [1, 1e9] {
            let errors = Mutex<[KernelError.Code?]>([])
            let call = {
                var code: KernelError.Code?
                do throws(KernelError) { try concurrently(1, on: context) { _ in } } catch { code = error.code }
                errors.withLock { $0.append(code) }
            }
            try concurrently(3, nanoseconds: nanoseconds, on: context) { _ in
                call()
                // Another team may be called, and through it, on the caller or on its workers, the first is noticed too.
                try? concurrently(2, nanoseconds: 1, on: other) { _ in call() }
                try? concurrently(2, nanoseconds: 1e9, on: other) { _ in call() }
            }
            #expect(errors.withLock { $0 } == Array(repeating: .badArgument, count: 3 * 5))
            // The other team's workers remember nothing of it.
            try concurrently(2, nanoseconds: 1e9, on: other) { _ in call() }
            #expect(errors.withLock { $0.suffix(2) } == [nil, nil])
        }
        #expect(try wrongSquare(100, on: context) == nil)
    }

    @Test(arguments: threadCounts) func scratchGrowsAndIsAligned(threads: Int) throws {
        let context = try Context(threads: threads)
        for bytes in [1, 64, 65_536, 65_537, 3 << 20, 100] {
            let bad = Atomic(0)
            try concurrently(32, nanoseconds: 0, scratch: bytes, shared: 32 * bytes, on: context) { task, place in
                guard let scratch = place.scratch, let shared = place.shared, Int(bitPattern: scratch) % 64 == 0,
                    Int(bitPattern: shared) % 64 == 0, place.worker < place.workers
                else {
                    bad.add(1, ordering: .relaxed)
                    return
                }
                memset(scratch, Int32(task), bytes)
                memcpy(shared + task * bytes, scratch, bytes)
                let mine = UnsafeRawBufferPointer(start: shared + task * bytes, count: bytes)
                if mine.contains(where: { $0 != UInt8(task) }) { bad.add(1, ordering: .relaxed) }
            }
            #expect(bad.load(ordering: .relaxed) == 0, "\(bytes) bytes")
        }
        for (scratch, shared) in [(Int.max / 2, 0), (0, Int.max / 2)] {
            #expect(throws: KernelError.self) {
                try concurrently(32, nanoseconds: 0, scratch: scratch, shared: shared, on: context) { _, _ in }
            }
        }
        #expect(try wrongSquare(100, on: context) == nil)
    }

    @Test func workDoesNotSeeTheCallersRounding() throws {
        let context = try Context(threads: 2)
        let parts = try Memory<Float>(count: 8)
        let start = parts.start
        for nanoseconds in [1, 1e9] {
            var generator = SplitMix(seed: 1)
            let one = generator.floats(1, in: 1...2)[0]  // not known to the compiler
            fesetround(FE_UPWARD)
            defer { fesetround(FE_TONEAREST) }
            try concurrently(8, nanoseconds: nanoseconds, on: context) { start[$0] = one / Float($0 + 3) }
            #expect(fegetround() == FE_UPWARD)
            fesetround(FE_TONEAREST)
            for i in 0..<8 { #expect(start[i] == one / Float(i + 3)) }
        }
    }

    @Test func contextsMadeAlikeShareATeam() throws {
        let a = try Context(threads: 2)
        let b = try Context(threads: 2, allowing: .portable)
        #expect(a.team === b.team)
        #expect(try Machine.local.context(threads: 2, firstCore: 1).team !== a.team)
        #expect(throws: KernelError.self) { try Context(threads: 0) }
        #expect(throws: KernelError.self) { try Context(threads: 1_000_000) }
    }

    @Test func teamsComeAndGo() throws {
        for round in 0..<50 {
            let context = try Machine.local.context(threads: 1 + round % 4, firstCore: 2 + round % 3)
            #expect(try wrongSquare(50, on: context) == nil)
        }
    }

    @Test func pinningCanBeReadAndMayFail() throws {
        let unpinned = try Machine.local.context(threads: 2, pinned: false)
        #expect(unpinned.pinning == [.skipped("not asked for"), .skipped("not asked for")])
        #if os(Linux)
            // Hardware threads that do not exist: the system refuses, the work is done all the same.
            let machine = try Machine(synthetic: "numa:4 core:250 pu:1")
            let context = try machine.context(threads: 3, firstCore: 900)
            for outcome in context.pinning {
                guard case .failed(let reason) = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
                #expect(reason.contains("does not exist"))
            }
            #expect(try wrongSquare(1000, on: context) == nil)
            #expect(try Context(threads: 1).pinning.count == 1)
        #endif
    }

    /// What handing over costs here. Printed, not judged: it depends on who else uses the machine.
    @Test func handOverLatency() throws {
        let context = try Context(threads: 2)
        for (name, pause, nanoseconds) in [("awake", 0, 0.0), ("asleep", 400, 0), ("on the caller", 0, 1)] {
            var times = (0..<100).map { _ in
                if pause > 0 { usleep(UInt32(pause)) }
                let start = DispatchTime.now()
                try? concurrently(2, nanoseconds: nanoseconds, on: context) { _ in }
                return Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1000
            }
            times.sort()
            print("hand-over to 2 workers, \(name): min \(times[0]) us, median \(times[50]) us")
        }
    }
}
