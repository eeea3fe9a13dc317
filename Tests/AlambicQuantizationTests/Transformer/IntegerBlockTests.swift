import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicQuantization

@Suite struct IntegerBlockTests {
    private static func bytes(_ scale: Float, _ zeroPoint: Int32) -> AffineParameters {
        AffineParameters(scale: scale, zeroPoint: zeroPoint, bits: 8, levels: .unsigned)
    }

    /// [batch, length, width] as rows of the sequences.
    private static func sequences<T: BinaryInteger>(_ x: [T], batch: Int, length: Int, width: Int) -> [[[Int64]]] {
        (0..<batch).map { b in
            (0..<length).map { t in
                let row = (b * length + t) * width
                return x[row..<row + width].map { Int64($0) }
            }
        }
    }

    // MARK: attention

    /// Scores at scales that suit the soft-max, that are too fine for it, and that are too coarse.
    @Test(arguments: [Float(0.02), 1e-4, 1, 3])
    func attentionIsThatOfPlainLoops(scale: Float) throws {
        var random = SplitMix(seed: 3)
        for (batch, length, heads, headWidth) in [(1, 1, 1, 1), (2, 7, 3, 5), (3, 33, 2, 16), (1, 16, 4, 64)] {
            for bits in [8, 16, 22] {
                let (query, key) = (Self.bytes(scale, 131), Self.bytes(scale * 0.9, 100))
                let (value, output) = (Self.bytes(0.031, 90), Self.bytes(0.02, 118))
                let attention = IntegerAttention(
                    heads: heads, headWidth: headWidth, query: query, key: key, value: value, output: output,
                    bits: bits)
                let width = heads * headWidth
                let all = (0..<3).map { _ in random.integers(batch * length * width, in: UInt8.min...UInt8.max) }
                let found = try Self.run(attention, all, batch: batch, length: length)
                let rows = all.map { Self.sequences($0, batch: batch, length: length, width: width) }
                let expected = (0..<batch).flatMap { b in
                    TransformerOracle.attention(
                        rows[0][b], rows[1][b], rows[2][b], heads: heads, bits: bits, query, key, value, output
                    ).flatMap { $0 }
                }
                #expect(
                    found.map(Int64.init) == expected,
                    "\(batch) sequences of \(length), \(heads) heads of \(headWidth), \(bits) bits, seed 3")
            }
        }
    }

    private static func run(
        _ attention: IntegerAttention, _ x: [[UInt8]], batch: Int, length: Int, on context: Context = .default
    ) throws -> [UInt8] {
        let y = try DenseTensor<UInt8>([batch * length, attention.width])
        let (query, key, value) = (x[0], x[1], x[2])
        try attention(
            query: query.span, key: key.span, value: value.span, batch: batch, length: length, into: y.storage,
            on: context)
        return y.elements
    }

    /// The first token attends to itself alone, and equal keys to all values before alike.
    @Test func attentionByHand() throws {
        let plain = Self.bytes(0.05, 128)
        let attention = IntegerAttention(
            heads: 1, headWidth: 2, query: plain, key: plain, value: plain, output: plain)
        let q: [UInt8] = [10, 250, 128, 128, 3, 77]
        let k: [UInt8] = [90, 200, 90, 200, 90, 200]
        let v: [UInt8] = [0, 255, 200, 55, 100, 128]
        let y = try Self.run(attention, [q, k, v], batch: 1, length: 3)
        // Means of 0 and 200, and of 0, 200 and 100; of 255 and 55, and of 255, 55 and 128. Probabilities are rounded
        // down.
        for (found, expected) in zip(y, [0, 255, 100, 155, 100, 146]) { #expect(abs(Int(found) - expected) <= 1) }
    }

    /// Equal keys over a long context: what the probabilities are rounded down by, 2048 times 2⁻²² of 255 levels at
    /// most, is less than half a level.
    @Test func longContextsLoseNothing() throws {
        let plain = AffineParameters(scale: 0.05, zeroPoint: 0, bits: 8, levels: .unsigned)
        let attention = IntegerAttention(
            heads: 1, headWidth: 1, query: plain, key: plain, value: plain, output: plain)
        let length = 2048
        let (keys, values) = ([UInt8](repeating: 9, count: length), [UInt8](repeating: 255, count: length))
        let y = try Self.run(attention, [keys, keys, values], batch: 1, length: length)
        let lost = y.indices.filter { y[$0] != 255 }
        #expect(lost.isEmpty, "\(lost.count) positions, the first \(lost.first ?? 0)")
    }

    // MARK: blocks

    private static func source(
        width: Int, heads: Int, headWidth: Int, inner: Int, seed: UInt64, deviation: Float = 0.3
    ) throws -> IntegerBlockSource {
        var random = SplitMix(seed: seed)
        func vector(_ count: Int, around middle: Float = 0) throws -> Tensor {
            try Tensor([count], random.normals(count, deviation: 0.2).map { $0 + middle })
        }
        func matrix(_ outputs: Int, _ inputs: Int) throws -> Tensor {
            var values = random.normals(outputs * inputs, deviation: deviation)
            // An output without weights.
            for k in 0..<inputs { values[(outputs / 2) * inputs + k] = 0 }
            return try Tensor([outputs, inputs], values)
        }
        let attention = heads * headWidth
        let parameters = [
            try vector(width, around: 1), try vector(width), try matrix(3 * attention, width),
            try vector(3 * attention), try matrix(width, attention), try vector(width), try vector(width, around: -1),
            try vector(width), try matrix(inner, width), try vector(inner), try matrix(width, inner),
            try vector(width),
        ]
        return IntegerBlockSource(
            parameters: parameters, names: parameters.indices.map { "parameter \($0)" }, heads: heads, epsilon: 1e-5,
            residualScale: 4 * 0x1p-18,
            ranges: IntegerBlockRanges(
                attentionInput: bytes(0.03, 128), query: bytes(0.04, 120), key: bytes(0.05, 140),
                value: bytes(0.04, 127), attended: bytes(0.02, 131), feedForwardInput: bytes(0.025, 122),
                activated: bytes(0.02, 9)))
    }

    @Test func blocksAreThoseOfPlainLoops() throws {
        for (seed, sizes) in [(8, 1, 8, 16), (24, 3, 8, 96), (40, 2, 12, 33)].enumerated() {
            let (width, heads, headWidth, inner) = sizes
            let source = try Self.source(
                width: width, heads: heads, headWidth: headWidth, inner: inner, seed: UInt64(seed))
            let block = try source.block(on: .default)
            var random = SplitMix(seed: UInt64(seed) + 50)
            // The second is of what was never seen: it saturates.
            for range in [Int32(-262_144)...262_144, -524_287...524_287, 0...0] {
                let (batch, length) = (2, 9)
                let x = random.integers(batch * length * width, in: range)
                let expected = Self.sequences(x, batch: batch, length: length, width: width).flatMap {
                    TransformerOracle.block(block, source, $0).flatMap { $0 }
                }
                let found = try block(x, batch: batch, length: length)
                #expect(found.map(Int64.init) == expected, "\(sizes), stream in \(range), seed \(seed)")
                #expect(found != x && Set(found).count > width / 2, "\(sizes): the branches do nothing")
            }
        }
    }

    /// For one thread and two, and for a sequence alone and with others.
    @Test func theSameBits() throws {
        let source = try Self.source(width: 24, heads: 3, headWidth: 8, inner: 96, seed: 4)
        var random = SplitMix(seed: 6)
        let x = random.integers(3 * 11 * 24, in: Int32(-100_000)...100_000)
        let expected = try source.block(on: .default)(x, batch: 3, length: 11)
        for threads in 1...4 {
            let context = try Context(threads: threads)
            let block = try source.block(on: context)
            #expect(try block(x, batch: 3, length: 11, on: context) == expected, "\(threads) threads")
            let size = 11 * 24
            let alone = try (0..<3).flatMap {
                try block(Array(x[$0 * size..<($0 + 1) * size]), batch: 1, length: 11, on: context)
            }
            #expect(alone == expected, "\(threads) threads, one at a time")
        }
    }

    @Test func parametersThatAreNoNumbers() throws {
        for index in 0..<12 {
            var source = try Self.source(width: 8, heads: 1, headWidth: 8, inner: 16, seed: 1)
            var elements = source.parameters[index].elements
            elements[1] = .nan
            source.parameters[index] = try Tensor(source.parameters[index].shape, elements)
            let error = #expect(throws: KernelError.self) { try source.block(on: .default) }
            let message = "\(try #require(error))"
            // A layer has the name of its weights.
            let isBias = [3, 5, 9, 11].contains(index)
            let prefix = isBias ? "parameter \(index - 1).bias" : "parameter \(index)"
            #expect(message.hasPrefix(prefix) && message.contains("1 is"), "\(message)")
        }
    }

    // MARK: GELU

    /// Against plain loops, whatever the scales, to the ends of 32 bits.
    @Test func levelsOfGELU() {
        for scale in [0x1p-4, 0.01, 0x1p-10, 0x1p-16] {
            for output in [Self.bytes(0.02, 9), Self.bytes(1, 0), Self.bytes(1e-6, 200)] {
                let gelu = IntegerGELULevels(scale: scale, output: output)
                for x in stride(from: -8.0, through: 8, by: 0.037) {
                    let q = Int32(x / scale)
                    #expect(Int64(gelu(q)) == TransformerOracle.gelu(Int64(q), scale, output), "\(x), scale \(scale)")
                }
                #expect(gelu(0) == UInt8(output.zeroPoint))
                #expect(gelu(.max) == UInt8(output.highest))
                // Steps of the polynomial that are left at its end times so large a number, but no overflow.
                #expect(gelu(.min) <= UInt8(output.zeroPoint))
            }
        }
    }
}
