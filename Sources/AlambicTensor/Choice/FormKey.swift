import AlambicKernels

/// What decides how long the products of a weight take in each form: weights with equal keys are measured once.
public struct FormKey: Hashable, Sendable {
    /// Outputs.
    public let rows: Int
    /// Inputs.
    public let columns: Int
    /// What multiplies with it.
    public let product: Product
    /// The share of elements that are not zero, in 32nds, rounded.
    public let density: Int
    /// How many weights as large as this the model reads from one use of it to the next: a power of two, at most 64.
    /// Those of a small model stay in caches meanwhile, those of a large one do not.
    public let turns: Int

    /// A key of these parts.
    public init(rows: Int, columns: Int, product: Product, density: Int, turns: Int) {
        (self.rows, self.columns, self.product) = (rows, columns, product)
        (self.density, self.turns) = (density, turns)
    }

    /// The key of a matrix among others.
    ///
    /// - Parameter elements: of all matrices that the model multiplies with, this one included.
    public init(_ weight: PackedWeight, among elements: Int) {
        let count = max(1, weight.count)
        let density = (32 * Double(weight.nonzeroCount) / Double(count)).rounded()
        var turns = 1
        while turns < 64 && turns * count < elements { turns *= 2 }
        self.init(
            rows: weight.shape.rows, columns: weight.shape.columns, product: weight.product, density: Int(density),
            turns: turns)
    }
}
