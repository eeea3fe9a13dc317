// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

/// The making and unmaking of sparse forms of weights, and masks that are applied to dense ones.
extension BenchCase {
    static let sparseForms: [BenchCase] = [
        building(floatMasks), building(byteMasks), compressing(floatMasks), compressing(byteMasks),
        expanding(floatMasks), expanding(byteMasks), applying, rowsOfMatrix, matrixOfRows, updating,
    ]

    private static let matrices = [BenchShape(4096, 4096)]

    /// Weights of which a share is zero at random.
    private static func struck(_ shape: BenchShape, _ share: Float, on context: Context) throws -> Memory<Float> {
        let weights = try ramp(shape[0] * shape[1])
        try dropout(rate: share, seed: 3, stream: 3, in: weights.mutableSpan, on: context)
        return weights
    }

    // MARK: bit masks

    /// Weights that are 80 % zeros, with their bit mask and what is not zero.
    private struct Masked<Element: BitwiseCopyable> {
        let dense: Memory<Element>
        let mask: Memory<UInt8>
        let offsets: Memory<Int64>
        let values: Memory<Element>
    }

    /// The operations of one type.
    private struct MaskKernels<Element: BitwiseCopyable>: Sendable {
        let dtype: String
        let dense: @Sendable (BenchShape, Context) throws -> Memory<Element>
        let mask:
            @Sendable (
                Span<Element>, Int, Int, consuming MutableSpan<UInt8>, consuming MutableSpan<Int64>, Context
            ) throws(KernelError) -> Int
        let values:
            @Sendable (
                Span<Element>, Span<UInt8>, Span<Int64>, Int, Int, consuming MutableSpan<Element>, Context
            ) throws(KernelError) -> Void
        let matrix:
            @Sendable (
                Span<Element>, Span<UInt8>, Span<Int64>, Int, Int, consuming MutableSpan<Element>, Context
            ) throws(KernelError) -> Void

        func build(_ shape: BenchShape, _ set: Masked<Element>, _ context: Context) throws -> Int {
            try build(shape, set.dense, set.mask, set.offsets, context)
        }

        private func build(
            _ shape: BenchShape, _ dense: Memory<Element>, _ mask: Memory<UInt8>, _ offsets: Memory<Int64>,
            _ context: Context
        ) throws -> Int {
            try self.mask(dense.span, shape[0], shape[1], mask.mutableSpan, offsets.mutableSpan, context)
        }

        func compress(_ shape: BenchShape, _ set: Masked<Element>, _ context: Context) throws {
            let (dense, mask, offsets, values) = (set.dense, set.mask, set.offsets, set.values)
            try self.values(dense.span, mask.span, offsets.span, shape[0], shape[1], values.mutableSpan, context)
        }

        func expand(_ shape: BenchShape, _ set: Masked<Element>, _ context: Context) throws {
            let (dense, mask, offsets, values) = (set.dense, set.mask, set.offsets, set.values)
            try matrix(values.span, mask.span, offsets.span, shape[0], shape[1], dense.mutableSpan, context)
        }

        var size: Int { MemoryLayout<Element>.stride }

        func masked(_ shape: BenchShape, _ context: Context) throws -> Masked<Element> {
            let dense = try dense(shape, context)
            let mask = try Memory<UInt8>(count: bitmaskByteCount(rows: shape[0], columns: shape[1]))
            let offsets = try Memory<Int64>(count: shape[0])
            let count = try build(shape, dense, mask, offsets, context)
            let masked = Masked(dense: dense, mask: mask, offsets: offsets, values: try Memory(count: count))
            try compress(shape, masked, context)
            return masked
        }

        /// Of the mask and the offsets.
        func maskBytes(_ shape: BenchShape) -> Int {
            bitmaskByteCount(rows: shape[0], columns: shape[1]) + 8 * shape[0]
        }

        /// Of a set, values counted as if they were all.
        func held(_ shape: BenchShape) -> Int { 2 * size * shape[0] * shape[1] + maskBytes(shape) }

        /// Of the dense weights and as many values.
        func moved(_ shape: BenchShape, values: Int) -> Int {
            size * (shape[0] * shape[1] + values) + maskBytes(shape)
        }
    }

    private static let floatMasks = MaskKernels<Float>(
        dtype: "f32", dense: { shape, context in try struck(shape, 0.8, on: context) },
        mask: bitmask(_:rows:columns:into:rowOffsets:on:),
        values: compressBitmask(_:mask:rowOffsets:rows:columns:into:on:),
        matrix: expandBitmask(_:mask:rowOffsets:rows:columns:into:on:))

    private static let byteMasks = MaskKernels<Int8>(
        dtype: "s8",
        dense: { shape, context in
            let weights = try struck(shape, 0.8, on: context)
            let bytes = try Memory<Int8>(count: weights.count), scales = try Memory<Float>(count: shape[0])
            try quantizeRows(
                weights.span, rows: shape[0], columns: shape[1], into: bytes.mutableSpan,
                scales: scales.mutableSpan, on: context)
            return bytes
        },
        mask: bitmask(_:rows:columns:into:rowOffsets:on:),
        values: compressBitmask(_:mask:rowOffsets:rows:columns:into:on:),
        matrix: expandBitmask(_:mask:rowOffsets:rows:columns:into:on:))

