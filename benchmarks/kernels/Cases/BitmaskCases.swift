import AlambicKernels

// M x N x K x percent of the weights that are zero.
private let bitmaskShapes: [BenchShape] =
    [1, 512].flatMap { m in [50, 80, 90].map { BenchShape(m, 4096, 4096, $0) } }
    + [BenchShape(8, 4096, 4096, 80), BenchShape(64, 4096, 4096, 80)]

extension BenchCase {
    /// Weights as bit masks, zeros at random. Bytes are those of the compressed weights, operations those of the dense product:
    /// every weight is expanded and multiplied, so that nothing makes it faster than the dense one from the caches.
    static let bitmaskProducts: [BenchCase] = [Product.f32, .bf16, .s8].map { product in
        BenchCase(
            name: "bitmask", dtype: "\(product)",
            summary: "C[M,N] = A[M,K] B[N,K]ᵀ, a percentage of B zero at random, B as a bit mask and what is not zero",
            variants: product.variants.map { $0.with(.avx512vbmi2, beside: .avx512) }, shapes: bitmaskShapes,
            isCold: true,
            prepare: { shape, context in try prepareBitmask(product, shape, context) },
            takesProductShapes: false, accepts: { $0.extents.count == 4 && $0[3] <= 100 },
            memory: { shape, machine in bitmaskMemory(product, shape, machine) })
    }
}

private func prepareBitmask(_ product: Product, _ shape: BenchShape, _ context: Context) throws -> Workload {
    let operands = MatmulOperands(product: product, shape: shape, context: context)
    let (weights, kept) = try operands.packed(.bitmask, .elements, percent: shape[3])
    let multiply = try operands.multiplication()
    let count = Double(shape[1]) * Double(shape[2])
    return Workload(
        ops: operands.ops,
        bytes: count / 8 + operands.weightBytes / count * Double(kept) + operands.leftBytes
            * Double(shape[0] * shape[2])
            + 4 * Double(shape[0] * shape[1]),
        peak: operands.peak, pattern: .read, copies: weights.count
    ) { copy in try multiply(weights[copy]) }
}

private func bitmaskMemory(_ product: Product, _ shape: BenchShape, _ machine: Machine) -> Int? {
    guard shape.extents.count == 4, let count = shape.product, count <= Int.max / 64 else { return nil }
    let (m, n, k) = (shape[0], shape[1], shape[2])
    let element = product == .f32 ? 4 : product == .bf16 ? 2 : 1
    let compressed = n * k / 8 + n * k * element / 100 * max(100 - shape[3], 0)
    guard let weights = machine.rotationMemory(ofBytes: max(compressed, 1), isCold: true) else { return nil }
    return weights + 4 * (m * k + m * n + 2 * n * k)
}
