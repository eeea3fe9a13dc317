import AlambicKernels
import AlambicTensor
import AlambicTraining
import Foundation

/// A worker of ``ThreadedSandblaster``: asks for a piece, computes it, hands it in.
final class PieceWorker {
    private let number: Int
    private let replica: any GradientReplica
    private let fault: Fault
    private let coordinator: Coordinator
    private var batch = 0
    private var step = 0

    init(_ number: Int, _ replica: any GradientReplica, fault: Fault, of coordinator: Coordinator) {
        self.number = number
        self.replica = replica
        self.fault = fault
        self.coordinator = coordinator
    }

    /// Works until there is no more, or until it dies.
    func run() {
        let clock = ContinuousClock()
        while let piece = coordinator.next(for: number, known: &batch, into: replica) {
            if let last = fault.diesAtStep, step >= last {
                return lose(piece, .died(worker: number, step: step))
            }
            let start = clock.now
            do throws(ParallelError) {
                let (loss, gradients) = try training { () throws(TrainingError) in
                    try replica.gradient(ofBatch: piece)
                }
                if fault.sendsNaNAtStep == step { poison(gradients) }
                if fault.slowness > 1 {
                    Thread.sleep(forTimeInterval: (fault.slowness - 1) * ((clock.now - start) / .seconds(1)))
                }
                try handIn(piece, loss, gradients)
            } catch {
                return lose(piece, .failed(worker: number, step: step, reason: error.description))
            }
            step += 1
        }
    }

    private func handIn(_ piece: Int, _ loss: Double, _ gradients: GradientSet) throws(ParallelError) {
        let flat = gradients.flat
        let isFinite = try kernels { () throws(KernelError) in try allFinite(flat.span, on: replica.context) }
        guard isFinite && loss.isFinite else { return refuse(piece) }
        let (batch, number, context) = (batch, number, replica.context)
        try kernels { () throws(KernelError) in
            try coordinator.changing { state throws(KernelError) in
                guard state.batch == batch, state.board?.finish(piece, by: number, at: coordinator.seconds) == true
                else { return }
                let space = try state.sums.space()
                space.flat.copy(from: flat)
                try state.sums.add(loss, space, of: piece, on: context)
            }
        }
    }

    /// The piece goes to somebody else.
    private func refuse(_ piece: Int) {
        coordinator.changing { state in
            guard state.batch == batch, state.board != nil else { return }
            state.events.append(.refused(worker: number, step: step))
            state.board?.refuse(piece, by: number)
        }
    }

    private func lose(_ piece: Int, _ event: WorkerEvent) {
        coordinator.changing { state in
            state.alive.remove(number)
            state.events.append(event)
            if state.batch == batch { state.board?.release(piece, by: number) }
        }
    }
}
