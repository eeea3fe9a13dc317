import AlambicTraining

/// Which Hessians had no inverse of their own, to be said once for a model.
struct SingularHessians {
    /// λ as a share of the mean of the diagonal, where that was enough.
    let damping: Double
    private var all = 0
    private var fewTokens = 0
    private var silentInputs = 0
    private var greatest = 0.0

    init(damping: Double) { self.damping = damping }

    /// Takes notice of one that could be inverted with this share.
    mutating func note(_ hessian: Hessian, share: Double) {
        all += 1
        let inputs = hessian.inputs
        let sum = hessian.sum
        let elements = sum.span
        var isSilent = false
        for i in 0..<inputs where elements[i * inputs + i] == 0 { isSilent = true }
        if hessian.rows < inputs { fewTokens += 1 } else if isSilent { silentInputs += 1 }
        greatest = max(greatest, share)
    }

    /// A line about them; nil when there is nothing to say.
    var text: String? {
        guard fewTokens + silentInputs > 0 || greatest > damping else { return nil }
        var causes: [String] = []
        if fewTokens > 0 { causes.append("\(fewTokens) with fewer tokens than inputs") }
        if silentInputs > 0 { causes.append("\(silentInputs) with inputs that were always 0") }
        let singular =
            causes.isEmpty
            ? "Hessians hardly positive definite"
            : "\(fewTokens + silentInputs) of \(all) Hessians are singular (\(causes.joined(separator: ", ")))"
        return "\(singular): damped by \(greatest * 100) % of the mean of their diagonal"
    }
}
