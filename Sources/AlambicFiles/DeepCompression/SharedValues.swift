/// A tensor most of whose weights are zero, while the others share a few values: what pruning and weight sharing leave.
public struct SharedValues: Equatable, Sendable {
    /// The most values that can be shared: symbols have 8 bits, and 0 stands for zero.
    public static let mostValues = 255
    /// The extents, row-major.
    public let shape: [Int]
    /// The shared values.
    public let codebook: [Float]
    /// For each weight 0 where there is none, else the place of its value in the codebook, from 1 on.
    public let symbols: [UInt8]

    /// A tensor of these weights.
    public init(shape: [Int], codebook: [Float], symbols: [UInt8]) {
        precondition(codebook.count <= Self.mostValues, "\(codebook.count) shared values, at most \(Self.mostValues)")
        precondition(shape.reduce(1, *) == symbols.count, "\(symbols.count) weights for shape \(shape)")
        precondition(symbols.allSatisfy { $0 <= codebook.count }, "a symbol beyond \(codebook.count) values")
        self.shape = shape
        self.codebook = codebook
        self.symbols = symbols
    }

    /// The weights themselves; those that do not exist are +0.
    public var values: [Float] {
        let table = [0] + codebook
        return symbols.map { table[Int($0)] }
    }

    /// How many weights exist.
    public var kept: Int { symbols.count { $0 != 0 } }
}

/// One tensor of a ``DeepCompressionFile``.
public enum DeepCompressionTensor: Equatable, Sendable {
    /// Weights that are kept as they are, as biases are.
    case floats(shape: [Int], [Float])
    /// Weights that share values.
    case shared(SharedValues)

    /// The extents, row-major.
    public var shape: [Int] {
        switch self {
        case .floats(let shape, _): shape
        case .shared(let values): values.shape
        }
    }

    /// The weights.
    public var values: [Float] {
        switch self {
        case .floats(_, let values): values
        case .shared(let values): values.values
        }
    }
}
