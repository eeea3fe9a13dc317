import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Foundation
import Testing

/// Drives one parameter of a few weights through some steps with known gradients.
func run(
    _ optimizer: some Optimizer, weights: [Float], gradients: [[Float]], kind: ParameterKind = .matrix,
    scale: Double = 1, threads: Int = 1
) throws -> (weights: [Float], state: OptimizerState) {
    let context = try Context(threads: threads)
    let parameter = Parameter(path: "w", kind: kind, value: try Tensor([1, weights.count], weights))
    let state = try OptimizerState(optimizer, for: [parameter])
    for gradient in gradients {
        let set = try GradientSet(for: [parameter])
        set.tensors[0].copy(from: try Tensor([1, gradient.count], gradient))
        try state.step([parameter], gradients: set, gradientScale: scale, on: context)
    }
    return (parameter.value.elements, state)
}

func expectClose(_ found: [Float], _ expected: [Double], _ what: String) {
    for (index, (a, b)) in zip(found, expected).enumerated() {
        // A handful of roundings of the weight and of the update.
        let tolerance = 8 * Double(Float.ulpOfOne) * max(abs(b), 1e-3)
        #expect(abs(Double(a) - b) <= tolerance, "\(what), weight \(index): \(a) instead of \(b)")
    }
    #expect(found.count == expected.count)
}
