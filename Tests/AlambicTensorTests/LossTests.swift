import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Values and gradients of the losses, against definitions in double precision.
@Suite struct LossTests {
    private let head = ParameterID(index: 0)

    private func check(
        _ name: String, rows: Int, vocabulary: Int, width: Int, seed: UInt64, on context: Context, scale: Float = 1,
        loss: (Tape, Variable) throws -> Double, naive: (_ hidden: [Double], _ head: [Double]) -> Double
    ) throws {
        var random = SplitMix(seed: seed)
        let hidden = random.floats(rows * width)
        let weights = random.floats(vocabulary * width)
        let tape = try Tape(makeParameters([([vocabulary, width], weights)]), on: context)
        try tape.begin(seed: 0)
        let x = tape.place(try Tensor([1, rows, width], hidden))
        let value = try loss(tape, x)
        try tape.backward()
        let (hiddenValues, weightValues) = (hidden.map(Double.init), weights.map(Double.init))
        let depth = 4 * (vocabulary + width + rows)
        let comment: Comment = "\(name), \(rows) x \(width), vocabulary \(vocabulary), seed \(seed)"
        expectClose([Float(value)], [naive(hiddenValues, weightValues)], depth: depth, "\(comment): loss")
        expectClose(
            try #require(tape.gradient(of: x)).elements,
            finiteDifferences(hiddenValues) { Double(scale) * naive($0, weightValues) }, depth: depth,
            "\(comment): hidden")
        expectClose(
            tape.gradients[head].elements,
            finiteDifferences(weightValues) { Double(scale) * naive(hiddenValues, $0) }, depth: depth,
            "\(comment): head")
    }

    private func targets(_ rows: Int, _ vocabulary: Int) -> [Int32] {
        var random = SplitMix(seed: 99)
        return (0..<rows).map { $0 % 4 == 3 ? -1 : random.integers(1, in: Int32(0)...Int32(vocabulary - 1))[0] }
    }

    @Test(arguments: instructionSets, [(1, 2, 3), (7, 11, 5), (37, 17, 16)])
    func languageModel(isa: ISA, shape: (rows: Int, vocabulary: Int, width: Int)) throws {
        let (rows, vocabulary, width) = shape
        let targets = targets(rows, vocabulary)
        try check(
            "language model", rows: rows, vocabulary: vocabulary, width: width, seed: 1, on: context(isa), scale: 0.25
        ) { tape, x in
            try tape.languageModelLoss(hidden: x, head: head, targets: targets, scale: 0.25)
        } naive: { hidden, weights in
            Naive.crossEntropy(Naive.linear(hidden, weights, nil, rows: rows, inputs: width), targets)
        }
    }

    @Test(arguments: [Float(1), 2, 4], [Float(0), 0.3, 1])
    func distillation(temperature: Float, mixing: Float) throws {
        let (rows, vocabulary, width) = (9, 13, 6)
        let targets = targets(rows, vocabulary)
        var random = SplitMix(seed: 5)
        let teacher = random.floats(rows * vocabulary, in: -3...3)
        try check(
            "distillation at \(temperature), \(mixing)", rows: rows, vocabulary: vocabulary, width: width, seed: 2,
            on: .default
        ) { tape, x in
            let losses = try tape.distillationLoss(
                hidden: x, head: head, targets: targets,
                terms: DistillationTerms(temperature: temperature, mixing: mixing)
            ) { rows, target throws(KernelError) in
                let part = Array(teacher[rows.lowerBound * vocabulary..<rows.upperBound * vocabulary])
                target.copy(from: try Tensor([part.count], part))
            }
            return losses.total
        } naive: { hidden, weights in
            let (soft, hard) = Naive.distillation(
                Naive.linear(hidden, weights, nil, rows: rows, inputs: width), teacher: teacher.map(Double.init),
                targets, temperature: Double(temperature))
            return Double(mixing) * soft + (1 - Double(mixing)) * hard
        }
    }

