import AlambicKernels
import AlambicTensor

/// What a layer passes on.
public enum IntegerOutput: Sendable, Hashable {
    /// Integers of the next layer: clamped to levels. After a ReLU the least level is the zero point.
    case levels(zeroPoint: Int32, lowest: Int32, highest: Int32)
    /// 32-bit logits, all at one scale, with 0 for 0.
    case logits
}

/// A linear layer of integers alone (Jacob et al. 2018, sections 2.2 to 2.4): for inputs q₂ with zero point Z₂ and weights q₁
/// with zero points Z₁,
///
///     q₃[i, j] = Z₃ + M[j] (Σₖ (q₁[j, k] - Z₁[j]) (q₂[i, k] - Z₂) + bias[j])                            equation 4
///              = Z₃ + M[j] (Σₖ q₁[j, k] q₂[i, k] - Z₁[j] Σₖ q₂[i, k] - Z₂ Σₖ q₁[j, k] + K Z₁[j] Z₂ + bias[j])
///
/// The first sum is an exact product of bytes in 32 bits; the second, one number for each row, is made only where weights
/// have zero points; the rest is one integer for each output (equations 7 and 8).
public final class IntegerLinear: Sendable {
    /// Number of inputs, K.
    public let inputs: Int
    /// Number of outputs.
    public let outputs: Int
    /// q₁, [outputs, inputs], -127 ... 127.
    public let weights: DenseTensor<Int8>
    /// Z₁ of each output.
    public let weightZeroPoints: [Int32]
    /// Z₂.
    public let inputZeroPoint: Int32
    /// What q₂ may be.
    public let inputLevels: ClosedRange<Int32>
    /// In steps of S₁ S₂, with zero point 0 (equation 11).
    public let bias: [Int32]
    /// M = S₁ S₂ / S₃ of each output (equation 5).
    public let multipliers: [FixedPointMultiplier]
    /// What is passed on.
    public let output: IntegerOutput

    // What the kernel reads, in memory that stays in place.
    private let addend: Memory<Int32>
    private let mantissas: Memory<Int32>
    private let shifts: Memory<Int32>
    private let zeroPoints: Memory<Int32>?
    private let packed: PackedMatrix?

    /// A layer of integers that were found elsewhere; `name` is for errors.
    ///
    /// - Parameters:
    ///   - inputLevels: what q₂ may be, which is what bounds the sums.
    ///   - packs: whether weights are laid out for the product ahead, for a layer that runs more than once.
    /// - Throws: `.badShape` when there are inputs for which a sum would not fit in 32 bits; `.noMemory`.
    public init(
        weights: DenseTensor<Int8>, weightZeroPoints: [Int32], inputZeroPoint: Int32,
        inputLevels: ClosedRange<Int32> = 0...255, bias: [Int32], multipliers: [FixedPointMultiplier],
        output: IntegerOutput, packs: Bool = true, of name: String = "layer", on context: Context
    ) throws(KernelError) {
        let (outputs, inputs) = (weights.rows, weights.columns)
        precondition(
            weightZeroPoints.count == outputs && bias.count == outputs && multipliers.count == outputs,
            """
            weights \(weights.shape) with \(weightZeroPoints.count) zero points, \(bias.count) biases and \
            \(multipliers.count) multipliers
            """)
        guard inputs <= 65793 else {
            throw KernelError(
                .badShape, "\(name): sums of \(inputs) products of bytes may not fit in 32 bits: use at most 65793")
        }
        (self.inputs, self.outputs, self.weights, self.output) = (inputs, outputs, weights, output)
        (self.weightZeroPoints, self.inputZeroPoint) = (weightZeroPoints, inputZeroPoint)
        (self.inputLevels, self.bias, self.multipliers) = (inputLevels, bias, multipliers)
        addend = try Memory<Int32>(count: max(outputs, 1))
        mantissas = try Memory<Int32>(count: max(outputs, 1))
        shifts = try Memory<Int32>(count: max(outputs, 1))
        zeroPoints = weightZeroPoints.allSatisfy { $0 == 0 } ? nil : try Memory<Int32>(count: outputs)
        packed =
            packs
            ? try PackedMatrix(.u8s8, weights.span, N: outputs, K: inputs, orientation: .transposed, on: context) : nil
        let farthest = Int64(max(inputLevels.upperBound - inputZeroPoint, inputZeroPoint - inputLevels.lowerBound))
        for j in 0..<outputs {
            let (sum, magnitude) = Self.sums(weights.rows(j..<j + 1).span, weightZeroPoints[j])
            guard magnitude * farthest + Int64(bias[j].magnitude) <= Int64(Int32.max) else {
                throw KernelError(
                    .badShape, "\(name): sums of output \(j) may not fit in 32 bits: use fewer inputs or smaller biases"
                )
            }
            set(j, sum: sum)
        }
    }

    /// Σₖ q₁ and Σₖ |q₁ - Z₁| of an output.
    private static func sums(_ row: Span<Int8>, _ zeroPoint: Int32) -> (Int64, Int64) {
        var (sum, magnitude): (Int32, Int32) = (0, 0)
        for k in 0..<row.count {
            let q = Int32(row[unchecked: k])
            sum &+= q
            magnitude &+= abs(q &- zeroPoint)
        }
        return (Int64(sum), Int64(magnitude))
    }

