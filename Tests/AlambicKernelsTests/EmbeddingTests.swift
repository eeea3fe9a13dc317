import AlambicKernels
import AlambicTestSupport
import Testing

@Suite struct EmbeddingTests {
    struct Case: CustomStringConvertible {
        var rows, columns, vocabulary, length, offset: Int
        var seed: UInt64
        var description: String {
            "rows \(rows) columns \(columns) vocabulary \(vocabulary) length \(length) offset \(offset) seed \(seed)"
        }
    }

    static let cases: [Case] = [1, 3, 15, 16, 17, 31, 63, 64, 65, 130, 200].enumerated().flatMap { n, columns in
        [1, 31, 32, 33, 130].map { rows in
            Case(
                rows: rows, columns: columns, vocabulary: [1, 5, 256][(n + rows) % 3], length: [1, 7, 65][rows % 3],
                offset: rows % 2 * 3, seed: UInt64(columns * 1000 + rows))
        }
    }

    @Test func gathersRowsAndPositions() throws {
        for variant in Kernels.embedding where variant.runsHere {
            let context = try variant.context(threads: 2)
            for example in Self.cases {
                var numbers = SplitMix(seed: example.seed)
                let (columns, length) = (example.columns, example.length)
                let table = numbers.floats(example.vocabulary * columns)
                let positions = numbers.floats((length + example.offset) * columns)
                let ids = numbers.integers(example.rows, in: 0...Int32(example.vocabulary - 1))
                var bare = [Float](repeating: .nan, count: example.rows * columns), y = bare
                var expectedBare: [Float] = [], expected: [Float] = []
                for (i, id) in ids.enumerated() {
                    for c in 0..<columns {
                        expectedBare.append(table[Int(id) * columns + c])
                        expected.append(
                            table[Int(id) * columns + c] + positions[(example.offset + i % length) * columns + c])
                    }
                }
                try embedding(
                    ids: ids.span, table: table.span, length: length, columns: columns, into: bare.mutableSpan,
                    on: context)
                try embedding(
                    ids: ids.span, table: table.span, positions: positions.span, length: length,
                    positionOffset: example.offset, columns: columns, into: y.mutableSpan, on: context)
                #expect(firstDifference(bare, expectedBare) == nil, "\(variant) \(example)")
                #expect(firstDifference(y, expected) == nil, "\(variant) \(example)")
            }
        }
    }

    /// Sums have one order, that of the rows, so the oracle's bits are the only right ones.
    @Test func scattersInTheOrderOfTheRows() throws {
        for variant in Kernels.embedding where variant.runsHere {
            for threads in threadCounts {
                let context = try variant.context(threads: threads)
                for example in Self.cases {
                    var numbers = SplitMix(seed: example.seed)
                    let (columns, length) = (example.columns, example.length)
                    let dY = numbers.floats(example.rows * columns)
                    let ids = numbers.integers(example.rows, in: 0...Int32(example.vocabulary - 1))
                    var table = numbers.floats(example.vocabulary * columns), alone = table, expectedTable = table
                    var positions = numbers.floats(length * columns), expectedPositions = positions
                    for (i, id) in ids.enumerated() {
                        for c in 0..<columns {
                            expectedTable[Int(id) * columns + c] += dY[i * columns + c]
                            expectedPositions[i % length * columns + c] += dY[i * columns + c]
                        }
                    }
                    try embeddingBackward(
                        ids: ids.span, dY: dY.span, columns: columns, into: alone.mutableSpan, on: context)
                    try embeddingBackward(
                        ids: ids.span, dY: dY.span, columns: columns, into: table.mutableSpan,
                        dPositions: positions.mutableSpan, length: length, on: context)
                    #expect(firstDifference(alone, expectedTable) == nil, "\(variant) \(threads) \(example)")
                    #expect(firstDifference(table, expectedTable) == nil, "\(variant) \(threads) \(example)")
                    #expect(firstDifference(positions, expectedPositions) == nil, "\(variant) \(threads) \(example)")
                }
            }
        }
    }

    /// Replacing starts the rows that are named with zero, and touches no other.
    @Test func replacesTheRowsItNames() throws {
        try onEveryVariant(Kernels.embedding) { label, context in
            for example in Self.cases {
                var numbers = SplitMix(seed: example.seed)
                let (columns, length) = (example.columns, example.length)
                let dY = numbers.floats(example.rows * columns)
                let ids = numbers.integers(example.rows, in: 0...Int32(example.vocabulary - 1))
                var table = numbers.floats(example.vocabulary * columns), positions = numbers.floats(length * columns)
                var expectedTable = table, expectedPositions = positions
                for (i, id) in ids.enumerated() {
                    for c in 0..<columns {
                        expectedTable[Int(id) * columns + c] = 0
                        expectedPositions[i % length * columns + c] = 0
                    }
                }
                for (i, id) in ids.enumerated() {
                    for c in 0..<columns {
                        expectedTable[Int(id) * columns + c] += dY[i * columns + c]
                        expectedPositions[i % length * columns + c] += dY[i * columns + c]
                    }
                }
                try embeddingBackward(
                    ids: ids.span, dY: dY.span, columns: columns, into: table.mutableSpan,
                    dPositions: positions.mutableSpan, length: length, store: .replace, on: context)
                #expect(firstDifference(table, expectedTable) == nil, "\(label) \(example)")
                #expect(firstDifference(positions, expectedPositions) == nil, "\(label) \(example)")
            }
        }
    }

