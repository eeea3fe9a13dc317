import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

extension IntegerGPT {
    /// Post-training quantization: the model reads sequences in floats, what flows through it is watched, and integers
    /// are made.
    ///
    /// - Parameters:
    ///   - model: a GPT-2, its weights in any form.
    ///   - sequences: what to calibrate on, such as ``Calibration/tokens``; some thousands of tokens do.
    ///   - observer: what chooses the range of each kind of bytes. Of the residual stream it is always the greatest
    ///     magnitude that counts: what is cut off there is lost to all later blocks.
    /// - Throws: `badSetting` where there are no tokens, or a model of another type; `contextTooLong` and
    ///   `vocabularyTooSmall` for sequences that the model cannot read; `kernel`, also for numbers that are not finite.
    public static func calibrated(
        _ model: Model, on sequences: Tokens, observer: any RangeObserver = MinMaxObserver(),
        context: Context = .default
    ) throws(TrainingError) -> IntegerGPT {
        let architecture = try Self.architecture(of: model)
        guard sequences.count > 0 else {
            throw .badSetting("there are no tokens to calibrate on: give at least one sequence")
        }
        try sequences.check(for: architecture)
        let watch = GPTWatch(architecture, observer)
        do throws(KernelError) {
            let pass = try ObservingPass(
                model, on: context,
                watch: { flow, x throws(KernelError) in try watch.note(flow, x) },
                see: { weight, x throws(KernelError) in try watch.note(inputsOf: weight, x) },
                afterBlock: { _ throws(KernelError) in true })
            try pass.run(sequences)
        } catch {
            throw .kernel(error)
        }
        let ranges: (blocks: [IntegerBlockRanges], headInput: AffineParameters, residual: ClosedRange<Float>)
        do throws(CalibrationError) {
            ranges = try watch.ranges(IntegerBlockSource.scheme.activationForm)
        } catch {
            throw .badSetting("\(error)")
        }
        return try IntegerGPT(
            model, ranges: ranges.blocks, headInput: ranges.headInput,
            greatestResidual: max(-ranges.residual.lowerBound, ranges.residual.upperBound), on: context)
    }
}

/// Watches what flows through a GPT.
private final class GPTWatch {
    private enum Place: Hashable {
        case inputs(of: Int)
        case query(Int), key(Int), value(Int)
    }

    private let architecture: GPT
    private let fresh: any RangeObserver
    private var observers: [Place: any RangeObserver] = [:]
    private var residual = MinMaxObserver()

    init(_ architecture: GPT, _ observer: any RangeObserver) { (self.architecture, fresh) = (architecture, observer) }

    func note(inputsOf weight: ParameterID, _ x: Tensor) throws(KernelError) {
        try observe(.inputs(of: weight.index), x.span)
    }

    func note(_ flow: ObservingPass.Flow, _ x: Tensor) throws(KernelError) {
        switch flow {
        case .residual:
            do throws(CalibrationError) {
                try residual.observe(x.span, of: "the residual stream")
            } catch {
                throw KernelError(.badArgument, "\(error)")
            }
        case .attention(let layer):
            for (third, place) in [Place.query(layer), .key(layer), .value(layer)].enumerated() {
                try observe(place, Self.columns(of: x, third).span)
            }
        }
    }

    /// A third of the columns, row by row.
    private static func columns(of x: Tensor, _ third: Int) -> [Float] {
        let (elements, width) = (x.span, x.columns / 3)
        var part: [Float] = []
        part.reserveCapacity(x.rows * width)
        for row in 0..<x.rows {
            let start = row * x.columns + third * width
            for i in start..<start + width { part.append(elements[i]) }
        }
        return part
    }

    private func observe(_ place: Place, _ values: Span<Float>) throws(KernelError) {
        var observer = observers[place] ?? fresh
        do throws(CalibrationError) {
            try observer.observe(values, of: name(place))
        } catch {
            throw KernelError(.badArgument, "\(error)")
        }
        observers[place] = observer
    }

    /// What is to stand for what was seen, and the ends of the residual stream.
    func ranges(
        _ form: AffineForm
    ) throws(CalibrationError) -> (
        blocks: [IntegerBlockRanges], headInput: AffineParameters, residual: ClosedRange<Float>
    ) {
        var blocks: [IntegerBlockRanges] = []
        for layer in 0..<architecture.layers {
            let places = architecture.places(of: layer)
            blocks.append(
                IntegerBlockRanges(
                    attentionInput: try parameters(.inputs(of: places.attention), form),
                    query: try parameters(.query(layer), form), key: try parameters(.key(layer), form),
                    value: try parameters(.value(layer), form),
                    attended: try parameters(.inputs(of: places.projection), form),
                    feedForwardInput: try parameters(.inputs(of: places.expansion), form),
                    activated: try parameters(.inputs(of: places.contraction), form)))
        }
        return (
            blocks, try parameters(.inputs(of: architecture.head.index), form),
            try residual.range(for: form, of: "the residual stream")
        )
    }

    private func parameters(_ place: Place, _ form: AffineForm) throws(CalibrationError) -> AffineParameters {
        try (observers[place] ?? fresh).parameters(form, of: name(place))
    }

    private func name(_ place: Place) -> String {
        switch place {
        case .inputs(let index): "inputs of '\(architecture.parameters[index].path)'"
        case .query(let layer): "queries of block \(layer)"
        case .key(let layer): "keys of block \(layer)"
        case .value(let layer): "values of block \(layer)"
        }
    }
}
