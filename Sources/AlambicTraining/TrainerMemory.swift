import AlambicKernels
import AlambicOptimizers
import AlambicTensor

/// Settings with which a run would fit, and the memory that it then takes.
public struct MemoryRemedy: Sendable {
    /// What to compute again.
    public let recomputation: Recomputation
    /// How many parts to cut a batch into, if it is to be another number than now.
    public let microBatches: Int?
    /// The optimizer, if it is to be another one than now.
    public let optimizer: String?
    /// Bytes of all of it.
    public let bytes: Int

    /// As the command's options.
    public var options: String {
        var text = "--recompute \(recomputation.rawValue)"
        if let microBatches { text += " --micro-batches \(microBatches)" }
        if let optimizer { text += " --optimizer \(optimizer)" }
        return text
    }

    var description: String { "\(options) needs \(megabytes(bytes)) and fits" }
}

// What a run takes, before it takes it.
extension Trainer {
    /// What a run with batches of this shape needs in memory, found without computing anything.
    public func memoryPlan(rows: Int, context: Int) throws(TrainingError) -> MemoryPlan {
        try memoryPlan(
            activations: try reducer.planActivations(for: trial(rows, context, microBatches)), microBatches)
    }

    /// The same with other settings: a trial, after which nothing is left of it. Nil where the reducer knows no plans.
    public func memoryPlan(
        rows: Int, context: Int, recomputation: Recomputation, microBatches: Int
    ) throws(TrainingError) -> MemoryPlan? {
        let activations = try reducer.planActivations(
            for: trial(rows, context, microBatches), recomputation: recomputation)
        return try activations.map { activations throws(TrainingError) in
            try memoryPlan(activations: activations, microBatches)
        }
    }

    private func memoryPlan(activations: Int?, _ microBatches: Int) throws(TrainingError) -> MemoryPlan {
        let gradients = parameters.reduce(0) { $0 + 4 * $1.gradientShape.count }
        let share = max(1, microBatches / max(reducer.concurrency, 1))
        // Each worker has one set of gradients for each level of the tree over its micro-batches.
        let levels = Int.bitWidth - share.leadingZeroBitCount
        return MemoryPlan(
            weights: parameters.reduce(0) { $0 + $1.bytes }, gradients: gradients * reducer.concurrency * levels,
            optimizer: state.bytes,
            panels: parameters.reduce(0) { $0 + ($1.panels?.bytes ?? 0) + ($1.sparse?.bytes ?? 0) },
            activations: activations)
    }

    private func trial(_ rows: Int, _ context: Int, _ microBatches: Int) -> MicroBatch {
        let share = (rows + microBatches - 1) / microBatches
        let ids = [Int32](repeating: 0, count: share * context)
        return MicroBatch(
            tokens: Tokens(ids: ids, batch: share, length: context), targets: ids, scale: 1, seed: seed, stream: 0,
            architecture: architecture)
    }

    /// Throws if batches of this shape need more memory than the machine has left. Every step does this for itself; do it
    /// before to learn it before the first batch is made.
    ///
    /// - Parameter limit: the most bytes that the whole run may take, instead of what the machine has left.
    /// - Throws: `TrainingError.doesNotFit`, with the settings that would fit where there are any.
    public func checkFits(rows: Int, context: Int, within limit: Int? = nil) throws(TrainingError) {
        guard limit != nil || checkedShapes.insert([rows, context]).inserted else { return }
        guard let available = limit ?? MemoryBudget.available() else { return }
        func refuse(_ needed: Int, _ remedy: MemoryRemedy? = nil) -> TrainingError {
            checkedShapes.remove([rows, context])
            return .doesNotFit(rows: rows, context: context, needed: needed, available: available, remedy: remedy)
        }
        let share = (rows + microBatches - 1) / microBatches
        let (together, overflow) = share.multipliedReportingOverflow(by: reducer.concurrency)
        let estimate = overflow ? .max : MemoryEstimate(architecture).activationBytes(rows: together, context: context)
        // Walking through a step takes memory of its own for the tokens: not for what is far too much in any case.
        guard estimate / 64 <= available else { throw refuse(estimate) }
        let plan: MemoryPlan
        do throws(TrainingError) {
            plan = try memoryPlan(rows: rows, context: context)
        } catch {
            guard case .kernel(let failure) = error, failure.code == .noMemory else { throw error }
            throw refuse(estimate)
        }
        let room = limit ?? available + resident(plan)
        let needed = plan.activations == nil ? plan.total + estimate : plan.total
        guard needed > room else { return }
        let remedy = try remedy(rows: rows, context: context, room: room)
        checkedShapes.remove([rows, context])
        throw .doesNotFit(rows: rows, context: context, needed: needed, available: room, remedy: remedy)
    }

    /// What of a plan has its place in memory already, and is not among what the machine has left.
    private func resident(_ plan: MemoryPlan) -> Int {
        plan.weights + plan.panels + (step > 0 ? plan.optimizer : 0) + (hasStepped ? plan.gradients : 0)
    }

    /// The settings nearest to those of now that fit: more recomputation, then smaller parts, then a smaller optimizer.
    private func remedy(rows: Int, context: Int, room: Int) throws(TrainingError) -> MemoryRemedy? {
        let kinds = Array(Recomputation.allCases.drop { $0 != recomputation })
        var parts = [microBatches]
        while let last = parts.last, rows.isMultiple(of: 2 * last) { parts.append(2 * last) }
        let canShrink = ["adam", "adamw"].contains(type(of: optimizer).name)
        // Two bytes for each parameter instead of eight, and a scale for each block.
        let smaller = parameters.reduce(0) { $0 + 2 * $1.gradientShape.count } * 33 / 32
        for optimizer in canShrink ? [nil, AdamW8bit.name] : [nil] {
            for part in parts {
                for kind in kinds {
                    guard
                        let plan = try memoryPlan(
                            rows: rows, context: context, recomputation: kind, microBatches: part)
                    else { return nil }
                    let bytes = plan.total - (optimizer == nil ? 0 : plan.optimizer - smaller)
                    guard bytes <= room else { continue }
                    return MemoryRemedy(
                        recomputation: kind, microBatches: part == microBatches ? nil : part, optimizer: optimizer,
                        bytes: bytes)
                }
            }
        }
        return nil
    }

    /// Arithmetic operations that a step takes at least: three products for each weight that is multiplied with, two for a
    /// frozen one, two operations a multiply-add, and causal attention's seven products over half of all pairs of positions.
    public func operations(rows: Int, context: Int) -> Double {
        let head = architecture.head.index
        var products = 0
        for (index, parameter) in parameters.enumerated() where parameter.kind == .matrix || index == head {
            products += (parameter.trains ? 3 : 2) * parameter.shape.count
        }
        let attention = 7 * architecture.layers * architecture.width * context
        return Double(rows) * Double(context) * (2 * Double(products) + Double(attention))
    }
}