    /// A list reads its ids when it runs: they may be anything when it is noted, and others at the next run.
    @Test func aListReadsTheIdsWhenItRuns() throws {
        let (rows, columns, vocabulary) = (40, 20, 9)
        var numbers = SplitMix(seed: 12)
        let list = try OperationList(on: Context(threads: 2))
        let ids = try Memory<Int32>(count: rows), table = try Memory<Float>(count: vocabulary * columns)
        let (y, gradient) = (try Memory<Float>(count: rows * columns), try Memory<Float>(count: table.count))
        var named = ids.mutableSpan, entries = table.mutableSpan, rowsOfY = y.mutableSpan
        for i in 0..<rows { named[i] = -7 }
        for (i, value) in numbers.floats(table.count).enumerated() { entries[i] = value }
        try embedding(
            ids: ids.span, table: table.span, length: rows, columns: columns, into: y.mutableSpan, on: list.context)
        try embeddingBackward(
            ids: ids.span, dY: y.span, columns: columns, into: gradient.mutableSpan, store: .replace, on: list.context)
        for _ in 0..<2 {
            let now = numbers.integers(rows, in: 0...Int32(vocabulary - 1))
            for i in 0..<rows { named[i] = now[i] }
            named[3] = Int32(vocabulary)  // left out
            for i in 0..<columns { rowsOfY[3 * columns + i] = 99 }
            try list.run()
            var expected = [Float](repeating: 0, count: table.count)
            for i in 0..<rows where i != 3 {
                for c in 0..<columns {
                    #expect(y.span[i * columns + c] == table.span[Int(now[i]) * columns + c])
                    expected[Int(now[i]) * columns + c] += table.span[Int(now[i]) * columns + c]
                }
            }
            #expect((0..<columns).allSatisfy { y.span[3 * columns + $0] == 99 })
            for id in Set(now.indices.filter { $0 != 3 }.map { Int(now[$0]) }) {
                for c in id * columns..<(id + 1) * columns { #expect(gradient.span[c] == expected[c]) }
            }
        }
    }

    @Test(arguments: [Int32(-1), 5, .max, .min])
    func refusesIdsOutsideTheTable(bad: Int32) {
        let ids: [Int32] = [0, 4, bad, 1], table = [Float](repeating: 1, count: 15)
        var y = [Float](repeating: 7, count: 12), gradient = table
        let error = #expect(throws: KernelError.self) {
            try embedding(ids: ids.span, table: table.span, length: 4, columns: 3, into: y.mutableSpan, on: .default)
        }
        #expect(error?.code == .badArgument)
        let backward = #expect(throws: KernelError.self) {
            try embeddingBackward(ids: ids.span, dY: y.span, columns: 3, into: gradient.mutableSpan, on: .default)
        }
        #expect(backward?.code == .badArgument)
        #expect(y.allSatisfy { $0 == 7 } && gradient == table)
    }

    /// A table of which ids cannot name every row would take negative ones. Nothing of it is read.
    @Test func refusesTablesLargerThanIds() {
        let ids: [Int32] = [-1]
        var y: [Float] = [7], one: [Float] = [7]
        let error = #expect(throws: KernelError.self) {
            try one.withUnsafeBufferPointer { start throws(KernelError) in
                let table = UnsafeBufferPointer(start: start.baseAddress, count: (1 << 31) + 1)
                try embedding(
                    ids: ids.span, table: table.span, length: 1, columns: 1, into: y.mutableSpan, on: .default)
            }
        }
        let backward = #expect(throws: KernelError.self) {
            try one.withUnsafeMutableBufferPointer { start throws(KernelError) in
                let table = UnsafeMutableBufferPointer(start: start.baseAddress, count: (1 << 31) + 1)
                try embeddingBackward(ids: ids.span, dY: y.span, columns: 1, into: table.mutableSpan, on: .default)
            }
        }
        #expect(error?.code == .badShape && backward?.code == .badShape && y == [7] && one == [7])
    }

    @Test func refusesPositionsBeyondTheirTable() {
        let ids: [Int32] = [0, 1, 2, 3], table = [Float](repeating: 1, count: 8)
        var y = [Float](repeating: 7, count: 8), positions = [Float](repeating: 0, count: 6)
        #expect(throws: KernelError.self) {
            try embedding(
                ids: ids.span, table: table.span, positions: positions.span, length: 2, positionOffset: 2, columns: 2,
                into: y.mutableSpan, on: .default)
        }
        var gradient = table
        #expect(throws: KernelError.self) {
            try embeddingBackward(
                ids: ids.span, dY: y.span, columns: 2, into: gradient.mutableSpan, dPositions: positions.mutableSpan,
                length: 4, on: .default)
        }
        #expect(y.allSatisfy { $0 == 7 } && gradient == table)
    }
}
