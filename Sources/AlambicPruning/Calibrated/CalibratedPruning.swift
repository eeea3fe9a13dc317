import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Prunes a matrix once, without training, knowing what its layer is given while the model reads a text.
///
/// To add a method, write one file with a type that conforms, and add it to ``CalibratedPruningMethods/all``.
public protocol CalibratedPruningMethod: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }

    /// The method at its published default settings.
    init()

    /// Throws where the settings make no sense or the method has no such pattern.
    func check(_ sparsity: Sparsity) throws(TrainingError)

    /// The weights [outputs, inputs] with zeros in place of those that go; the others may have changed to make up for them.
    ///
    /// - Parameters:
    ///   - inputs: Σ xᵀ x over what the layer was given.
    ///   - sparsity: how many go, and in which pattern, which tiles the matrix.
    func prune(
        _ weights: Tensor, inputs: Hessian, to sparsity: Sparsity, on context: Context
    ) throws(KernelError) -> CalibratedWeights
}

/// What a ``CalibratedPruningMethod`` makes of one matrix.
public struct CalibratedWeights: Sendable {
    /// [outputs, inputs], with zeros where weights are gone.
    public let weights: Tensor
    /// λ as a share of the mean of the Hessian's diagonal; 0 where nothing was inverted.
    public let damping: Double

    /// A result.
    public init(_ weights: Tensor, damping: Double = 0) { (self.weights, self.damping) = (weights, damping) }
}

/// The calibrated pruning methods that can be asked for by name.
public enum CalibratedPruningMethods {
    /// Every method there is. A new one is one line here.
    public static let all: [any CalibratedPruningMethod.Type] = [Wanda.self, SparseGPT.self]

    /// All names.
    public static var names: [String] { all.map { $0.name } }
}

extension Model {
    /// A copy pruned at once, block by block: each block's layers are pruned on inputs that have come through the blocks before
    /// it as they are after pruning (Sun et al. 2024, section 3; Frantar and Alistarh 2023, section 4). No training.
    ///
    /// - Parameters:
    ///   - method: `.wanda` or `.sparseGPT`.
    ///   - sparsities: for each path how many go; matrices that are not named stay as they are.
    ///   - calibration: what the model reads.
    ///   - cancellation: looked at between blocks.
    ///   - progress: called after each block.
    ///   - notice: called with one line where Hessians were singular and had to be damped to be inverted.
    /// - Throws: `.badSetting` for a path that is no prunable matrix's, or a pattern that does not tile its matrix;
    ///   `.contextTooLong` and `.vocabularyTooSmall` for a text that is not the model's; `.pruningCancelled`.
    public func pruned(
        _ method: some CalibratedPruningMethod, to sparsities: [String: Sparsity], readingOn calibration: Calibration,
        on context: Context = .default, cancellation: Cancellation? = nil,
        progress: @escaping (_ blocks: Int, _ of: Int) -> Void = { _, _ in }, notice: (String) -> Void = { _ in }
    ) throws(TrainingError) -> Model {
        let architecture = self.architecture
        try architecture.check(sparsities, prunable: architecture.prunable(except: []))
        for sparsity in sparsities.values { try method.check(sparsity) }
        try architecture.check(calibration)
        var wanted: [Sparsity] = []
        var chosen: [Int] = []
        for (index, description) in architecture.parameters.enumerated() {
            guard let sparsity = sparsities[description.path] else { continue }
            chosen.append(index)
            wanted.append(sparsity)
        }
        let work = CalibratedWork(method: method, sparsities: wanted, context: context)
        var blocks = 0
        do {
            let pass = try CalibrationPass(
                self, chosen: chosen, on: context, verb: "prune", replace: work.prune,
                afterBlock: {
                    blocks += 1
                    progress(blocks, architecture.layers)
                    return !(cancellation?.isCancelled ?? false)
                })
            try pass.run(calibration.tokens)
            if let text = work.notice { notice(text) }
            return replacing(weights: pass.weights)
        } catch {
            guard !error.isStop else { throw .pruningCancelled(blocks: blocks, of: architecture.layers) }
            throw .kernel(error)
        }
    }
}

/// The matrices of a model in the order in which the pass comes to them, which is that of the walk.
private final class CalibratedWork {
    private let method: any CalibratedPruningMethod
    private let sparsities: [Sparsity]
    private let context: Context
    private var done = 0
    private var singular = 0
    private var greatest = 0.0

    init(method: any CalibratedPruningMethod, sparsities: [Sparsity], context: Context) {
        (self.method, self.sparsities, self.context) = (method, sparsities, context)
    }

    func prune(_ weight: PackedWeight, _ inputs: Hessian) throws(KernelError) -> PackedWeight {
        let result = try method.prune(try weight.dense().copied(), inputs: inputs, to: sparsities[done], on: context)
        done += 1
        if result.damping > 0, inputs.isSingular { singular += 1 }
        greatest = max(greatest, result.damping)
        return try .smallest(of: result.weights)
    }

    /// What there is to say about Hessians that had no inverse.
    var notice: String? {
        guard singular > 0 else { return nil }
        return "\(singular) of \(done) Hessians are singular (fewer tokens than inputs, or inputs that were always 0): "
            + "damped by \(greatest * 100) % of the mean of their diagonal"
    }
}

extension Architecture {
    /// Throws unless a model of this kind can read the text.
    func check(_ calibration: Calibration) throws(TrainingError) {
        let tokens = calibration.tokens
        guard tokens.length <= context else { throw .contextTooLong(context: tokens.length, limit: context) }
        if let token = tokens.ids.first(where: { $0 < 0 || Int($0) >= vocabulary }) {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: vocabulary)
        }
    }
}
