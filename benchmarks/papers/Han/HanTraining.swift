import Alambic

/// Trains and prunes networks of one recipe from one seed.
struct HanTraining {
    let digits: Digits
    let recipe: HanRecipe
    let seed: UInt64
    let context: Context

    /// Momentum of 0.9, its rate falling to a hundredth in half a cosine.
    ///
    /// - Parameter phase: tells the random numbers of this training from those of others.
    func train(
        _ parameters: [Parameter], rate: Double, epochs: Int, penalty: HanPenalty, phase: UInt64
    ) throws {
        guard epochs > 0 else { return }
        let seed = seed << 16 + phase
        var batches = try ImageBatches(of: digits.train, rows: recipe.rows, seed: seed, on: context)
        let steps = epochs * batches.perEpoch
        var l2 = 0.0
        if case .l2(let coefficient) = penalty { l2 = coefficient }
        let trainer = try ClassifierTrainer(
            rescaled(parameters), parameters: parameters,
            optimizer: .momentum(rate: .cosine(peak: rate, over: steps, floor: rate / 100), 0.9, l2: l2), seed: seed,
            on: context)
        for index in 0..<steps {
            let (images, labels) = try batches.batch(index)
            let gradients = try trainer.worker.gradient(
                images: images, labels: labels, seed: seed, stream: UInt64(index)
            ).gradients
            if case .l1(let coefficient) = penalty {
                for (parameter, gradient) in zip(parameters, gradients.tensors) where parameter.kind == .matrix {
                    let weights = parameter.value
                    try addL1Gradient(
                        of: weights.span, coefficient: coefficient, to: gradient.mutableSpan, on: context)
                }
            }
            try trainer.update(with: gradients)
        }
    }

    /// The number of wrong answers on the test set.
    func errors(_ parameters: [Parameter]) throws -> Int {
        try ClassifierWorker(recipe.classifier, parameters: parameters, on: context).evaluate(digits.test).errors
    }

    /// Removes the weights of each layer below its threshold, the layer's quality parameter q times the deviation of its weights
    /// (section 4). All q are multiplied by what leaves `kept` of the network's weights. The masks stay on the parameters.
    ///
    /// - Returns: the layers' q.
    @discardableResult
    func prune(_ parameters: [Parameter], to kept: Double) throws -> [Double] {
        let matrices = parameters.filter { $0.kind == .matrix }
        let earlier = matrices.map { $0.transform as? Mask }
        var all: [Double] = []
        for (index, matrix) in matrices.enumerated() {
            let deviation = DeviationThreshold.deviation(of: matrix.value, after: earlier[index])
            let unit = recipe.quality[index] * max(deviation, .leastNormalMagnitude)
            all += matrix.value.elements.map { Double(abs($0)) / unit }
        }
        all.sort(by: >)
        // The largest of those that go; a rounded threshold may keep it.
        let scale = all[min(Int(Double(all.count) * kept), all.count - 1)]
        let quality = recipe.quality.map { $0 * scale }
        for (index, matrix) in matrices.enumerated() {
            let mask = try DeviationThreshold(quality: quality[index]).mask(of: matrix.value, after: earlier[index])
            try mask.apply(to: matrix.value, on: context)
            matrix.transform = mask
            matrix.valueChanged()
        }
        return quality
    }

    /// The classifier with each dropout rate rescaled for the layer behind it: D_r = D_o √(C_ir / C_io), with C the
    /// connections of that layer before and after pruning (section 3.2).
    private func rescaled(_ parameters: [Parameter]) -> Classifier {
        let left = HanWeights.kept(parameters), matrices = parameters.filter { $0.kind == .matrix }
        var rates: [Double] = []
        var next = 0
        for layer in recipe.classifier.layers {
            if case .dropout(let rate) = layer {
                rates.append(DropoutRescaling.rate(rate, connections: left[next], of: matrices[next].shape.count))
            }
            if layer.hasWeights { next += 1 }
        }
        return recipe.classifier.withDropout(rates)
    }
}
