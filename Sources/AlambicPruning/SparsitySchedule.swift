/// How the sparsity of a run rises from round to round.
public enum SparsitySchedule: Sendable, Equatable {
    /// By the same amount in every round.
    case linear
    /// Fast while there is much to remove, slowly in the end: s(r) = s (1 - (1 - r/R)³) (Zhu and Gupta 2017,
    /// "To prune, or not to prune", equation 1).
    case cubic

    /// The sparsity of round `round` of `rounds`, counted from 1.
    public func sparsity(round: Int, of rounds: Int, target: Double) -> Double {
        let progress = Double(round) / Double(max(rounds, 1))
        switch self {
        case .linear: return target * progress
        case .cubic: return target * (1 - (1 - progress) * (1 - progress) * (1 - progress))
        }
    }

    /// The same for any pattern; the last round has the target itself.
    public func sparsity(round: Int, of rounds: Int, target: Sparsity) -> Sparsity {
        round < rounds ? target.reached(sparsity(round: round, of: rounds, target: 1)) : target
    }
}
