import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// What classifiers are made of in the orders in which classifiers have it, against definitions in double precision.
@Suite struct ClassifierGraphTests {
    private static let image = ImageShape(height: 4, width: 4, channels: 1)
    private func id(_ i: Int) -> ParameterID { ParameterID(index: i) }

    /// A convolution of images of 4 x 4 x 1 with windows of 3 x 3: [images, 2, 2, outputs].
    private func convolved(_ x: [Double], _ w: [Double]) -> [Double] {
        var y: [Double] = []
        for n in 0..<x.count / 16 {
            for i in 0..<2 {
                for j in 0..<2 {
                    for o in 0..<w.count / 9 {
                        var sum = 0.0
                        for k in 0..<9 { sum += x[n * 16 + (i + k / 3) * 4 + j + k % 3] * w[o * 9 + k] }
                        y.append(sum)
                    }
                }
            }
        }
        return y
    }

    /// What comes before the logits has kept them for its own gradient: a loss must leave them as they are.
    private func check(
        _ name: String, weights: (Shape, [Float]), targets: [Int32], on context: Context,
        logits: (Tape) throws -> Variable, naive: (_ weights: [Double]) -> [Double]
    ) throws {
        let values = weights.1.map(Double.init)
        let tape = try Tape(makeParameters([weights]), on: context)
        try tape.begin(seed: 1)
        let hard = try tape.classificationLoss(logits: try logits(tape), targets: targets)
        try tape.backward()
        #expect(hard.elements.allSatisfy { $0.isFinite })
        expectClose(
            tape.gradients.tensors[0].elements, finiteDifferences(values) { Naive.crossEntropy(naive($0), targets) },
            depth: 200, "\(name), hard targets")

        var random = SplitMix(seed: 77)
        let teacher = random.floats(naive(values).count, in: -2...2)
        try tape.begin(seed: 1, gradients: .replace)
        let student = try logits(tape)
        _ = try tape.classificationDistillation(
            logits: student, teacher: try Tensor(student.shape, teacher), targets: targets,
            terms: DistillationTerms(temperature: 2, mixing: 0.5))
        try tape.backward()
        let differences = finiteDifferences(values) { moved in
            let (soft, hard) = Naive.distillation(
                naive(moved), teacher: teacher.map(Double.init), targets, temperature: 2)
            return (soft + hard) / 2
        }
        expectClose(tape.gradients.tensors[0].elements, differences, depth: 200, "\(name), a teacher's")
    }

    @Test(arguments: instructionSets) func lossAfterReLU(isa: ISA) throws {
        var random = SplitMix(seed: 24)
        let x = random.floats(5 * 4), w = random.floats(3 * 4)
        try check("relu", weights: ([3, 4], w), targets: [0, 2, -1, 1, 2], on: context(isa)) { tape in
            try tape.relu(try tape.linear(tape.constant(try Tensor([5, 4], x)), weight: id(0), bias: nil))
        } naive: { weights in
            Naive.linear(x.map(Double.init), weights, nil, rows: 5, inputs: 4).map { max($0, 0) }
        }
    }

    @Test(arguments: instructionSets) func lossAfterMaxPool(isa: ISA) throws {
        var random = SplitMix(seed: 25)
        let x = random.floats(4 * 16), w = random.floats(3 * 9)
        try check("max pool", weights: ([3, 9], w), targets: [0, 2, -1, 1], on: context(isa)) { tape in
            let images = tape.constant(try Tensor([4, 16], x))
            let y = try tape.linear(try tape.patches(images, of: Self.image, side: 3), weight: id(0), bias: nil)
            return try tape.maxPool(y, of: ImageShape(height: 2, width: 2, channels: 3), side: 2)
        } naive: { weights in
            let y = convolved(x.map(Double.init), weights)
            var z: [Double] = []
            for n in 0..<4 {
                for c in 0..<3 {
                    var most = -Double.infinity
                    for place in 0..<4 { most = max(most, y[(n * 4 + place) * 3 + c]) }
                    z.append(most)
                }
            }
            return z
        }
    }

