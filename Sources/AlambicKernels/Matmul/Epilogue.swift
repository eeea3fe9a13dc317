// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M and N are the names that the field uses.

import CKernels

/// What happens to the sums of a product on their way into C, in this order; what is not given is left out:
///
///     v = sum · (rowScales[i] · columnScales[j]) + bias[j]        one fused multiply-add
///     saved[i, j] = v
///     v = function(v, operand[i, j])
///     v = dropout(v)                       element i · N + j of the mask of (seed, stream)
///     v = v + residual[i, j]
///     C[i, j] = v, converted to C's type
///
/// Built by chaining: `Epilogue().bias(b.span).function(.geluTanh)`. It borrows the spans that it is given.
public struct Epilogue: ~Escapable {
    /// What is applied to the sum after scales and bias.
    public enum Function: Sendable, CaseIterable {
        /// gelu(v) with tanh (Hendrycks and Gimpel 2016).
        case geluTanh
        /// gelu(v) with erf.
        case geluErf
        /// v · sigmoid(v).
        case silu

        var raw: ck_epilogue_function {
            switch self {
            case .geluTanh: CK_EPILOGUE_GELU_TANH
            case .geluErf: CK_EPILOGUE_GELU_ERF
            case .silu: CK_EPILOGUE_SILU
            }
        }
    }

    /// What joins the sum with another [M, N] matrix after scales and bias.
    public enum Combination: Sendable, CaseIterable {
        /// v · gelu'(operand), tanh form: the gradient of what `Function.geluTanh` was applied to.
        case geluTanhGradient
        /// v · gelu'(operand), erf form.
        case geluErfGradient
        /// v · silu(operand), as in SwiGLU (Shazeer 2020).
        case siluGate
        /// v · operand.
        case multiply

        var raw: ck_epilogue_function {
            switch self {
            case .geluTanhGradient: CK_EPILOGUE_GELU_TANH_GRADIENT
            case .geluErfGradient: CK_EPILOGUE_GELU_ERF_GRADIENT
            case .siluGate: CK_EPILOGUE_SILU_GATE
            case .multiply: CK_EPILOGUE_MULTIPLY
            }
        }
    }

    private var raw = ck_epilogue()
    // How many elements each part has; -1: not given. No arrays: an epilogue allocates nothing.
    private var rowScaleCount = -1
    private var columnScaleCount = -1
    private var biasCount = -1
    private var savedCount = -1
    private var operandCount = -1
    private var residualCount = -1
    // Of what is saved, the operand and the residual: f32 or 16-bit floats, and of which format when that was said.
    private var elements: (any MatrixElement.Type)?
    private var format: HalfFormat?

    /// Nothing: sums go into C as they are.
    @_lifetime(immortal)
    public init() {}

    /// Scales of the rows of A, M of them.
    @_lifetime(copy self, copy scales)
    public consuming func rowScales(_ scales: Span<Float>) -> Epilogue {
        raw.row_scales = scales.base
        rowScaleCount = scales.count
        return self
    }

    /// Scales of the columns of B, N of them, instead of those that B was packed with.
    @_lifetime(copy self, copy scales)
    public consuming func columnScales(_ scales: Span<Float>) -> Epilogue {
        raw.column_scales = scales.base
        columnScaleCount = scales.count
        return self
    }

    /// N floats to add.
    @_lifetime(copy self, copy bias)
    public consuming func bias(_ bias: Span<Float>) -> Epilogue {
        raw.bias = bias.base
        biasCount = bias.count
        return self
    }

    /// Where the values before the function go, [M, N]: f32, or 16-bit floats, in the format of C when none is given.
    @_lifetime(copy self, copy values)
    public consuming func saving<E: MatrixElement>(
        into values: consuming MutableSpan<E>, as format: HalfFormat? = nil
    ) -> Epilogue {
        savedCount = values.count
        note(E.self, format)
        raw.saved = UnsafeMutableRawPointer(values.base)
        return self
    }

    /// Applies a function.
    @_lifetime(copy self)
    public consuming func function(_ function: Function) -> Epilogue {
        setFunction(function.raw)
        return self
    }

    /// Applies a function of the value and of the element of `operand`, [M, N]: f32, or 16-bit floats, in the format of C when none is given.
    @_lifetime(copy self, copy operand)
    public consuming func combining<E: MatrixElement>(
        _ combination: Combination, with operand: Span<E>, as format: HalfFormat? = nil
    ) -> Epilogue {
        operandCount = operand.count
        note(E.self, format)
        raw.operand = UnsafeRawPointer(operand.base)
        setFunction(combination.raw)
        return self
    }

    /// Dropout at a rate from 0 ..< 1, with the mask of the operation `dropout`.
    @_lifetime(copy self)
    public consuming func dropout(rate: Float, seed: UInt64, stream: UInt64) -> Epilogue {
        precondition(rate >= 0 && rate < 1, "dropout at rate \(rate)")
        (raw.dropout, raw.seed, raw.stream) = (rate, seed, stream)
        return self
    }

    /// Adds [M, N] elements: f32, or 16-bit floats, in the format of C when none is given.
    @_lifetime(copy self, copy residual)
    public consuming func residual<E: MatrixElement>(
        _ residual: Span<E>, as format: HalfFormat? = nil
    ) -> Epilogue {
        residualCount = residual.count
        note(E.self, format)
        raw.residual = UnsafeRawPointer(residual.base)
        return self
    }

    /// For a C of int8: round(v / scale) + zeroPoint, half to even, saturated. Not a number becomes the zero point.
    @_lifetime(copy self)
    public consuming func requantized(scale: Float, zeroPoint: Int32 = 0) -> Epilogue {
        (raw.result_scale, raw.result_zero) = (scale, zeroPoint)
        return self
    }

    private mutating func note<E: MatrixElement>(_ type: E.Type, _ format: HalfFormat?) {
        precondition(
            (elements == nil || elements == type) && (self.format == nil || format == nil || self.format == format),
            "what is saved, the operand and the residual of an epilogue have one element type")
        (elements, self.format) = (type, format ?? self.format)
    }

    private mutating func setFunction(_ function: ck_epilogue_function) {
        precondition(raw.function == CK_EPILOGUE_NONE, "an epilogue has one function, or one combination")
        raw.function = function
    }

    /// For C, for a C of M x N whose 16-bit floats have this format. Counts are checked.
    func raw(M: Int, N: Int, halves: HalfFormat) -> ck_epilogue {
        check(M: M, N: N)
        var raw = raw
        if let elements { raw.operand_type = elements.type(halves: format ?? halves).raw }
        return raw
    }

    private func check(M: Int, N: Int) {
        let (elements, overflow) = M.multipliedReportingOverflow(by: N)
        func fits(_ count: Int, _ expected: Int) -> Bool { count < 0 || (!overflow && count == expected) }
        precondition(
            fits(rowScaleCount, M) && fits(columnScaleCount, N) && fits(biasCount, N) && fits(savedCount, elements)
                && fits(operandCount, elements) && fits(residualCount, elements),
            """
            epilogue of a product of \(M) x \(N) (-1: not given): row scales \(rowScaleCount), column scales \
            \(columnScaleCount), bias \(biasCount), saved \(savedCount), operand \(operandCount), residual \
            \(residualCount)
            """)
    }
}
