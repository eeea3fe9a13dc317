extension Trainer {
    /// Trains until `steps` steps are done, from the batch that comes next.
    ///
    /// - Parameters:
    ///   - batches: the data, from its beginning; the run starts at ``nextBatch``.
    ///   - steps: the number of steps to be done in all, those of earlier runs included.
    ///   - checkpoints: where to save when the run is cancelled; add it to ``afterStep`` too for regular checkpoints.
    ///   - cancellation: looked at between steps. The current task's is looked at in any case.
    ///   - progress: called after every step.
    /// - Throws: `TrainingError.cancelled`, with the checkpoint that was written, or what a step threw.
    public func run(
        _ batches: Batches, until steps: Int, saving checkpoints: Checkpoints? = nil,
        cancellation: Cancellation? = nil, progress: (StepReport) -> Void = { _ in }
    ) throws(TrainingError) {
        if step < steps { try checkFits(rows: batches.source.rows, context: batches.source.context) }
        let loader = BatchLoader(batches)
        while step < steps {
            if (cancellation?.isCancelled ?? false) || Task.isCancelled {
                throw .cancelled(step: step, checkpoint: try checkpoints?.save(self))
            }
            progress(try step(loader.batch(nextBatch, last: step + 1 >= steps)))
        }
    }
}
