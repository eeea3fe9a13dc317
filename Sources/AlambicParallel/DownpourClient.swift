import AlambicKernels
import AlambicTensor
import AlambicTraining

/// One worker's side of Algorithm 7.1, without the communication. Used by one thread at a time.
final class DownpourClient: @unchecked Sendable {
    let number: Int
    let replica: any GradientReplica
    let fault: Fault
    let accrued: GradientSet
    private let settings: Downpour
    private(set) var step = 0
    private(set) var accruedGradients = 0
    private(set) var accruedLoss = 0.0
    /// The server's updates when the present weights were fetched.
    var fetchedAt = 0
    private(set) var refusals = 0
    var isAlive = true
    /// The mini-batches of what has accrued, and the one that is being computed.
    private var batches: [Int] = []
    /// Those of pushes that were refused since the last one that was accepted.
    private var refused: [Int] = []

    init(_ number: Int, _ replica: any GradientReplica, fault: Fault, settings: Downpour) throws(KernelError) {
        self.number = number
        self.replica = replica
        self.fault = fault
        self.settings = settings
        accrued = try GradientSet(for: replica.parameters)
    }

    var fetches: Bool { step % settings.fetchEvery == 0 }
    var diesNow: Bool { fault.diesAtStep.map { step >= $0 } ?? false }
    /// Whether a push is due: after every `pushEvery` gradients, so that all pushes carry the same number.
    var pushes: Bool { accruedGradients == settings.pushEvery }

    /// accrued += gradient; parameters -= α gradient.
    func compute(batch: Int) throws(ParallelError) {
        batches.append(batch)
        let (loss, gradients) = try training { () throws(TrainingError) in try replica.gradient(ofBatch: batch) }
        if fault.sendsNaNAtStep == step { poison(gradients) }
        try kernels { () throws(KernelError) in
            if accruedGradients == 0 {
                accrued.flat.copy(from: gradients.flat)
            } else {
                try accrued.accumulate(gradients, on: replica.context)
            }
            if settings.localRate > 0 { try localStep(gradients) }
        }
        accruedGradients += 1
        accruedLoss += loss
        step += 1
    }

    /// Forgets what has accrued, which somebody has now, and returns its mini-batches.
    @discardableResult
    func clear() -> [Int] {
        defer { (accruedGradients, accruedLoss, batches) = (0, 0, []) }
        return batches
    }

    /// The server has taken a push.
    func accept() { (refusals, refused) = (0, []) }

    /// The server has not taken the push of these mini-batches.
    func refuse(_ batches: [Int]) {
        refusals += 1
        refused += batches
    }

    /// The mini-batches of a lost worker that the server has nothing of, for the others.
    func giveBack() -> [Int] {
        defer { (batches, refused) = ([], []) }
        return refused + batches
    }

    private func localStep(_ gradients: GradientSet) throws(KernelError) {
        for (parameter, gradient) in zip(replica.parameters, gradients.tensors) {
            let weights = parameter.value
            try sgdStep(
                weights: weights.mutableSpan, gradient: gradient.span, velocity: nil, rate: settings.localRate,
                on: replica.context)
            parameter.valueChanged()
        }
    }
}

/// What a broken worker sends.
func poison(_ gradients: GradientSet) {
    let first = gradients.flat
    var values = first.mutableSpan
    values[0] = .nan
}

/// Clients for replicas, which must look alike.
func downpourClients(
    _ settings: Downpour, _ replicas: [any GradientReplica], _ faults: [Int: Fault]
) throws(ParallelError) -> [DownpourClient] {
    precondition(!replicas.isEmpty, "no replicas")
    for worker in faults.keys where !replicas.indices.contains(worker) {
        preconditionFailure("a fault of worker \(worker) of \(replicas.count)")
    }
    return try kernels { () throws(KernelError) in
        var clients: [DownpourClient] = []
        for (number, replica) in replicas.enumerated() {
            clients.append(
                try DownpourClient(number, replica, fault: faults[number] ?? .none, settings: settings))
        }
        return clients
    }
}
