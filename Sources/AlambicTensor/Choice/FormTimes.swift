import AlambicKernels

/// How long the products of one weight take, by the form that it is packed in.
public struct FormTimes: Equatable, Sendable {
    /// Rows of activations, M, in increasing order.
    public let rows: [Int]
    /// Seconds of one product for each of `rows`. A form that the product does not have is not there; dense is.
    public let seconds: [PackedMatrix.Form: [Double]]
    /// Whether each time was seen twice. Those of a busy machine say nothing: they are not kept, and dense is chosen.
    public let isSteady: Bool

    /// Times that were measured, or read.
    public init(rows: [Int], seconds: [PackedMatrix.Form: [Double]], isSteady: Bool = true) {
        precondition(
            !rows.isEmpty && seconds[.dense] != nil && seconds.values.allSatisfy { $0.count == rows.count },
            "times of \(seconds.mapValues(\.count)) for \(rows.count) numbers of rows")
        (self.rows, self.seconds, self.isSteady) = (rows, seconds, isSteady)
    }

    /// Forms in the order of `PackedMatrix.Form`, dense first.
    public var forms: [PackedMatrix.Form] { PackedMatrix.Form.allCases.filter { seconds[$0] != nil } }

    /// Seconds of one product of a form that is there.
    public func seconds(_ form: PackedMatrix.Form) -> [Double] { seconds[form] ?? dense }

    /// Seconds of one product of the dense form.
    public var dense: [Double] { seconds[.dense] ?? [] }

    /// How many times as fast as dense a form is, for each of `rows`.
    public func speedups(_ form: PackedMatrix.Form) -> [Double] { zip(dense, seconds(form)).map { $0 / $1 } }
}

/// What a model is to be fast at.
public enum FormPurpose: String, Sendable, CaseIterable {
    /// One token at a time.
    case decode
    /// Many tokens at once: prompts, evaluation.
    case prefill
    /// One as much as the other.
    case both

    /// How much a product with so many rows counts.
    public func weight(rows: Int) -> Double {
        switch self {
        case .decode: rows == 1 ? 1 : 0.05
        case .prefill: rows >= 64 ? 1 : 0.05
        case .both: rows == 1 || rows >= 512 ? 1 : 0.5
        }
    }
}
