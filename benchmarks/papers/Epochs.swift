import Alambic

/// Training for a number of epochs: what most papers do many times.
struct Epochs {
    /// How many.
    var count: Int
    /// Images in a batch.
    var rows = 128
    /// How many pixels images move at most.
    var jitter = 0

    /// Updates in all.
    func steps(_ data: LabelledImages) -> Int { count * (data.count / rows) }

    /// Trains, and tells `each` of every epoch's mean loss.
    ///
    /// - Parameter loss: makes the loss of a batch from the numbers of its images.
    func train(
        _ trainer: ClassifierTrainer, on data: LabelledImages, seed: UInt64,
        loss: (([Int32]) throws -> any ClassificationLoss)? = nil, each: (Int, Double) throws -> Void = { _, _ in }
    ) throws {
        var batches = try ImageBatches(of: data, rows: rows, jitter: jitter, seed: seed, on: trainer.context)
        for epoch in 0..<count {
            var sum = 0.0
            for index in epoch * batches.perEpoch..<(epoch + 1) * batches.perEpoch {
                let (images, labels) = try batches.batch(index)
                sum += try trainer.step(
                    images: images, labels: labels, loss: try loss?(batches.chosen) ?? HardTargets())
            }
            try each(epoch, sum / Double(batches.perEpoch))
        }
    }
}
