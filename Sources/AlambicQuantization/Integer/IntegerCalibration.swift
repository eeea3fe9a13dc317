import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

extension IntegerNetwork {
    /// Post-training quantization: runs images through the classifier in floats, watches what goes into its layers with
    /// weights, and makes integers.
    ///
    /// - Parameters:
    ///   - images: what to calibrate on, [count, pixels]; a few hundred examples do.
    ///   - observer: what chooses a range of the values that go into a layer.
    ///   - batch: how many images go together, which matters to observers of batches.
    /// - Throws: `badSetting` where there are no images, or a value is not finite; `kernel`.
    public static func calibrated(
        _ classifier: Classifier, parameters: [Parameter], on images: Tensor,
        observer: any RangeObserver = MinMaxObserver(), batch: Int = 100, scheme: IntegerScheme = IntegerScheme(),
        context: Context = .default
    ) throws(TrainingError) -> IntegerNetwork {
        let watch = try ActivationWatch(classifier, observer)
        let worker = try ClassifierWorker(classifier, parameters: parameters, on: context)
        worker.observing = { layer, value, _ throws(KernelError) in
            watch.note(layer, value)
            return value
        }
        for first in stride(from: 0, to: images.rows, by: batch) {
            _ = try worker.logits(of: images.rows(first..<min(first + batch, images.rows)))
            try watch.observe()
        }
        let activations = try watch.parameters(scheme.activationForm)
        do throws(KernelError) {
            return try IntegerNetwork(
                classifier, parameters: parameters, activations: activations, scheme: scheme, on: context)
        } catch {
            throw .kernel(error)
        }
    }

    /// The number of wrong answers.
    public func errors(on examples: LabelledImages, context: Context = .default) throws(TrainingError) -> Int {
        do throws(KernelError) {
            return try errors(of: examples.images, labels: examples.labels, on: context)
        } catch {
            throw .kernel(error)
        }
    }
}

/// Watches what goes into the layers of a classifier that have weights.
final class ActivationWatch {
    /// Numbers of these layers.
    let layers: [Int]
    private(set) var observers: [any RangeObserver]
    /// What went in last, to be looked at once the pass has run.
    private var pending: [Tensor?]

    init(_ classifier: Classifier, _ observer: any RangeObserver) throws(TrainingError) {
        layers = classifier.layers.indices.filter { classifier.layers[$0].hasWeights }
        observers = layers.map { _ in observer }
        pending = layers.map { _ in nil }
    }

    /// Which of the layers with weights this is.
    func place(of layer: Int) -> Int? { layers.firstIndex(of: layer) }

    /// Notes what goes into a layer of a pass that may not have run yet.
    func note(_ layer: Int, _ value: Variable) {
        guard let place = place(of: layer) else { return }
        pending[place] = value.value
    }

    /// Looks at what was noted, of a pass that has run.
    func observe() throws(TrainingError) {
        for place in layers.indices {
            guard let values = pending[place] else { continue }
            pending[place] = nil
            do throws(CalibrationError) {
                try observers[place].observe(values.span, of: name(place))
            } catch {
                throw .badSetting("\(error)")
            }
        }
    }

    /// What is to stand for what was seen.
    func parameters(_ form: AffineForm) throws(TrainingError) -> [AffineParameters] {
        var all: [AffineParameters] = []
        for place in layers.indices {
            do throws(CalibrationError) {
                all.append(try observers[place].parameters(form, of: name(place)))
            } catch {
                throw .badSetting("\(error)")
            }
        }
        return all
    }

    private func name(_ place: Int) -> String { "inputs of layer \(layers[place])" }
}
