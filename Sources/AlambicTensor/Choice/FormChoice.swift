import AlambicKernels

/// The form that a weight runs in, and why none of the others.
///
/// A form is chosen when its times, each as a fraction of the dense one's and weighted for the purpose, are the lowest
/// and at least ``margin`` below dense. One that is more than ``tolerance`` slower than dense for any number of rows is
/// never chosen, whatever it gains elsewhere: a weight is in memory in one form.
public struct FormChoice: Equatable, Sendable {
    /// What a form must gain, on the average of the purpose: less is in the noise of measurements.
    public static let margin = 0.02
    /// What it may lose for some number of rows.
    public static let tolerance = 0.10

    /// Why a form was not chosen.
    public struct Rejection: Equatable, Sendable {
        /// The form.
        public let form: PackedMatrix.Form
        /// Where it fell short: the number of rows at which it is slowest against dense, or at which it gains too little.
        public let rows: Int
        /// How many times as fast as dense it is there.
        public let speedup: Double
        /// What it fell short of.
        public let reason: Reason
    }

    /// What a form fell short of.
    public enum Reason: String, Sendable {
        /// It is slower than dense beyond the tolerance.
        case slower
        /// It gains nothing that could be told from noise.
        case noGain
        /// The machine was too busy to tell.
        case unsteady
        /// Another one gains more.
        case another
    }

    /// The form that the weight runs in.
    public let form: PackedMatrix.Form
    /// What was measured.
    public let times: FormTimes
    /// The others that were measured, but for dense.
    public let rejected: [Rejection]

    /// The best form for a purpose.
    public init(_ times: FormTimes, for purpose: FormPurpose) {
        var (best, score, rejected) = (PackedMatrix.Form.dense, 1 - Self.margin, [Rejection]())
        for form in times.forms where form != .dense {
            guard times.isSteady else {
                rejected.append(Self.rejection(of: form, times, purpose, .unsteady))
                continue
            }
            if let worst = Self.slowest(form, times), worst.speedup < 1 / (1 + Self.tolerance) {
                rejected.append(Rejection(form: form, rows: worst.rows, speedup: worst.speedup, reason: .slower))
                continue
            }
            let mine = Self.score(form, times, purpose)
            guard mine < score else {
                rejected.append(Self.rejection(of: form, times, purpose, best == .dense ? .noGain : .another))
                continue
            }
            if best != .dense { rejected.append(Self.rejection(of: best, times, purpose, .another)) }
            (best, score) = (form, mine)
        }
        (form, self.times, self.rejected) = (best, times, rejected)
    }

    /// The mean of the times as fractions of dense's.
    public static func score(_ form: PackedMatrix.Form, _ times: FormTimes, _ purpose: FormPurpose) -> Double {
        var (sum, total) = (0.0, 0.0)
        for (rows, speedup) in zip(times.rows, times.speedups(form)) {
            sum += purpose.weight(rows: rows) / speedup
            total += purpose.weight(rows: rows)
        }
        return sum / total
    }

    private static func slowest(_ form: PackedMatrix.Form, _ times: FormTimes) -> (rows: Int, speedup: Double)? {
        zip(times.rows, times.speedups(form)).map { ($0, $1) }.min { $0.1 < $1.1 }
    }

    /// Names the number of rows that counts most.
    private static func rejection(
        of form: PackedMatrix.Form, _ times: FormTimes, _ purpose: FormPurpose, _ reason: Reason
    ) -> Rejection {
        let weights = times.rows.map(purpose.weight(rows:))
        let place = weights.indices.max { weights[$0] < weights[$1] } ?? 0
        return Rejection(form: form, rows: times.rows[place], speedup: times.speedups(form)[place], reason: reason)
    }
}
