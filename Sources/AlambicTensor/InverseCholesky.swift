import AlambicKernels
import COpenBLAS
import Synchronization

/// The Cholesky factor of an inverse: the upper triangular U with H⁻¹ = Uᵀ U, in double precision, by LAPACK (`dpotrf` and
/// `dtrtri` of OpenBLAS).
///
/// It is found without the inverse. With the order of rows and columns reversed, H = L Lᵀ read backward is H = R Rᵀ with R
/// upper triangular, so that U = R⁻¹: one factorization and one triangular inverse, 2/3 K³ operations, half of what the way
/// over H⁻¹ costs, and without its loss of accuracy. K = 4096 takes seconds.
///
/// OpenBLAS computes on the calling thread alone: its bits depend on its number of threads, those of quantized and pruned
/// models must not. Its number of threads belongs to the process, so that this does not hold while somebody else sets it,
/// nor for builds of OpenBLAS over OpenMP, some of which take OpenMP's number.
public struct InverseCholesky: Sendable {
    /// Rows and columns.
    public let order: Int
    /// L⁻¹ in reversed order, [order, order], lower triangular.
    private let reversed: Memory<Double>

    /// Factorizes a symmetric matrix, of which the upper triangle is read.
    ///
    /// - Returns: nil when the matrix is not positive definite.
    public init?(_ matrix: Memory<Double>, order: Int) throws(KernelError) {
        precondition(matrix.count == order * order, "\(matrix.count) elements for a matrix of order \(order)")
        self.order = order
        reversed = try Memory<Double>(count: order * order)
        let source = matrix.span
        var target = reversed.mutableSpan
        for i in 0..<order {
            for j in 0...i { target[i * order + j] = source[(order - 1 - i) * order + order - 1 - j] }
        }
        guard LAPACK.factorize(&target, order: order), LAPACK.invert(&target, order: order) else { return nil }
    }

    /// Row i of U from the diagonal on: `target[j - i] = U[i, j]` for i ≤ j < order.
    public func row(_ i: Int, into target: inout [Double]) {
        let source = reversed.span
        let start = (order - 1 - i) * order
        target.removeAll(keepingCapacity: true)
        for j in i..<order { target.append(source[start + order - 1 - j]) }
    }
}

/// Lower triangular matrices by rows, in place: to LAPACK, whose matrices are by columns, they are upper triangular.
private enum LAPACK {
    /// A = L Lᵀ; false when A is not positive definite.
    static func factorize(_ matrix: inout MutableSpan<Double>, order: Int) -> Bool {
        let info = call(&matrix, order) { a, n, info in dpotrf_("U", &n, a, &n, &info) }
        // Not all versions notice what is not a number.
        return info == 0 && (0..<order).allSatisfy { matrix[$0 * order + $0].isFinite && matrix[$0 * order + $0] > 0 }
    }

    /// L becomes L⁻¹; false when an element of the diagonal is 0.
    static func invert(_ matrix: inout MutableSpan<Double>, order: Int) -> Bool {
        call(&matrix, order) { a, n, info in dtrtri_("U", "N", &n, a, &n, &info) } == 0
    }

    /// The number of OpenBLAS's threads belongs to the process: one call at a time sets it, and sets it back.
    private static let threads = Mutex(())

    private static func call(
        _ matrix: inout MutableSpan<Double>, _ order: Int,
        _ body: (UnsafeMutablePointer<Double>, inout Int32, inout Int32) -> Void
    ) -> Int32 {
        guard order > 0 else { return 0 }
        var (n, info) = (Int32(order), Int32(0))
        threads.withLock { _ in
            let before = openblas_get_num_threads()
            openblas_set_num_threads(1)
            defer { openblas_set_num_threads(before) }
            matrix.withUnsafeMutableBufferPointer { elements in
                if let a = elements.baseAddress { body(a, &n, &info) }
            }
        }
        return info
    }
}
