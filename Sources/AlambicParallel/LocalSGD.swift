import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import AlambicTraining
import Foundation
import Synchronization

/// Local SGD: every worker takes H steps of its own from common weights, then the weights are brought together
/// (Stich 2019). Communication is H times as rare as with Downpour.
///
///     Δ = θ - meanₖ θₖ        over the workers that came back with finite weights, in a fixed tree
///     θ = outer(θ, Δ)         the outer optimizer takes Δ for a gradient
///
/// Inner AdamW and outer Nesterov momentum (0.7, momentum 0.9) are DiLoCo (Douillard et al. 2023, Algorithm 1); inner SGD
/// and outer SGD at rate 1 average weights as federated averaging does. Workers keep their inner optimizer's state from
/// round to round. Rounds are synchronous: the slowest worker decides how long one takes, and results have the same bits
/// in every run. A worker that dies is left out from then on; one with weights that are not finite is left out of that
/// round, and starts the next one with fresh state, at the learning rate that its schedule has come to.
public final class LocalSGD {
    /// What a round did.
    public struct Round: Sendable {
        /// Mean loss over all inner steps.
        public var loss: Double
        /// Gradients computed.
        public var gradients: Int
        /// What became of workers.
        public var events: [WorkerEvent]
    }

    /// The common weights.
    public let parameters: [Parameter]
    /// Inner steps in a round: H.
    public let steps: Int
    private let inner: any Optimizer
    private let outer: OptimizerState
    private let workers: [LocalWorker]
    private let delta: GradientSet
    private let context: Context
    private var round = 0

    /// Workers for these replicas, starting from `parameters`.
    public init(
        from parameters: [Parameter], replicas: [any GradientReplica], inner: some Optimizer, outer: some Optimizer,
        steps: Int, faults: [Int: Fault] = [:], on context: Context
    ) throws(ParallelError) {
        precondition(!replicas.isEmpty && steps > 0, "\(replicas.count) replicas, \(steps) steps")
        self.steps = steps
        self.inner = inner
        self.context = context
        (self.parameters, self.outer, delta) = try kernels { () throws(KernelError) in
            let own = try copies(of: parameters)
            return (own, try OptimizerState(outer, for: own), try GradientSet(for: own))
        }
        workers = try kernels { () throws(KernelError) in
            var workers: [LocalWorker] = []
            for (number, replica) in replicas.enumerated() {
                workers.append(
                    try LocalWorker(
                        number, of: replicas.count, replica, optimizer: inner, fault: faults[number] ?? .none))
            }
            return workers
        }
    }

    /// One round: H steps of every worker, at the same time, and one outer step.
    public func run() throws(ParallelError) -> Round {
        let living = workers.filter(\.isAlive)
        let (weights, steps, first) = (parameters, steps, round * steps)
        DispatchQueue.concurrentPerform(iterations: living.count) { place in
            living[place].run(steps, from: weights, firstStep: first)
        }
        round += 1
        var report = Round(loss: 0, gradients: 0, events: living.compactMap(\.event))
        var sum = TreeSum<[Parameter]>(count: max(living.count(where: \.isGood), 1))
        let good = living.filter(\.isGood)
        guard !good.isEmpty else {
            throw .noWorkersLeft(of: workers.count, afterGradients: 0, last: report.events.last)
        }
        try kernels { () throws(KernelError) in
            for (place, worker) in good.enumerated() {
                report.loss += worker.loss / Double(good.count * steps)
                report.gradients += steps
                try sum.add(worker.replica.parameters, at: place) { left, right throws(KernelError) in
                    for (a, b) in zip(left, right) {
                        let (target, addend) = (a.value, b.value)
                        try accumulate(addend.span, into: target.mutableSpan, on: context)
                    }
                    return left
                }
            }
            guard let total = sum.total else { return }
            try step(total, count: good.count)
        }
        return report
    }

    /// Δ = θ - total / count, and the outer step. `total` is overwritten.
    private func step(_ total: [Parameter], count: Int) throws(KernelError) {
        for (index, parameter) in parameters.enumerated() {
            let (difference, sum, weights) = (delta.tensors[index], total[index].value, parameter.value)
            try scale(by: -1 / Float(count), into: sum.mutableSpan, on: context)
            try add(weights.span, sum.span, into: difference.mutableSpan, on: context)
        }
        try outer.step(parameters, gradients: delta, on: context)
        for parameter in parameters { parameter.valueChanged() }
    }
}

/// A worker of ``LocalSGD``. Used by one thread at a time.
private final class LocalWorker: @unchecked Sendable {
    let replica: any GradientReplica
    private let number: Int
    private let workers: Int
    private let rule: any Optimizer
    private var optimizer: OptimizerState
    private let fault: Fault
    private(set) var isAlive = true
    /// Whether the last round's weights can be used.
    private(set) var isGood = false
    private(set) var loss = 0.0
    private(set) var event: WorkerEvent?

    init(
        _ number: Int, of workers: Int, _ replica: any GradientReplica, optimizer: any Optimizer, fault: Fault
    ) throws(KernelError) {
        self.number = number
        self.workers = workers
        self.replica = replica
        self.fault = fault
        rule = optimizer
        self.optimizer = try OptimizerState(optimizer, for: replica.parameters)
    }

    /// `steps` steps from common weights. Worker k of n takes mini-batches k, n + k, 2n + k, …
    func run(_ steps: Int, from weights: [Parameter], firstStep: Int) {
        replica.copyWeights(from: weights)
        (loss, event, isGood) = (0, nil, false)
        let clock = ContinuousClock()
        let start = clock.now
        for step in firstStep..<firstStep + steps {
            if let last = fault.diesAtStep, step >= last { return lose(.died(worker: number, step: step)) }
            do throws(ParallelError) { try take(step) } catch {
                return lose(.failed(worker: number, step: step, reason: error.description))
            }
        }
        if fault.slowness > 1 {
            Thread.sleep(forTimeInterval: (fault.slowness - 1) * ((clock.now - start) / .seconds(1)))
        }
        check(firstStep + steps - 1)
    }

    private func take(_ step: Int) throws(ParallelError) {
        let (value, gradients) = try training { () throws(TrainingError) in
            try replica.gradient(ofBatch: step * workers + number)
        }
        loss += value
        if fault.sendsNaNAtStep == step { poison(gradients) }
        try kernels { () throws(KernelError) in
            try optimizer.step(replica.parameters, gradients: gradients, on: replica.context)
        }
        for parameter in replica.parameters { parameter.valueChanged() }
    }

    private func check(_ step: Int) {
        do {
            isGood = true
            for parameter in replica.parameters {
                let weights = parameter.value
                if try !allFinite(weights.span, on: replica.context) { isGood = false }
            }
            if isGood { return }
            event = .refused(worker: number, step: step)
            // Moments may be as bad as the weights. The rate is a matter of the run, and goes on where it was.
            optimizer = try OptimizerState(
                rule, for: replica.parameters, stepsBefore: optimizer.stepsBefore + optimizer.step)
        } catch {
            isGood = false
            lose(.failed(worker: number, step: step, reason: "\(error)"))
        }
    }

    private func lose(_ event: WorkerEvent) {
        isAlive = false
        self.event = event
    }
}
