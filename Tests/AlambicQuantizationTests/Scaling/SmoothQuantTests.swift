import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Testing

@testable import AlambicQuantization

@Suite struct SmoothQuantTests {
    /// Equation 4 by hand: the paper's own example of figure 5 has √(16 / 1) = 4.
    @Test func scalesByHand() {
        let half = SmoothQuant.scales(activations: [2, 16, 2, 0, 3], weights: [2, 1, 0, 1, 1], strength: 0.5)
        #expect(half == [1, 4, 1, 1, Float(3.0.squareRoot())])
        #expect(SmoothQuant.scales(activations: [2, 16], weights: [2, 1], strength: 1) == [2, 16])
        #expect(SmoothQuant.scales(activations: [2, 16], weights: [2, 4], strength: 0) == [0.5, 0.25])
        #expect(SmoothQuant.scales(activations: [81], weights: [1], strength: 0.75) == [27])
        #expect(SmoothQuant.scales(activations: [1e-30], weights: [1], strength: 1) == [1e-5])
    }

    /// What the factors are computed from is what the layers are given, and what they become is their geometric mean.
    @Test func activationsAndWeightsMeetInTheMiddle() throws {
        let model = try OutlierModel.make()
        let smooth = try SmoothQuant(on: OutlierModel.calibration()).smoothed(model)
        let seen = try Self.greatestInputs(smooth)
        for place in model.architecture.inputScalings {
            guard case .norm = place.source else { continue }
            let index = place.consumers[0].index
            let (weight, inputs) = (try smooth.weights[index].dense().elements, try #require(seen[index]))
            for k in inputs.indices {
                let greatest = stride(from: k, to: weight.count, by: inputs.count).map { abs(weight[$0]) }.max() ?? 0
                // max |X_j| / s = max |W_j| s, but for rounding on the way through the blocks before.
                #expect(abs(inputs[k] - greatest) < 1e-4 * greatest, "\(place), input \(k)")
            }
        }
        // Projections behind attention and GELU are as they were.
        for (index, description) in model.architecture.parameters.enumerated()
        where description.path.hasSuffix("c_proj.weight") {
            #expect(try smooth.weights[index].dense().elements == model.weights[index].dense().elements)
        }
    }

    private static func greatestInputs(_ model: Model) throws -> [Int: [Float]] {
        var seen: [Int: [Float]] = [:]
        try ScalingPlan.read(OutlierModel.calibration(), by: model, nil, on: .default) {
            weight, x throws(KernelError) in
            let elements = x.elements
            var greatest = seen[weight.index] ?? [Float](repeating: 0, count: x.columns)
            for (i, element) in elements.enumerated() {
                greatest[i % x.columns] = max(greatest[i % x.columns], abs(element))
            }
            seen[weight.index] = greatest
        } afterBlock: { _ throws(KernelError) in
        }
        return seen
    }

    @Test func outliersCostLess() throws {
        let model = try OutlierModel.make()
        let exact = try OutlierModel.logits(model)
        let method = SmoothQuant(on: try OutlierModel.calibration())
        // In f32 nothing happens but rounding.
        let scale = exact.reduce(0) { $0 + Double($1) * Double($1) }
        let smooth = OutlierModel.squaredError(exact, try OutlierModel.logits(try method.smoothed(model)))
        #expect(smooth < 1e-9 * scale)
        let (plain, better) = (
            OutlierModel.squaredError(exact, try OutlierModel.logits(try model.quantized(.int8()))),
            OutlierModel.squaredError(exact, try OutlierModel.logits(try model.quantized(.int8(), method: method)))
        )
        #expect(better < 0.5 * plain, "\(plain) → \(better) of \(scale)")
    }

    @Test func exceptionsAreNotScaled() throws {
        let model = try OutlierModel.make()
        let quantized = try model.quantized(
            .int8(), method: SmoothQuant(on: OutlierModel.calibration()), except: ["c_attn"])
        for (index, description) in model.architecture.parameters.enumerated()
        where description.path.contains("ln_1") || description.path.contains("c_attn") {
            let (before, after) = (try model.weights[index].dense(), try quantized.weights[index].dense())
            #expect(before.elements == after.elements, "\(description.path)")
        }
    }

    @Test func itCanBeInterrupted() throws {
        let cancellation = Cancellation()
        let method = SmoothQuant(on: try OutlierModel.calibration(), cancellation: cancellation) { _, _ in
            cancellation.cancel()
        }
        let model = try OutlierModel.make()
        let error = #expect(throws: TrainingError.self) { try model.quantized(.int8(), method: method) }
        #expect("\(try #require(error))" == "quantization interrupted after 1 of 2 blocks")
    }
}
