import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Testing

/// Gradients whose squares are near the smallest numbers, without an epsilon that hides them.
@Suite struct SmallGradientTests {
    // More weights than a vector has, and some that do not fill one.
    private func all(_ value: Float) -> [Float] { [Float](repeating: value, count: 37) }
    private func all(_ value: Double) -> [Double] { [Double](repeating: value, count: 37) }

    @Test func secondMomentsStayAsLongAsFirstOnes() throws {
        // v = 0.001 · 1e-36 is denormal, m is not. m̂ = g, then 0.09/0.19 g; v̂ = g², then 0.000999/0.001999 g².
        let result = try run(.adam(rate: 0.1, epsilon: 0), weights: all(Float(1)), gradients: [all(1e-18), all(0)])
        let second = 0.09 / 0.19 / (0.000999 / 0.001999).squareRoot()
        expectClose(result.weights, all(1 - 0.1 * (1 + second)), "adam")
    }

    @Test func nothingIsDividedByNothing() throws {
        // v is halved at every step and is gone long before m.
        let once = [all(Float(1e-3))] + [[Float]](repeating: all(0), count: 200)
        let rules: [any Optimizer] = [
            .adam(rate: 0.1, beta2: 0.5, epsilon: 0), .adamW(rate: 0.1, beta2: 0.5, epsilon: 0),
            .adaMax(rate: 0.1, beta2: 0.5),
        ]
        for rule in rules {
            let result = try run(rule, weights: all(Float(1)), gradients: once)
            #expect(result.weights.allSatisfy { $0.isFinite }, "\(rule)")
            #expect(result.state.named[1].tensor.elements.allSatisfy { $0 == 0 }, "\(rule)")
        }
        let withoutGradients: [any Optimizer] = [
            .adam(rate: 0.1, epsilon: 0), .adamW8bit(rate: 0.1, epsilon: 0, weightDecay: 0),
        ]
        for rule in withoutGradients {
            let still = try run(rule, weights: all(Float(1)), gradients: [all(0)])
            #expect(still.weights == all(Float(1)), "\(rule): a weight without gradients")
        }
    }

    @Test func sumsOfSquaresAreNotForgotten() throws {
        // a = g², 3.6e-39, is denormal. Steps of g/g, 0 and g/√2g.
        let gradients: [[Float]] = [all(6e-20), all(0), all(6e-20)]
        let result = try run(.adagrad(rate: 0.1, epsilon: 1e-30), weights: all(Float(1)), gradients: gradients)
        expectClose(result.weights, all(1 - 0.1 * (1 + 1 / 2.0.squareRoot())), "adagrad")
    }

    @Test func meansOfSquaresAreNotForgotten() throws {
        // v = g²/4, then (3/16 + 1/4) g²: steps of 2 and 4/√7.
        let result = try run(
            .rmsProp(rate: 0.1, decay: 0.75, epsilon: 1e-30), weights: all(Float(1)),
            gradients: [all(6e-20), all(6e-20)])
        expectClose(result.weights, all(1 - 0.1 * (2 + 4 / 7.0.squareRoot())), "rmsprop")
    }
}