    /// A linear layer sees all pixels of an image as one row, the convolution before it each as a row of its own.
    @Test(arguments: instructionSets) func linearAfterConvolution(isa: ISA) throws {
        var random = SplitMix(seed: 26)
        try expectGradients(
            "convolution, linear", inputs: [([2, 16], random.floats(32))],
            parameters: [([3, 9], random.floats(27)), ([2, 12], random.floats(24))], depth: 100, seed: 26,
            on: context(isa)
        ) { tape, x in
            let y = try tape.linear(try tape.patches(x[0], of: Self.image, side: 3), weight: id(0), bias: nil)
            return try tape.linear(tape.reshaped(y, columns: 12), weight: id(1), bias: nil)
        } naive: { x, p in
            Naive.linear(convolved(x[0], p[0]), p[1], nil, rows: 2, inputs: 12)
        }
    }

    /// What an operation has kept already is kept once, and read in the shape that it has got since.
    @Test(arguments: instructionSets) func linearAfterReshapedAttention(isa: ISA) throws {
        var random = SplitMix(seed: 27)
        try expectGradients(
            "attention, linear", inputs: [([2, 3, 12], random.floats(72))],
            parameters: [([3, 2], random.floats(6))], depth: 100, seed: 27, on: context(isa)
        ) { tape, x in
            let y = try tape.causalAttention(x[0], heads: 1, layer: 0)
            return try tape.linear(tape.reshaped(y, columns: 2), weight: id(0), bias: nil)
        } naive: { x, p in
            Naive.linear(Naive.attention(x[0], batch: 2, length: 3, heads: 1), p[0], nil, rows: 12, inputs: 2)
        }
    }

    /// What comes from outside stays until the noted kernels that read it have run, and no longer.
    @Test func constantsStay() throws {
        let parameters = try makeParameters([([2, 4], [Float](repeating: 1, count: 8))])
        let tape = try Tape(parameters, execution: .noted, on: try context(.all))
        try tape.begin(seed: 1)
        weak var memory: Memory<Float>?
        do {
            let images = try Tensor([1, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9])
            memory = images.storage
            let shape = ImageShape(height: 3, width: 3, channels: 1)
            let windows = try tape.patches(tape.constant(images), of: shape, side: 2)
            let logits = try tape.linear(windows, weight: id(0), bias: nil)
            _ = try tape.classificationLoss(logits: logits, targets: [0, 1, 0, 1])
        }
        let stays = memory != nil
        try #require(stays)
        try tape.backward()
        // Logits are equal, so that g = ±1/8 = -1/8 for targets, and windows two apart differ by 1: -(-1 - 1) / 8.
        for (i, g) in tape.gradients.tensors[0].elements.enumerated() {
            #expect(abs(g - (i < 4 ? 0.25 : -0.25)) < 1e-5, "weight \(i)")
        }
        let goes = memory == nil
        #expect(goes)
    }

    @Test func teachersStay() throws {
        let tape = try Tape([], execution: .noted, on: try context(.all))
        try tape.begin(seed: 1)
        let logits = tape.place(try Tensor([1, 2], [0, 0]))
        weak var memory: Memory<Float>?
        do {
            let teacher = try Tensor([1, 2], [0, 0])
            memory = teacher.storage
            _ = try tape.classificationDistillation(
                logits: logits, teacher: teacher, targets: [0], terms: DistillationTerms(temperature: 1, mixing: 1))
        }
        let stays = memory != nil
        try #require(stays)
        try tape.backward()
        let gradient = try #require(tape.gradient(of: logits)).elements
        #expect(gradient.allSatisfy { abs($0) < 1e-6 })
        let goes = memory == nil
        #expect(goes)
    }
}
