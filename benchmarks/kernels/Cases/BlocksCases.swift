// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

// M x N x K x percent of blocks that are zero.
private let blockShapes: [BenchShape] = [1, 16, 128, 1024].flatMap { m in
    [0, 20, 50, 75, 90].map { BenchShape(m, 4096, 4096, $0) }
}

extension BenchCase {
    /// Weights in blocks, and the same weights dense: the ratio of their times is what sparsity gains. Operations and bytes
    /// are those of the blocks that are kept.
    static let blocks: [BenchCase] = [Product.f32, .bf16, .s8].flatMap { product in
        [PackedMatrix.Form.blocks, .dense].map { form in
            BenchCase(
                name: form == .blocks ? "blocks" : "blocks-dense", dtype: "\(product)",
                summary: form == .blocks
                    ? "C[M,N] = A[M,K] B[N,K]ᵀ, a percentage of B's 16-column vectors zero and skipped"
                    : "the same with B in the dense form",
                variants: product.variants, shapes: blockShapes, isCold: true,
                prepare: { shape, context in try prepareBlocks(product, form, shape, context) },
                takesProductShapes: false, memory: { shape, machine in blocksMemory(product, form, shape, machine) })
        }
    }
}

private func prepareBlocks(
    _ product: Product, _ form: PackedMatrix.Form, _ shape: BenchShape, _ context: Context
) throws -> Workload {
    let operands = MatmulOperands(product: product, shape: shape, context: context)
    let kept = form == .dense ? 1 : 1 - Double(shape[3]) / 100
    let weights = try operands.packed(form, .blocks, percent: shape[3]).copies
    let copies = weights.count
    let multiply = try operands.multiplication()
    return Workload(
        ops: kept * operands.ops,
        bytes: kept * operands.weightBytes + operands.leftBytes * Double(shape[0] * shape[2])
            + 4 * Double(shape[0] * shape[1]),
        peak: operands.peak, pattern: .read, copies: copies
    ) { copy in try multiply(weights[copy]) }
}

private func blocksMemory(
    _ product: Product, _ form: PackedMatrix.Form, _ shape: BenchShape, _ machine: Machine
) -> Int? {
    guard let count = shape.product, count <= Int.max / 64, shape.extents.count == 4 else { return nil }
    let (m, n, k) = (shape[0], shape[1], shape[2])
    let element = product == .f32 ? 4 : product == .bf16 ? 2 : 1
    let kept = form == .dense ? 100 : max(100 - shape[3], 1)
    guard let weights = machine.rotationMemory(ofBytes: max(n * k * element / 100 * kept, 1), isCold: true) else {
        return nil
    }
    return weights + 4 * (m * k + m * n + 2 * n * k)
}
