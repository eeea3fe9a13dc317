import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Testing

@Suite struct ConstraintsOfParameters {
    @Test func rowsAreScaledBackToTheLimit() throws {
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([2, 2], [3, 4, 0.3, 0.4]))
        try maxNorm(parameter, limit: 2.5)
        #expect(parameter.value.elements == [1.5, 2, 0.3, 0.4])
        // Every unit's own norm counts, not the matrix's.
        let tall = try Tensor([3, 1], [2, -2, 2])
        try maxNorm(tall, limit: 2)
        #expect(tall.elements == [2, -2, 2])
    }

    /// Packed forms follow at the next refresh.
    @Test func panelsFollow() throws {
        let context = try Context(threads: 1)
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([1, 2], [3, 4]))
        try parameter.makePanels(.bf16, .forward, on: context)
        try maxNorm(parameter, limit: 2.5, on: context)
        try parameter.refresh(on: context)
        let forward = try #require(parameter.panels?.forward)
        var y: [Float] = [0]
        let x: [Float] = [1, 1]
        try matmul(M: 1, x.span, forward, into: y.mutableSpan, epilogue: Epilogue(), on: context)
        #expect(y == [3.5])
    }

    /// Least squares with a penalty has its minimum where soft thresholding puts it: w = sign(t) · max(|t| - coefficient, 0).
    @Test func proximalStepsFindTheLasso() throws {
        let target: [Float] = [2, -0.3, 0.7, -1.5, 0.1]
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([1, 5], [1, 1, 1, 1, 1]))
        let state = try OptimizerState(.sgd(rate: 0.25), for: [parameter])
        let set = try GradientSet(for: [parameter])
        let context = try Context(threads: 1)
        for _ in 0..<200 {
            let gradient = zip(parameter.value.elements, target).map { $0 - $1 }
            set.tensors[0].copy(from: try Tensor([1, 5], gradient))
            try state.step([parameter], gradients: set, on: context)
            try softThreshold(parameter, rate: 0.25, coefficient: 0.5, on: context)
        }
        let expected: [Float] = [1.5, 0, 0.2, -1, 0]
        for (found, wanted) in zip(parameter.value.elements, expected) { #expect(abs(found - wanted) < 1e-5) }
        #expect(parameter.value.elements[1] == 0 && parameter.value.elements[4] == 0, "exactly zero")
    }
}
