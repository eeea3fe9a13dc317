import AlambicKernels
import AlambicTensor
import Testing

@Suite struct StraightThroughTests {
    /// y = S (q - Z) forward; backward the gradient inside the range, 0 where it was cut off. By hand, through y = x W'.
    @Test func roundedForwardAndStraightBackward() throws {
        let affine = AffineScale(scale: 0.5, zeroPoint: 1, levels: 0...3)  // -0.5 ... 1
        let identity: [Float] = [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
        for replaces in [false, true] {
            let weight = Parameter(path: "w", kind: .matrix, value: try Tensor([5, 5], identity))
            let tape = try Tape([weight], on: .default)
            try tape.begin(seed: 0, gradients: .replace)
            // A variable that wants its gradient: the product of a constant with the identity.
            let x = try tape.linear(
                tape.constant(try Tensor([1, 5], [-0.7, -0.3, 0.25, 0.9, 1.2])), weight: ParameterID(index: 0),
                bias: nil)
            let y =
                replaces
                ? try tape.replaced(x, within: nil) { _, output, _ throws(KernelError) in
                    var span = output.mutableSpan
                    for i in 0..<5 { span[i] = Float(i) }
                } : try tape.fakeQuantized(x, affine)
            #expect(y.value.elements == (replaces ? [0, 1, 2, 3, 4] : [-0.5, -0.5, 0, 1, 1]))
            try tape.seed(try Tensor([1, 5], [1, 2, 3, 4, 5]), of: y)
            try tape.backward()
            // dW[i, k] = dx[i] · x[k] with x the constant.
            let gradient = tape.gradients[ParameterID(index: 0)].elements
            let column = (0..<5).map { gradient[$0 * 5 + 4] / 1.2 }
            let expected: [Float] = replaces ? [1, 2, 3, 4, 5] : [0, 2, 3, 4, 0]
            for (a, b) in zip(column, expected) { #expect(abs(a - b) < 1e-6) }
        }
    }
}
