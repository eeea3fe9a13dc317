import AlambicKernels
import AlambicTestSupport
import Testing

/// Operations that continue a sequence from a place that they read when they run.
@Suite struct CachedRowsTests {
    typealias Case = AttentionCase

    private struct Bite<Element: FloatElement> {
        let list: OperationList
        let input, output: Memory<Element>
    }

    private func memory<Element: BitwiseCopyable>(_ elements: [Element]) throws -> Memory<Element> {
        let memory = try Memory<Element>(count: elements.count)
        write(elements, memory)
        return memory
    }
    private func write<Element: BitwiseCopyable>(_ elements: [Element], _ memory: Memory<Element>) {
        var span = memory.mutableSpan
        for (i, element) in elements.enumerated() { span[i] = element }
    }
    private func read<Element: BitwiseCopyable>(_ memory: Memory<Element>) -> [Element] {
        (0..<memory.count).map { memory.span[$0] }
    }

    /// Bites of a sequence, in the memory of a list that is run again for every bite of the same size.
    private func attentionInBites<Element: FloatElement>(
        _ example: Case, _ qkv: [Element], _ whole: [Element], _ bites: [Int], noted: Bool, nan: Element,
        same: ([Element], [Element]) -> Bool, on base: Context
    ) throws {
        let capacity = 300
        let elements = attentionCacheElements(
            capacity: capacity, kvHeads: example.kvHeads, headWidth: example.width)
        let keys = try memory([Element](repeating: nan, count: elements))
        let values = try memory([Element](repeating: nan, count: elements))
        let count = try memory([Int64(0)])
        var known: [Int: Bite<Element>] = [:]
        var position = 0
        for size in bites {
            let bite: Bite<Element>
            if let found = known[size], noted {
                bite = found
            } else {
                bite = Bite(
                    list: try OperationList(on: base), input: try Memory(count: size * example.row),
                    output: try Memory(count: size * example.columns))
                known[size] = bite
            }
            let isNew = bite.list.count == 0
            let (input, output) = (bite.input, bite.output)
            write(Array(qkv[(position * example.row)..<((position + size) * example.row)]), bite.input)
            if isNew || !noted {
                try cachedAttention(
                    qkv: input.span, after: count.span, keys: keys.mutableSpan, values: values.mutableSpan,
                    capacity: capacity, queries: size, heads: example.heads, kvHeads: example.kvHeads,
                    headWidth: example.width,
                    into: output.mutableSpan, on: noted ? bite.list.context : base)
            }
            if noted { try bite.list.run() }
            #expect(read(count) == [Int64(position)], "the count is the caller's")
            let expected = Array(whole[(position * example.columns)..<((position + size) * example.columns)])
            #expect(same(read(bite.output), expected), "\(example) rows \(position)..<\(position + size), \(noted)")
            position += size
            write([Int64(position)], count)
        }
        #expect(position == example.length)
    }

    @Test(arguments: [8, 31, 32, 64], [1, 2]) func attentionHasTheBitsOfTheWholeSequence(
        width: Int, kvHeads: Int
    ) throws {
        let example = Case(batch: 1, length: 290, heads: 2, kvHeads: kvHeads, width: width, seed: UInt64(width))
        let (qkv, _) = example.inputs(deviation: 3)
        let bites = [1, 1, 5, 1, 40, 1, 16, 1, 1, 50, 17, 1, 1, 14, 100, 1, 1, 3, 1, 1, 33]
        for variant in example.variants {
            let whole = try example.forward(qkv, on: variant.context(threads: 1)).output
            for threads in threadCounts {
                for noted in [false, true] {
                    try attentionInBites(
                        example, qkv, whole, bites, noted: noted, nan: .nan,
                        same: { firstDifference($0, $1) == nil }, on: variant.context(threads: threads))
                }
            }
        }
    }

