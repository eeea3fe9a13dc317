// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels

/// One form of weights at one sparsity, packed so many times that it comes from memory at every turn.
struct SparseCandidate {
    enum Weights {
        case packed([PackedMatrix])
        case rows([SparseMatrix])
    }

    let dtype: String
    let form: SparseForm
    let percent: Int
    let weights: Weights

    var bytes: Int {
        switch weights {
        case .packed(let copies): copies.first?.bytes ?? 0
        case .rows(let copies): copies.first?.bytes ?? 0
        }
    }
}

/// Packs the candidates of the stored types.
struct SparseCandidates {
    let N: Int, K: Int
    let copies: Int
    /// Packs; it may have more workers than the context that multiplies.
    let context: Context

    /// Bytes of all candidates of a type, one copy of each, and of the sources that they are packed from.
    static func bytes(_ types: [String], N: Int, K: Int) -> (packed: Double, sources: Double) {
        let weights = Double(N) * Double(K)
        var packed = 0.0
        for type in types {
            let element = type == "f32" ? 4.0 : type == "bf16" ? 2 : 1
            // int8 brings its 4-bit opponent along.
            packed += element + (type == "s8" ? 0.57 : 0)
            for percent in SparseTable.percents {
                let kept = 1 - Double(percent) / 100
                let rows = type == "s8" ? 0 : kept * (element + 2.3)
                packed += 0.125 + 2 * kept * element + rows
            }
        }
        return (packed * weights, 16 * weights)
    }

    func make(_ type: String) throws -> [SparseCandidate] {
        switch type {
        case "f32":
            try make(.f32) {
                try ramp(N * K)
            } rows: { values in
                Array(values)
            }
        case "bf16":
            try make(.bf16) {
                try halves(N * K, .bf16)
            } rows: { values in
                values.map { UInt16($0.bitPattern >> 16) }
            }
        default: try make(.s8) { try randomBytes(N * K) }
        }
    }

    /// The dense form of a product that int8 is held against.
    func makeFourBits() throws -> SparseCandidate {
        let product = Product.s8s4g32
        let operands = MatmulOperands(product: product, shape: BenchShape(1, N, K), context: context)
        return SparseCandidate(
            dtype: product.description, form: .dense, percent: 0,
            weights: .packed(try (0..<copies).map { _ in try operands.packed() }))
    }

    /// Dense, as bit masks and in blocks.
    private func make<Element: MatrixElement & Numeric>(
        _ product: Product, weights: () throws -> Memory<Element>
    ) throws -> [SparseCandidate] {
        var candidates: [SparseCandidate] = []
        func pack(_ struck: StruckWeights<Element>, _ form: SparseForm, _ packedForm: PackedMatrix.Form, _ percent: Int)
            throws
        {
            let packed = try (0..<copies).map { _ in
                try PackedMatrix(product, struck.weights.span, N: N, K: K, form: packedForm, on: context)
            }
            candidates.append(
                SparseCandidate(dtype: "\(product)", form: form, percent: percent, weights: .packed(packed)))
        }
        for (pattern, form, packedForm) in [
            (ZeroPattern.elements, SparseForm.bitmask, PackedMatrix.Form.bitmask), (.blocks, .blocks, .blocks),
        ] {
            let struck = try StruckWeights(try weights(), N: N, K: K, pattern, on: context)
            if pattern == .elements { try pack(struck, .dense, .dense, 0) }
            for percent in SparseTable.percents {
                _ = struck.strike(percent: percent)
                try pack(struck, form, packedForm, percent)
            }
        }
        return candidates
    }

    /// The same and compressed rows, whose values are made from f32.
    private func make<Element: MatrixElement & Numeric & Sendable>(
        _ product: Product, weights: () throws -> Memory<Element>, rows values: ([Float]) -> [Element]
    ) throws -> [SparseCandidate] {
        var candidates = try make(product, weights: weights)
        let struck = try StruckWeights(try ramp(N * K), N: N, K: K, .elements, on: context)
        for percent in SparseTable.percents {
            _ = struck.strike(percent: percent)
            let rows = try compressRows(struck.weights.span, rows: N, columns: K, on: context)
            let typed = CompressedRows(rowOffsets: rows.rowOffsets, columns: rows.columns, values: values(rows.values))
            let packed = try (0..<copies).map { _ in try SparseMatrix(typed, N: N, K: K, on: context) }
            candidates.append(
                SparseCandidate(dtype: "\(product)", form: .csr, percent: percent, weights: .rows(packed)))
        }
        return candidates
    }
}
