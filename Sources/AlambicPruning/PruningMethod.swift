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

    /// Chooses the weights of one matrix that remain.
    ///
    /// - Parameters:
    ///   - weights: [outputs, inputs].
    ///   - sparsity: how many go, those removed earlier included, and in which pattern, which tiles the matrix.
    ///   - earlier: what was removed before, and stays so.
    func mask(of weights: Tensor, to sparsity: Sparsity, after earlier: Mask?) throws(KernelError) -> Mask
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