    @Test func attentionOfHalvesHasTheBitsOfTheWholeSequence() throws {
        let example = Case(isBF16: true, batch: 1, length: 60, heads: 2, kvHeads: 1, width: 32, seed: 3)
        let (qkv, _) = example.inputs()
        let halves = qkv.map { UInt16($0.bitPattern >> 16) }
        for variant in example.variants {
            let context = try variant.context(threads: 2)
            let whole = try example.forward(qkv, on: context).output.map { UInt16($0.bitPattern >> 16) }
            for noted in [false, true] {
                try attentionInBites(
                    example, halves, whole, [1, 1, 30, 1, 20, 7], noted: noted, nan: 0x7fff, same: { $0 == $1 },
                    on: context)
            }
        }
    }

    @Test func withoutRoomNothingIsWritten() throws {
        let (heads, width, capacity) = (2, 8, 5)
        let columns = heads * width
        var random = SplitMix(seed: 1)
        let qkv = try memory(random.floats(2 * 3 * columns))
        let elements = attentionCacheElements(capacity: capacity, kvHeads: heads, headWidth: width)
        #expect(elements >= capacity * columns)
        let keys = try memory([Float](repeating: 7, count: elements))
        let values = try memory([Float](repeating: 7, count: elements))
        let output = try memory([Float](repeating: 7, count: 2 * columns))
        let count = try memory([Int64(0)])
        func attend(on context: Context) throws {
            try cachedAttention(
                qkv: qkv.span, after: count.span, keys: keys.mutableSpan, values: values.mutableSpan,
                capacity: capacity, queries: 2, heads: heads, headWidth: width, into: output.mutableSpan, on: context)
        }
        for threads in [1, 3] {
            let context = try Context(threads: threads)
            let list = try OperationList(on: context)
            try attend(on: list.context)
            for full: Int64 in [4, 5, 6, -1, .max, .min] {
                write([full], count)
                let error = #expect(throws: KernelError.self) { try attend(on: context) }
                #expect(error.map { "\($0)" }?.contains("2 queries with a cache for 5 keys") == true)
                try list.run()
                for memory in [keys, values, output] { #expect(read(memory).allSatisfy { $0 == 7 }, "\(full)") }
            }
        }
        write([3], count)
        try attend(on: .default)
        #expect(read(output).allSatisfy { $0 != 7 })
        for memory in [keys, values] { #expect(read(memory).count { $0 != 7 } == 2 * columns) }
    }

    @Test func embeddingFollowsItsOffset() throws {
        for variant in Kernels.embedding where variant.runsHere {
            for (rows, columns) in [(1, 17), (3, 32), (70, 5)] {
                let context = try variant.context(threads: 2)
                let list = try OperationList(on: context)
                var random = SplitMix(seed: UInt64(rows))
                let (vocabulary, positions) = (11, rows + 6)
                let table = try memory(random.floats(vocabulary * columns))
                let places = try memory(random.floats(positions * columns))
                let ids = try memory([Int32](repeating: 0, count: rows))
                let offset = try memory([Int64(-1)]), y = try memory([Float](repeating: 0, count: rows * columns))
                func embed(on context: Context) throws {
                    try embedding(
                        ids: ids.span, table: table.span, positions: places.span, after: offset.span,
                        columns: columns, into: y.mutableSpan, on: context)
                }
                // Neither tokens nor offset are looked at yet.
                try embed(on: list.context)
                for start in 0...6 {
                    write(random.integers(rows, in: Int32(0)...10), ids)
                    write([Int64(start)], offset)
                    var expected: [Float] = []
                    for i in 0..<rows {
                        for c in 0..<columns {
                            let token = Int(ids.span[i])
                            expected.append(
                                table.span[token * columns + c] + places.span[(start + i) * columns + c])
                        }
                    }
                    try list.run()
                    #expect(firstDifference(read(y), expected) == nil, "\(variant) \(rows) x \(columns) at \(start)")
                    write([Float](repeating: 0, count: y.count), y)
                    try embed(on: context)
                    #expect(firstDifference(read(y), expected) == nil, "\(variant) \(rows) x \(columns) at \(start)")
                }
                for outside: Int64 in [Int64(positions), -1, .max, .min] {
                    write([Float](repeating: 7, count: y.count), y)
                    write([outside], offset)
                    #expect(throws: KernelError.self) { try embed(on: context) }
                    try list.run()
                    #expect(read(y).allSatisfy { $0 == 7 }, "\(outside)")
                }
            }
        }
    }
}