    private static func building<Element>(_ kernels: MaskKernels<Element>) -> BenchCase {
        rotating(
            "build-bitmask", kernels.dtype, "the mask of what is not zero, 80 % zeros", variants: Kernels.bitmask,
            shapes: matrices, pattern: .read, held: { kernels.held($0) },
            moved: { shape, _ in kernels.moved(shape, values: 0) },
            make: { shape, context in try kernels.masked(shape, context) },
            body: { shape, set, context in _ = try kernels.build(shape, set, context) })
    }

    private static func compressing<Element>(_ kernels: MaskKernels<Element>) -> BenchCase {
        rotating(
            "compress-bitmask", kernels.dtype, "what is not zero, by its mask, 80 % zeros", variants: Kernels.bitmask,
            shapes: matrices, pattern: .read, held: { kernels.held($0) },
            moved: { shape, set in kernels.moved(shape, values: set.values.count) },
            make: { shape, context in try kernels.masked(shape, context) },
            body: { shape, set, context in try kernels.compress(shape, set, context) })
    }

    private static func expanding<Element>(_ kernels: MaskKernels<Element>) -> BenchCase {
        rotating(
            "expand-bitmask", kernels.dtype, "expands rows that are 80 % zeros", variants: Kernels.bitmask,
            shapes: matrices, pattern: .write, held: { kernels.held($0) },
            moved: { shape, set in kernels.moved(shape, values: set.values.count) },
            make: { shape, context in try kernels.masked(shape, context) },
            body: { shape, set, context in try kernels.expand(shape, set, context) })
    }

    private static let applying = rotating(
        "apply-bitmask", "f32", "a pruned weight's mask, in place", variants: Kernels.bitmask, shapes: matrices,
        pattern: .update, held: { floatMasks.held($0) },
        moved: { shape, _ in 8 * shape[0] * shape[1] + bitmaskByteCount(rows: shape[0], columns: shape[1]) },
        make: { shape, context in try floatMasks.masked(shape, context) },
        body: { shape, set, context in
            let (dense, mask) = (set.dense, set.mask)
            try applyBitmask(mask.span, rows: shape[0], columns: shape[1], to: dense.mutableSpan, on: context)
        })

    // MARK: compressed rows

    private static let rowsOfMatrix = rotating(
        "compress-csr", "f32", "compressed rows of weights that are 90 % zeros", variants: Kernels.csr,
        shapes: matrices, pattern: .read, held: { 4 * $0[0] * $0[1] },
        moved: { shape, set in 4 * shape[0] * shape[1] + 8 * (set.count + shape[0] + 1) },
        make: { shape, context in
            let dense = try struck(shape, 0.9, on: context)
            let rows = try compressRows(dense.span, rows: shape[0], columns: shape[1], on: context)
            return (dense: dense, count: rows.values.count)
        },
        body: { shape, set, context in
            let dense = set.dense
            _ = try compressRows(dense.span, rows: shape[0], columns: shape[1], on: context)
        })

    private static let matrixOfRows = rotating(
        "expand-csr", "f32", "weights that are 90 % zeros from their compressed rows", variants: Kernels.csr,
        shapes: matrices, pattern: .write, held: { 12 * $0[0] * $0[1] + 8 * $0[0] },
        moved: { shape, set in 4 * shape[0] * shape[1] + 8 * (set.rows.values.count + shape[0] + 1) },
        make: { shape, context in
            let dense = try struck(shape, 0.9, on: context)
            return (
                dense: dense, rows: try compressRows(dense.span, rows: shape[0], columns: shape[1], on: context)
            )
        },
        body: { shape, set, context in
            let (dense, rows) = (set.dense, set.rows)
            try expandRows(
                rowOffsets: rows.rowOffsets.span, columnIndices: rows.columns.span, values: rows.values.span,
                rows: shape[0], columns: shape[1], into: dense.mutableSpan, on: context)
        })

    /// How many lines of 16 weights are not all zero.
    private static func linesWithWeights(_ dense: Memory<Float>) -> Int {
        let weights = dense.span
        var lines = 0
        for first in stride(from: 0, to: weights.count, by: 16) {
            var isNeeded = false
            for i in first..<min(first + 16, weights.count) where weights[i] != 0 { isNeeded = true }
            if isNeeded { lines += 1 }
        }
        return lines
    }

    /// Lines without a weight to take need not be read.
    private static let updating = rotating(
        "update-csr", "f32", "new values for packed sparse weights, 90 % zeros", variants: Kernels.csr,
        shapes: matrices, pattern: .read, held: { 12 * $0[0] * $0[1] },
        moved: { _, set in 64 * linesWithWeights(set.dense) + set.packed.bytes },
        make: { shape, context in
            let dense = try struck(shape, 0.9, on: context)
            return (
                dense: dense, packed: try SparseMatrix(f32: dense.span, N: shape[0], K: shape[1], on: context)
            )
        },
        body: { _, set, context in
            let dense = set.dense
            try set.packed.update(from: dense.span, on: context)
        })
}