    /// As many classes for every row, or the program stops.
    @Test func knownClassesFillTheirRows() async {
        await #expect(processExitsWith: .failure) {
            let tape = try Tape(makeParameters([([3, 2], [1, 2, 3, 4, 5, 6])]), on: .default)
            try tape.begin(seed: 0)
            let x = tape.place(try Tensor([1, 2, 2], [1, 2, 3, 4]))
            _ = try tape.distillationLoss(
                hidden: x, head: ParameterID(index: 0), targets: [0, 1],
                terms: DistillationTerms(temperature: 1, mixing: 1),
                known: KnownProbabilities(
                    classes: [0, 1, 2], logProbabilities: [-1, -1, -1], tails: [0.5, 0.5]))
        }
    }

    @Test func cosine() throws {
        let (rows, width) = (5, 9)
        var random = SplitMix(seed: 6)
        let teacher = random.floats(rows * width)
        try check("cosine", rows: rows, vocabulary: 1, width: width, seed: 3, on: .default) { tape, x in
            try tape.cosineLoss(hidden: x, teacher: try Tensor([rows, width], teacher))
        } naive: { hidden, _ in
            Naive.cosine(hidden, teacher.map(Double.init), width: width)
        }
    }

    @Test func lossesAddUp() throws {
        // The gradient of two losses of one variable is the sum of both.
        let (rows, width) = (4, 3)
        var random = SplitMix(seed: 8)
        let teacher = random.floats(rows * width)
        let targets: [Int32] = [0, 1, -1, 1]
        try check("both", rows: rows, vocabulary: 2, width: width, seed: 4, on: .default) { tape, x in
            try tape.cosineLoss(hidden: x, teacher: try Tensor([rows, width], teacher))
                + tape.languageModelLoss(hidden: x, head: head, targets: targets)
        } naive: { hidden, weights in
            Naive.cosine(hidden, teacher.map(Double.init), width: width)
                + Naive.crossEntropy(Naive.linear(hidden, weights, nil, rows: rows, inputs: width), targets)
        }
    }

    @Test func nothingCounts() throws {
        let tape = try Tape(makeParameters([([3, 2], [1, 2, 3, 4, 5, 6])]), on: .default)
        try tape.begin(seed: 0)
        let x = tape.place(try Tensor([1, 2, 2], [1, 2, 3, 4]))
        #expect(try tape.languageModelLoss(hidden: x, head: head, targets: [-1, -1]) == 0)
        try tape.backward()
        #expect(tape.gradients[head].elements.allSatisfy { $0 == 0 })
    }

    @Test func chunksDoNotShow() throws {
        // A vocabulary so large that the rows are taken in several chunks, against one row at a time.
        let (rows, vocabulary, width) = (50, 40_000, 4)
        var random = SplitMix(seed: 10)
        let hidden = random.floats(rows * width)
        let parameters = try makeParameters([([vocabulary, width], random.floats(vocabulary * width))])
        let targets = random.integers(rows, in: Int32(0)...Int32(vocabulary - 1))
        let whole = try Tape(parameters, on: .default)
        try whole.begin(seed: 0)
        let x = whole.place(try Tensor([1, rows, width], hidden))
        let loss = try whole.languageModelLoss(hidden: x, head: head, targets: targets)
        let single = try Tape(parameters, on: .default)
        var sum = 0.0
        for row in 0..<rows {
            try single.begin(seed: 0)
            let x = single.place(try Tensor([1, 1, width], Array(hidden[row * width..<(row + 1) * width])))
            sum += try single.languageModelLoss(
                hidden: x, head: head, targets: [targets[row]], scale: 1 / Float(rows))
        }
        #expect(loss == sum / Double(rows))
        #expect(firstDifference(whole.gradients[head].elements, single.gradients[head].elements) == nil)
    }
}
