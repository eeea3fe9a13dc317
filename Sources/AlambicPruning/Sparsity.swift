import AlambicTraining

/// How sparse to become, and in which pattern.
///
/// A matrix is [outputs, inputs]; patterns lie along its inputs, as kernels read them.
public enum Sparsity: Sendable, Hashable {
    /// This share of the weights of every matrix goes, wherever they are.
    case unstructured(Double)
    /// N:M: of every M consecutive inputs of an output at most N weights stay (Mishra et al. 2021, "Accelerating sparse
    /// deep neural networks", section 3: 2:4). `.pattern(2, of: 4)` is 2:4.
    case pattern(Int, of: Int)
    /// This share of the blocks of 16 consecutive outputs x `inputs` consecutive inputs goes, whole. One such block is one
    /// vector of a packed matrix: with 1 input for f32, 2 for bf16, 4 for int8. Where the outputs are no multiple of 16 the
    /// last blocks have fewer.
    case blocks(Double, inputs: Int = 1)

    /// Outputs of a block.
    public static let blockOutputs = 16
    /// What the inputs of a block may be: the elements of one 32-bit lane.
    public static let blockInputs = [1, 2, 4]
    /// The largest M of N:M.
    public static let longestPattern = 64

    /// The share of weights that go; of blocks, where the pattern is made of them.
    public var fraction: Double {
        switch self {
        case .unstructured(let fraction), .blocks(let fraction, _): fraction
        case .pattern(let kept, let group): 1 - Double(kept) / Double(group)
        }
    }

    /// The same pattern at the share `progress` of the way from dense to here: N:M goes by way of (N + 1):M.
    func reached(_ progress: Double) -> Sparsity {
        switch self {
        case .unstructured(let fraction): return .unstructured(fraction * progress)
        case .blocks(let fraction, let inputs): return .blocks(fraction * progress, inputs: inputs)
        case .pattern(let kept, let group):
            return .pattern(group - Int((Double(group - kept) * progress).rounded()), of: group)
        }
    }

    /// The same pattern with another share; N:M stays as it is.
    func with(fraction: Double) -> Sparsity {
        switch self {
        case .unstructured: .unstructured(fraction)
        case .blocks(_, let inputs): .blocks(fraction, inputs: inputs)
        case .pattern: self
        }
    }

    /// Throws unless the share is a number from 0 to 1 and the pattern one that there is.
    public func validate() throws(TrainingError) {
        switch self {
        case .unstructured, .blocks:
            guard (0...1).contains(fraction) else {
                throw .badSetting("the sparsity \(fraction) is outside of 0...1: 0.8 removes 80 % of the weights")
            }
            if case .blocks(_, let inputs) = self, !Self.blockInputs.contains(inputs) {
                throw .badSetting(
                    "blocks of \(Self.blockOutputs) outputs x \(inputs) inputs: use 1 (f32), 2 (bf16) or 4 (int8) inputs"
                )
            }
        case .pattern(let kept, let group):
            guard (2...Self.longestPattern).contains(group), (1...group).contains(kept) else {
                throw .badSetting(
                    "the pattern \(kept):\(group) keeps \(kept) of every \(group) weights: use N:M with N from 1 to M and M "
                        + "from 2 to \(Self.longestPattern), such as 2:4")
            }
        }
    }

    /// Throws unless the pattern tiles the inputs of this matrix.
    public func check(outputs: Int, inputs: Int, path: String) throws(TrainingError) {
        try validate()
        switch self {
        case .unstructured: break
        case .pattern(let kept, let group):
            guard inputs.isMultiple(of: group) else {
                throw .badSetting(
                    "\(path) is [\(outputs), \(inputs)]: the pattern \(kept):\(group) needs inputs that are a multiple of "
                        + "\(group)")
            }
        case .blocks(_, let width):
            guard inputs.isMultiple(of: width) else {
                throw .badSetting(
                    "\(path) is [\(outputs), \(inputs)]: blocks of \(Self.blockOutputs) outputs x \(width) inputs need "
                        + "inputs that are a multiple of \(width)")
            }
        }
    }
}

extension Sparsity: CustomStringConvertible {
    /// As ``init(_:blockInputs:)`` reads it: `0.8`, `2:4`, `blocks:0.75:4`.
    public var description: String {
        switch self {
        case .unstructured(let fraction): "\(fraction)"
        case .pattern(let kept, let group): "\(kept):\(group)"
        case .blocks(let fraction, let inputs): "blocks:\(fraction):\(inputs)"
        }
    }

    /// Reads `0.8`, `2:4`, `blocks:0.75` or `blocks:0.75:4`.
    ///
    /// - Parameter blockInputs: inputs of a block where the text does not say.
    /// - Throws: `.badSetting` for another text or a value out of its range.
    public init(_ text: String, blockInputs: Int = 1) throws(TrainingError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let read: Sparsity?
        switch (parts.first, parts.count) {
        case ("blocks", 2): read = Double(parts[1]).map { .blocks($0, inputs: blockInputs) }
        case ("blocks", 3):
            if let share = Double(parts[1]), let inputs = Int(parts[2]) {
                read = .blocks(share, inputs: inputs)
            } else {
                read = nil
            }
        case (_, 1): read = Double(text).map { .unstructured($0) }
        case (_, 2):
            if let kept = Int(parts[0]), let group = Int(parts[1]) {
                read = .pattern(kept, of: group)
            } else {
                read = nil
            }
        default: read = nil
        }
        guard let read else {
            throw .badSetting(
                "a sparsity is a share such as 0.8, a pattern such as 2:4, or blocks:0.75[:INPUTS]; found '\(text)'")
        }
        try read.validate()
        self = read
    }
}
