import AlambicKernels
import AlambicTensor
import AlambicTraining

/// SparseGPT (Frantar and Alistarh 2023, "Massive language models can be accurately pruned in one-shot"): weights that stay
/// make up for those that go.
///
/// Of each linear layer it lessens ||W X - W' X||² over the inputs X that the layer is given while the model reads a text. To
/// remove weight m at least cost, the optimal brain surgeon (Hassibi and Stork 1993; equation 3 of the paper) changes the
/// others by δ and pays ε,
///
///     δ = -w_m / [H⁻¹]_mm · H⁻¹_{:,m},     ε = w_m² / [H⁻¹]_mm,     H = X Xᵀ + λ I.
///
/// Columns are visited in their order, and weight m is made up for by the columns behind it alone, so that all rows share the
/// inverses of the Hessians of what is left: the rows of U in H⁻¹ = Uᵀ U (section 3.2, algorithm 1). For column j of every row:
///
///     e = w_j / U_jj where w_j goes, else 0,     w_l -= e U_jl  for l > j.
///
/// Which weights go is decided for ``maskBlock`` columns at a time, over all rows, from the weights as they are when the first
/// of them is reached: those with the least w² / U_jj² (section 3.3); with N:M for the M columns of each row when the first is
/// reached (section 3.4).
///
/// Limits: no blocks. A Hessian is singular where fewer tokens are read than a layer has inputs, or inputs are always zero: λ
/// makes it regular, and what the model's `pruned` tells its caller. The bits do not depend on the number of threads.
public struct SparseGPT: CalibratedPruningMethod {
    /// The name by which the registry knows it.
    public static let name = "sparsegpt"

    /// λ as a share of the mean of the Hessian's diagonal.
    public var damping: Double
    /// Columns whose mask is chosen together.
    public var maskBlock: Int

    /// As in the paper's appendix A: 1 % of the mean diagonal, 128 columns.
    public init() { self.init(damping: 0.01) }

    /// The method with other settings.
    public init(damping: Double, maskBlock: Int = 128) { (self.damping, self.maskBlock) = (damping, maskBlock) }

    /// Refuses blocks, and settings that make no sense.
    public func check(_ sparsity: Sparsity) throws(TrainingError) {
        try sparsity.checkHasNoBlocks(for: Self.name)
        guard damping > 0, damping.isFinite else {
            throw .badSetting("a damping of \(damping) is outside of what sparsegpt can use: use a number such as 0.01")
        }
        guard maskBlock > 0 else {
            throw .badSetting("sparsegpt cannot choose the mask of \(maskBlock) columns at a time: use 128")
        }
    }

    /// Zeroes weights and hands their part on to the columns behind them.
    public func prune(
        _ weights: Tensor, inputs: Hessian, to sparsity: Sparsity, on context: Context
    ) throws(KernelError) -> CalibratedWeights {
        precondition(inputs.inputs == weights.columns, "inputs of \(inputs.inputs) for weights \(weights.shape)")
        let (factor, share) = try inputs.factor(damping: damping)
        let layer = try SparseGPTLayer(weights, to: sparsity, maskBlock: maskBlock, on: context)
        return CalibratedWeights(try layer.prune(factor), damping: share)
    }
}

extension CalibratedPruningMethod where Self == SparseGPT {
    /// One-shot pruning in which the survivors make up for the others.
    public static var sparseGPT: SparseGPT { SparseGPT() }
}
