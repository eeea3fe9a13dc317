/// The extents of a dense row-major tensor, outermost first.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
    /// Extents, outermost first; empty for a scalar.
    public let dimensions: [Int]

    /// A shape with the given extents, none of which may be negative.
    public init(_ dimensions: [Int]) {
        precondition(dimensions.allSatisfy { $0 >= 0 }, "a shape has no negative extents: \(dimensions)")
        self.dimensions = dimensions
    }

    /// A shape with the given extents.
    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// Number of elements: the product of all extents (1 for a scalar).
    public var count: Int { dimensions.reduce(1, *) }
    /// Number of dimensions.
    public var rank: Int { dimensions.count }
    /// The innermost extent (1 for a scalar).
    public var columns: Int { dimensions.last ?? 1 }
    /// The product of all extents but the innermost: how many rows of `columns` elements there are.
    public var rows: Int { dimensions.dropLast().reduce(1, *) }

    /// The extent of dimension `index`.
    public subscript(index: Int) -> Int { dimensions[index] }

    /// The same shape with another innermost extent.
    public func replacingColumns(by columns: Int) -> Shape { Shape(dimensions.dropLast() + [columns]) }

    /// `[4, 128, 384]`.
    public var description: String { "\(dimensions)" }
}
