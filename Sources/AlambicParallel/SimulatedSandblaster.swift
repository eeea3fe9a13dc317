import AlambicKernels
import AlambicTensor
import AlambicTraining

/// Sandblaster's batch gradient on a simulated cluster: the pieces are computed here one after another and summed over the
/// tree of ``ThreadedSandblaster``, which gives its bits, while a ``PieceSchedule`` tells how long the cluster would take.
public final class SimulatedSandblaster: BatchGradient {
    private let replica: any GradientReplica
    private let pieces: Int
    private var sums: PieceSums
    private var result: GradientSet?
    /// The cluster's clock.
    public private(set) var schedule: PieceSchedule

    /// A replica that computes all `pieces`, the schedule's.
    public init(replica: any GradientReplica, pieces: Int, schedule: PieceSchedule) {
        precondition(schedule.pieces == pieces, "\(pieces) pieces with a schedule of \(schedule.pieces)")
        self.replica = replica
        self.pieces = pieces
        self.schedule = schedule
        sums = PieceSums(pieces: pieces, of: replica.parameters)
    }

    /// Loss and gradient of the whole batch.
    public func evaluate(at weights: [Parameter]) throws(ParallelError) -> (loss: Double, gradients: GradientSet) {
        if let result { sums.release(result) }
        result = nil
        _ = try schedule.run()
        replica.copyWeights(from: weights)
        for piece in 0..<pieces {
            let (loss, gradients) = try training { () throws(TrainingError) in
                try replica.gradient(ofBatch: piece)
            }
            try kernels { () throws(KernelError) in
                let space = try sums.space()
                space.flat.copy(from: gradients.flat)
                try sums.add(loss, space, of: piece, on: replica.context)
            }
        }
        guard let whole = sums.take() else { preconditionFailure("a sum of no pieces") }
        result = whole.gradients
        return whole
    }
}
