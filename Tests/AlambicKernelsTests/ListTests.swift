import AlambicTestSupport
import Testing

@testable import AlambicKernels

@Suite struct ListTests {
    @Test(arguments: threadCounts) func runsStepsInOrderAgainAndAgain(threads: Int) throws {
        let list = try OperationList(on: Context(threads: threads))
        let count = 1000
        let values = try Memory<Int>(count: count)
        let start = values.start
        // Each step needs all of the one before: the order of elements is turned around, then something is added.
        let other = try Memory<Int>(count: count)
        let scratch = other.start
        for step in 0..<10 {
            let nanoseconds = [0.0, 100, 1e6][step % 3]
            try list.note(count, nanoseconds: nanoseconds) { scratch[$0] = start[count - 1 - $0] }
            try list.note(count, nanoseconds: nanoseconds) { start[$0] = scratch[$0] * 3 + $0 + step }
        }
        #expect(list.count == 20)
        #expect(list.context.isRecording)
        #expect((0..<count).allSatisfy { start[$0] == 0 }, "noted, not run")

        var expected = [Int](repeating: 0, count: count)
        for round in 0..<3 {
            try list.run()
            for step in 0..<10 {
                let turned = Array(expected.reversed())
                for i in 0..<count { expected[i] = turned[i] &* 3 &+ i &+ step }
            }
            #expect((0..<count).allSatisfy { start[$0] == expected[$0] }, "round \(round)")
        }
        list.clear()
        #expect(list.count == 0)
        try list.run()
        #expect((0..<count).allSatisfy { start[$0] == expected[$0] })
    }

    @Test func smallListsRunOnTheCaller() throws {
        let list = try OperationList(on: Context(threads: 2))
        let values = try Memory<Int>(count: 4)
        let start = values.start
        for step in 0..<5 { try list.note(4, nanoseconds: 10) { start[$0] = start[$0] * 2 + step } }
        try list.run()
        #expect((0..<4).allSatisfy { start[$0] == 26 })
    }

    @Test func aListIsNotMadeOnAList() throws {
        let list = try OperationList(on: Context(threads: 1))
        #expect(throws: KernelError.self) { try OperationList(on: list.context) }
    }

    @Test func theContextOutlivesTheList() throws {
        var list: OperationList? = try OperationList(on: Context(threads: 2))
        let context = list?.context
        list = nil
        #expect(context?.isa == .detected)
    }
}
