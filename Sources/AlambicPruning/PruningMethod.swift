import AlambicKernels
import AlambicTensor
import AlambicTraining

/// Which weights to give up.
///
/// To add a method, write one file with a type that conforms, and add it to ``PruningMethods/all``.
public protocol PruningMethod: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }

    /// The method at its published default settings.
    init()

    /// Chooses the weights of one matrix that remain when `removed` of them go.
    ///
    /// - Parameters:
    ///   - weights: [outputs, inputs].
    ///   - removed: how many weights to remove in all, those removed earlier included.
    ///   - earlier: what was removed before, and stays so.
    func mask(of weights: Tensor, removing removed: Int, after earlier: Mask?) throws(KernelError) -> Mask
}

/// The pruning methods that can be asked for by name.
public enum PruningMethods {
    /// Every method there is. A new one is one line here.
    public static let all: [any PruningMethod.Type] = [Magnitude.self]

    /// All names.
    public static var names: [String] { all.map { $0.name } }

    /// The method of this name at its default settings.
    public static func named(_ name: String) throws(TrainingError) -> any PruningMethod {
        guard let type = all.first(where: { $0.name == name }) else {
            throw .badSetting("unknown pruning method '\(name)': use one of \(names.joined(separator: ", "))")
        }
        return type.init()
    }
}

/// How sparse to become, and in which pattern.
public enum Sparsity: Sendable, Equatable {
    /// This share of the weights of every matrix goes, wherever they are.
    case unstructured(Double)

    /// The share of weights that go.
    public var fraction: Double {
        switch self {
        case .unstructured(let fraction): fraction
        }
    }

    /// Throws unless the share is a number from 0 to 1.
    public func validate() throws(TrainingError) {
        guard (0...1).contains(fraction) else {
            throw .badSetting("the sparsity \(fraction) is outside of 0...1: 0.8 removes 80 % of the weights")
        }
    }
}

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
}
