/// The bytes of a tensor with shared values, whose lengths the header says:
///
///     codebook   f32 of each shared value, little-endian
///     tables     4 bits for each codeword's length: of the symbols 0 (filler zero), 1, …, then of the steps 0 … 2^gapBits - 1;
///                padded to a byte
///     symbols    the entries' symbols in their Huffman code, padded to a byte
///     steps      the entries' steps in theirs, padded to a byte; nothing where gapBits is 0
struct SharedSection {
    /// The lengths of the parts, as the header says them.
    struct Layout: Equatable {
        var codebook: Int
        var gapBits: Int
        var entries: Int
        var symbolBytes: Int
        var gapBytes: Int

        var steps: Int { gapBits == 0 ? 0 : 1 << gapBits }
        var codebookBytes: Int { 4 * codebook }
        var tableBytes: Int { (codebook + 1 + steps + 1) / 2 }
        var bytes: Int { codebookBytes + tableBytes + symbolBytes + gapBytes }
    }

    let layout: Layout
    let bytes: [UInt8]

    /// The shortest form of these weights, or that with steps of `gapBits` bits.
    init(_ values: SharedValues, gapBits: Int?) {
        let choices = (gapBits.map { [$0] } ?? Array(0...8)).map { Draft(values, gapBits: $0) }
        // There is at least one choice; equal ones are decided for the smaller table.
        let best = choices.dropFirst().reduce(choices[0]) { $1.layout.bytes < $0.layout.bytes ? $1 : $0 }
        layout = best.layout
        bytes = best.bytes(codebook: values.codebook)
    }

    /// One choice of the step's size, costed before anything is written.
    private struct Draft {
        let index: RelativeIndex
        let symbolCode: HuffmanCode
        let gapCode: HuffmanCode
        let layout: Layout

        init(_ values: SharedValues, gapBits: Int) {
            index = RelativeIndex(values.symbols, gapBits: gapBits)
            var symbols = [Int](repeating: 0, count: values.codebook.count + 1)
            for symbol in index.symbols { symbols[Int(symbol)] += 1 }
            var gaps = [Int](repeating: 0, count: gapBits == 0 ? 0 : 1 << gapBits)
            if gapBits > 0 { for gap in index.gaps { gaps[Int(gap)] += 1 } }
            symbolCode = HuffmanCode(frequencies: symbols)
            gapCode = HuffmanCode(frequencies: gaps)
            layout = Layout(
                codebook: values.codebook.count, gapBits: gapBits, entries: index.symbols.count,
                symbolBytes: (symbolCode.bits(frequencies: symbols) + 7) / 8,
                gapBytes: (gapCode.bits(frequencies: gaps) + 7) / 8)
        }

        func bytes(codebook: [Float]) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(layout.bytes)
            for value in codebook { bytes += littleEndian(value.bitPattern) }
            var table = BitWriter()
            for length in symbolCode.lengths + gapCode.lengths { table.write(UInt32(length), bits: 4) }
            bytes += table.finished()
            bytes += symbolCode.encode(index.symbols)
            if layout.gapBits > 0 { bytes += gapCode.encode(index.gaps) }
            return bytes
        }
    }

    /// Reads a section of exactly `layout.bytes` bytes.
    static func decode(_ bytes: [UInt8], _ layout: Layout, shape: [Int]) throws(StreamError) -> SharedValues {
        let count = shape.reduce(1, *)
        var at = 0
        func part(_ size: Int) -> ArraySlice<UInt8> {
            defer { at += size }
            return bytes[at..<at + size]
        }
        let codebook = floats(part(layout.codebookBytes))
        var table = BitReader(part(layout.tableBytes))
        var lengths: [UInt8] = []
        for _ in 0..<layout.codebook + 1 + layout.steps {
            lengths.append(UInt8(table.peek(4)))
            _ = table.skip(4)
        }
        guard table.isAtEnd else { throw StreamError("there is something after the Huffman tables") }
        let symbolCode = try HuffmanCode(lengths: Array(lengths[...layout.codebook]))
        let gapCode = try HuffmanCode(lengths: Array(lengths[(layout.codebook + 1)...]))
        let symbols = try symbolCode.decode(layout.entries, from: part(layout.symbolBytes))
        let gapCount = layout.gapBits == 0 ? 0 : layout.entries
        let gaps = try gapCode.decode(gapCount, from: part(layout.gapBytes))
        let index = RelativeIndex(symbols: symbols, gaps: gaps, gapBits: layout.gapBits)
        return SharedValues(shape: shape, codebook: codebook, symbols: try index.dense(count: count))
    }
}

/// The bytes of a number, least significant first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// Floats from their bytes, least significant first.
func floats(_ bytes: some RandomAccessCollection<UInt8>) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(bytes.count / 4)
    var bits: UInt32 = 0
    for (place, byte) in bytes.enumerated() {
        bits |= UInt32(byte) << UInt32(8 * (place % 4))
        if place % 4 == 3 {
            result.append(Float(bitPattern: bits))
            bits = 0
        }
    }
    return result
}
