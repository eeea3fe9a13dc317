import Foundation

/// Softmax cross-entropy and distillation of one row in doubles, with first-order bounds for single precision: u = 2^-24, sums
/// run over at least four lanes, exponents are rounded at their size.
enum CrossEntropyOracle {
    static let unit = 0x1p-24

    struct Softmax {
        var logSum: Double
        var p: [Double]
        var logP: [Double]
        /// Relative error of p[j].
        var error: [Double]

        init(_ x: [Double]) {
            let top = x.reduce(-Double.infinity) { max($0, $1) }
            var total = 0.0
            for v in x { total += exp(v - top) }
            let logSum = top + log(total)
            self.logSum = logSum
            logP = x.map { $0 - logSum }
            p = logP.map(exp)
            var shift = 0.0
            for (j, v) in x.enumerated() where p[j] > 0 { shift += p[j] * 3 * unit * (top - v) }
            let sum = Double(x.count / 4 + 12) * unit + shift
            error = x.map { $0 == -Double.infinity ? 0 : sum + 3 * unit * (top - $0) }
        }
    }

    static func plain(
        _ x: [Double], target: Int, scale: Double
    ) -> (loss: Double, lossBound: Double, gradient: [Double], gradientBound: [Double]) {
        if target < 0 { return (0, 1e-300, x.map { _ in 0 }, x.map { _ in 1e-300 }) }
        let softmax = Softmax(x)
        let loss = softmax.logSum - x[target]
        var gradient = softmax.p.map { $0 * scale }
        gradient[target] -= scale
        let bound = softmax.p.indices.map { j in
            abs(scale) * (softmax.p[j] * (softmax.error[j] + 2 * unit) + (j == target ? unit : 0)) + 0x1p-120
        }
        let least = softmax.error.min() ?? 0
        return (loss, least + 2 * unit * abs(loss) + 2 * unit, gradient, bound)
    }

    static func distillation(
        student: [Double], teacher: [Double], target: Int?, temperature: Double, mixing: Double, scale: Double
    ) -> (soft: Double, softBound: Double, hard: Double, hardBound: Double, gradient: [Double], bound: [Double]) {
        if let target, target < 0 {
            return (0, 1e-300, 0, 1e-300, student.map { _ in 0 }, student.map { _ in 1e-300 })
        }
        let q = Softmax(student.map { $0 / temperature }), p = Softmax(teacher.map { $0 / temperature })
        var divergence = 0.0, bound = 2 * ((q.error.min() ?? 0) + (p.error.min() ?? 0)) + 4 * unit
        let sums = Double(student.count / 4 + 12) * unit
        for j in student.indices where p.p[j] > 0 {
            divergence += p.p[j] * (p.logP[j] - q.logP[j])
            bound += p.p[j] * (p.error[j] + q.error[j])
            bound += p.p[j] * (abs(p.logP[j] - q.logP[j]) + abs(q.logSum - p.logSum)) * (p.error[j] + sums)
        }
        let square = temperature * temperature
        var hard = (
            loss: 0.0, lossBound: 1e-300, gradient: student.map { _ in 0.0 }, gradientBound: student.map { _ in 0.0 }
        )
        if let target { hard = plain(student, target: target, scale: scale * (1 - mixing)) }
        let soft = scale * mixing * temperature
        return (
            square * divergence, square * bound, hard.loss, hard.lossBound,
            student.indices.map { soft * (q.p[$0] - p.p[$0]) + hard.gradient[$0] },
            student.indices.map {
                abs(soft) * (q.p[$0] * (q.error[$0] + 4 * unit) + p.p[$0] * (p.error[$0] + 4 * unit))
                    + hard.gradientBound[$0] + 4 * unit * abs(hard.gradient[$0]) + 0x1p-120
            }
        )
    }
}
