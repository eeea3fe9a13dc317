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
        let context = try #require(list).context
        list = nil
        let values = try Memory<Float>(count: 100)
        var span = values.mutableSpan
        span[0] = 1
        // There is nobody left to run it, but it is noted as before.
        for _ in 0..<40 { try scale(by: 2, into: values.mutableSpan, on: context) }
        #expect(values.span[0] == 1)
    }

    @Test func aClearedListNotesAnew() throws {
        let list = try OperationList(on: Context(threads: 2))
        let values = try Memory<Float>(count: 100)
        for round in 1...5 {
            var span = values.mutableSpan
            for i in 0..<100 { span[i] = 1 }
            for _ in 0..<(7 * round) { try accumulate(values.span, into: values.mutableSpan, on: list.context) }
            try scale(by: 3, into: values.mutableSpan, on: list.context)
            #expect(list.count == 7 * round + 1)
            try list.run()
            #expect((0..<100).allSatisfy { values.span[$0] == Float(sign: .plus, exponent: 7 * round, significand: 3) })
            list.clear()
            #expect(list.count == 0)
        }
    }
}
