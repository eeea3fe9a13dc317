import AlambicKernels

/// Which of a linear layer's three products in training skip the weights that do not exist.
public struct SparseProducts: OptionSet, Sendable, Hashable, CustomStringConvertible {
    /// One bit for each product.
    public let rawValue: UInt8
    /// From the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Y = X Wᵀ.
    public static let forward = SparseProducts(rawValue: 1)
    /// dX = dY W.
    public static let inputGradient = SparseProducts(rawValue: 2)
    /// dW = dYᵀ X, where there are weights.
    public static let weightGradient = SparseProducts(rawValue: 4)
    /// All three.
    public static let all: SparseProducts = [.forward, .inputGradient, .weightGradient]

    /// `forward+weight gradient`; `none` for none of them.
    public var description: String {
        let names: [(SparseProducts, String)] = [
            (.forward, "forward"), (.inputGradient, "input gradient"), (.weightGradient, "weight gradient"),
        ]
        return isEmpty ? "none" : names.filter { contains($0.0) }.map(\.1).joined(separator: "+")
    }
}

/// The weights of a matrix of which few exist, in the forms that its sparse products multiply with. Which exist is settled
/// when they are made; their values follow the parameter's at each `Parameter.refresh()`.
public final class SparseForms: Sendable {
    /// The products that they are for.
    public let products: SparseProducts
    /// How many weights exist.
    public let count: Int
    /// What x Wᵀ multiplies with.
    let forward: SparseMatrix?
    /// What g W multiplies with: Wᵀ.
    let backward: SparseMatrix?
    /// Where the weights' gradient is computed: the forward form, or one whose values nobody reads.
    let pattern: SparseMatrix?

    /// The forms for some products.
    ///
    /// - Parameters:
    ///   - existing: the weights that exist, zeros among them included.
    ///   - rows: extents of the matrix.
    ///   - columns: extents of the matrix.
    /// - Throws: as `SparseMatrix.init` does.
    public init(
        _ existing: CompressedRows<Float>, rows: Int, columns: Int, for products: SparseProducts, on context: Context
    ) throws(KernelError) {
        self.products = products
        count = existing.values.count
        forward =
            products.contains(.forward) ? try SparseMatrix(existing, N: rows, K: columns, on: context) : nil
        backward =
            products.contains(.inputGradient)
            ? try SparseMatrix(existing.transposed(columns: columns), N: columns, K: rows, on: context) : nil
        if !products.contains(.weightGradient) {
            pattern = nil
        } else if let forward {
            pattern = forward
        } else {
            pattern = try SparseMatrix(existing, N: rows, K: columns, on: context)
        }
    }

    /// Bytes of all forms.
    public var bytes: Int { ((forward ?? pattern)?.bytes ?? 0) + (backward?.bytes ?? 0) }

    /// Takes new values from the dense weights, `[rows, columns]`.
    public func update(from weights: Span<Float>, on context: Context) throws(KernelError) {
        try forward?.update(from: weights, on: context)
        try backward?.update(from: weights, orientation: .asIs, on: context)
    }
}
