import Alambic

/// How far a run had come after some work.
struct DeanCurve: Codable {
    /// Mini-batch gradients computed so far.
    var gradients: [Double] = []
    /// Seconds so far, on the cluster that was simulated.
    var seconds: [Double] = []
    /// Mean loss in nats of the images that the gauge takes from the training set.
    var training: [Double] = []
    /// The same of the test set.
    var test: [Double] = []
    /// Test errors in percent.
    var errors: [Double] = []
    /// How stale gradients were on average, where that means something.
    var staleness = 0.0
    /// What became of workers.
    var events: [String] = []

    /// The training loss after so many gradients.
    func training(after count: Double) -> Double { value(training, after: count) }
    /// The test loss after so many gradients.
    func test(after count: Double) -> Double { value(test, after: count) }

    /// Between measurements in proportion; the last one beyond them.
    private func value(_ values: [Double], after count: Double) -> Double {
        guard let next = gradients.firstIndex(where: { $0 >= count }) else { return values.last ?? .nan }
        guard next > 0 else { return values[0] }
        let share = (count - gradients[next - 1]) / (gradients[next] - gradients[next - 1])
        return values[next - 1] + share * (values[next] - values[next - 1])
    }

    /// When the training loss was first down at `loss`: gradients and seconds, between measurements in proportion. Nil if
    /// it never was.
    func reached(_ loss: Double) -> (gradients: Double, seconds: Double)? {
        guard let first = training.firstIndex(where: { $0 <= loss }) else { return nil }
        guard first > 0 else { return (gradients[0], seconds[0]) }
        let share = (training[first - 1] - loss) / (training[first - 1] - training[first])
        func between(_ values: [Double]) -> Double {
            values[first - 1] + share * (values[first] - values[first - 1])
        }
        return (between(gradients), between(seconds))
    }

    /// A run that went astray: no loss is as bad.
    mutating func diverge(at gradients: Double) {
        self.gradients.append(gradients)
        seconds.append(seconds.last ?? 0)
        training.append(.greatestFiniteMagnitude)
        test.append(.greatestFiniteMagnitude)
        errors.append(100)
    }
}

/// Measures runs: the same images each time.
final class DeanGauge {
    private let worker: ClassifierWorker
    private let training: LabelledImages
    private let test: LabelledImages

    init(_ classifier: Classifier, _ digits: Digits, on context: Context) throws {
        worker = try ClassifierWorker(classifier, parameters: try classifier.initialized(seed: 1), on: context)
        training = digits.train.slice(0..<min(10_000, digits.train.count))
        test = digits.test
    }

    /// Notes how good these weights are.
    func note(_ parameters: [Parameter], gradients: Double, seconds: Double, in curve: inout DeanCurve) throws {
        for (mine, new) in zip(worker.parameters, parameters) {
            mine.value.copy(from: new.value)
            mine.valueChanged()
        }
        let (training, test) = (try worker.evaluate(training), try worker.evaluate(test))
        guard training.loss.isFinite else { return curve.diverge(at: gradients) }
        curve.gradients.append(gradients)
        curve.seconds.append(seconds)
        curve.training.append(training.loss)
        curve.test.append(test.loss)
        curve.errors.append(100 * Double(test.errors) / Double(self.test.count))
    }
}
