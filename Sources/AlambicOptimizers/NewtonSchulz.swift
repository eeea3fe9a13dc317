import AlambicKernels
import AlambicTensor

/// Five steps of the Newton-Schulz iteration with Muon's coefficients (Jordan et al. 2024): singular values of a matrix of norm 1 go
/// through `p(σ) = a σ + b σ³ + c σ⁵` five times, singular vectors stay.
///
/// With A = X Xᵀ for a wide X and Xᵀ X for a tall one, always of the shorter side: `X ← a X + (b A + c A²) X`.
struct NewtonSchulz {
    static let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
    static let steps = 5

    /// What is made orthogonal, in place.
    let x: Tensor
    private let next: Tensor
    private let gram: Tensor
    private let square: Tensor
    private let numbers: Memory<Double>

    /// Floats for a matrix of this shape, and as many more, and two squares of its shorter side.
    static func workspace(_ shape: Shape) -> Int {
        let side = min(shape.rows, shape.columns)
        return 2 * rounded(shape.count) + 2 * rounded(side * side)
    }

    private static func rounded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    init(_ shape: Shape, in workspace: Workspace) {
        let side = min(shape.rows, shape.columns)
        let (matrix, small) = (Self.rounded(shape.count), Self.rounded(side * side))
        x = workspace.tensor(shape)
        next = workspace.tensor(shape, at: matrix)
        gram = workspace.tensor([side, side], at: 2 * matrix)
        square = workspace.tensor([side, side], at: 2 * matrix + small)
        numbers = workspace.numbers
    }

    func orthogonalize(on context: Context) throws(KernelError) {
        let (x, numbers) = (self.x, self.numbers)
        try sumOfSquares(x.span, into: numbers.mutableSpan(0..<1), on: context)
        try normalize(x.span, squares: numbers.span(0..<1), epsilon: 1e-7, into: x.mutableSpan, on: context)
        for _ in 0..<Self.steps { try step(on: context) }
    }

    private func step(on context: Context) throws(KernelError) {
        let (x, next, gram, square) = (self.x, self.next, self.gram, self.square)
        let (rows, columns, side) = (x.rows, x.columns, gram.rows)
        let isWide = rows <= columns
        if isWide {
            try matmul(
                M: side, N: side, K: columns, x.span, .asIs, x.span, .transposed, into: gram.mutableSpan, on: context)
        } else {
            try matmul(
                M: side, N: side, K: rows, x.span, .transposed, x.span, .asIs, into: gram.mutableSpan, on: context)
        }
        try matmul(
            M: side, N: side, K: side, gram.span, .asIs, gram.span, .asIs, into: square.mutableSpan, on: context)
        try combine(Self.b, gram.span, Self.c, square.span, into: gram.mutableSpan, on: context)
        if isWide {
            try matmul(
                M: rows, N: columns, K: side, gram.span, .asIs, x.span, .asIs, into: next.mutableSpan, on: context)
        } else {
            try matmul(
                M: rows, N: columns, K: side, x.span, .asIs, gram.span, .asIs, into: next.mutableSpan, on: context)
        }
        try combine(Self.a, x.span, 1, next.span, into: x.mutableSpan, on: context)
    }
}