    /// Stops the program unless these are bytes that it was made to be given.
    func requireInputs(_ levels: AffineLevels) {
        precondition(
            inputZeroPoint == levels.zeroPoint && inputLevels.contains(levels.lowest)
                && inputLevels.contains(levels.highest) && levels.lowest >= 0 && levels.highest <= 255,
            """
            a layer for inputs \(inputLevels) with \(inputZeroPoint) for 0 is given \(levels.lowest)...\(levels.highest) \
            with \(levels.zeroPoint) for 0
            """)
    }

    /// Whether what it passes on is among these, with the same integer for 0.
    func makes(_ levels: AffineLevels) -> Bool {
        guard case .levels(let zeroPoint, let lowest, let highest) = output else { return false }
        return zeroPoint == levels.zeroPoint && lowest >= levels.lowest && highest <= levels.highest
    }

    private func set(_ j: Int, sum: Int64) {
        let (addend, mantissas, shifts, zeroPoints) = (self.addend, self.mantissas, self.shifts, self.zeroPoints)
        let corrections =
            Int64(bias[j]) - Int64(inputZeroPoint) * sum + Int64(inputs) * Int64(weightZeroPoints[j])
            * Int64(inputZeroPoint)
        var span = addend.mutableSpan
        // Only the whole sum need fit in 32 bits: arithmetic is modulo 2³² on the way.
        span[j] = Int32(truncatingIfNeeded: corrections)
        var m = mantissas.mutableSpan
        m[j] = multipliers[j].mantissa
        var s = shifts.mutableSpan
        s[j] = multipliers[j].shift
        guard let zeroPoints else { return }
        var z = zeroPoints.mutableSpan
        z[j] = weightZeroPoints[j]
    }

    /// Bytes of the layer's integers.
    public var byteCount: Int { outputs * inputs + 4 * outputs * (zeroPoints == nil ? 3 : 4) }

    /// The exact sums Σₖ q₁ q₂ of `rows` rows, and where needed Σₖ q₂.
    func multiply(
        _ x: Span<UInt8>, rows: Int, into scratch: IntegerScratch, on context: Context
    ) throws(KernelError) {
        let (sums, rowSums) = (scratch.sums, scratch.rowSums)
        if let packed {
            try matmul(
                M: rows, x, packed, into: sums.mutableSpan(0..<rows * outputs), epilogue: Epilogue(), on: context)
        } else {
            let weights = self.weights
            try matmul(
                .u8s8, M: rows, N: outputs, K: inputs, x, .asIs, weights.span, .transposed,
                into: sums.mutableSpan(0..<rows * outputs), epilogue: Epilogue(), on: context)
        }
        guard zeroPoints != nil else { return }
        try AlambicKernels.rowSums(
            x, rows: rows, columns: inputs, into: rowSums.mutableSpan(0..<rows), on: context)
    }

    /// What the sums in `scratch` become.
    func requantize(
        rows: Int, _ scratch: IntegerScratch, levels y: Memory<UInt8>, on context: Context
    ) throws(KernelError) {
        guard case .levels(let zeroPoint, let lowest, let highest) = output else {
            preconditionFailure("a layer of logits passes on no levels")
        }
        let sums = scratch.sums
        try withMultipliers(rows, scratch) { multipliers throws(KernelError) in
            try AlambicKernels.requantize(
                sums.span(0..<rows * outputs), rows: rows, columns: outputs, multipliers, zeroPoint: zeroPoint,
                levels: lowest...highest, into: y.mutableSpan(0..<rows * outputs), on: context)
        }
    }

    /// The same as logits.
    func requantize(
        rows: Int, _ scratch: IntegerScratch, logits y: Memory<Int32>, on context: Context
    ) throws(KernelError) {
        let sums = scratch.sums
        try withMultipliers(rows, scratch) { multipliers throws(KernelError) in
            try AlambicKernels.requantize(
                sums.span(0..<rows * outputs), rows: rows, columns: outputs, multipliers,
                into: y.mutableSpan(0..<rows * outputs), on: context)
        }
    }

    private func withMultipliers(
        _ rows: Int, _ scratch: IntegerScratch, _ body: (borrowing ColumnMultipliers) throws(KernelError) -> Void
    ) throws(KernelError) {
        let (addend, mantissas, shifts, rowSums) = (self.addend, self.mantissas, self.shifts, scratch.rowSums)
        guard let zeroPoints else {
            return try body(
                ColumnMultipliers(
                    bias: addend.span(0..<outputs), multipliers: mantissas.span(0..<outputs),
                    shifts: shifts.span(0..<outputs)))
        }
        try body(
            ColumnMultipliers(
                bias: addend.span(0..<outputs), multipliers: mantissas.span(0..<outputs),
                shifts: shifts.span(0..<outputs), rowSums: rowSums.span(0..<rows), zeroPoints: zeroPoints.span))
    }
}
