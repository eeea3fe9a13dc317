import AlambicKernels
import Testing

@testable import AlambicTensor

/// Linear layers of f32 values on a tape whose products are in bf16. Small whole numbers are exact in it.
@Suite struct RoundedLinearTests {
    private let weight = ParameterID(index: 0)

    /// The derivative of gelu is not lost on the way back: at -1 it is about -0.083.
    @Test func afterGELU() throws {
        let z: [Float] = [-1, -1, 0.5, 2, 0, -3]
        let tape = try Tape(makeParameters([([2, 3], [1, 2, 3, 4, 5, 6])]), dtype: .bf16, on: .default)
        try tape.begin(seed: 1)
        let x = tape.place(try Tensor([2, 3], z))
        let y = try tape.linear(try tape.gelu(x), weight: weight, bias: nil)
        try tape.seed(try Tensor([2, 2], [1, -2, 3, 1]), of: y)
        try tape.backward()
        // (1 - 2·4, 2 - 2·5, 3 - 2·6) and (3·1 + 4, 3·2 + 5, 3·3 + 6)
        let carried: [Double] = [-7, -8, -9, 7, 11, 15]
        let gradient = try #require(tape.gradient(of: x)).elements
        for (i, at) in z.map(Double.init).enumerated() {
            let slope = (Naive.gelu([at + 1e-5])[0] - Naive.gelu([at - 1e-5])[0]) / 2e-5
            #expect(abs(Double(gradient[i]) - carried[i] * slope) < 1e-4, "gelu' of \(at)")
        }
    }

    /// What nobody trains has no gradient to make.
    @Test func frozenWeights() throws {
        let weights = try Tensor([2, 3], [1, 2, 3, 4, 5, 6])
        let frozen = Parameter(path: "w", kind: .matrix, frozen: .f32(weights))
        let tape = try Tape([frozen], dtype: .bf16, on: .default)
        try tape.begin(seed: 1)
        let x = tape.place(try Tensor([1, 3], [1, -1, 2]))
        let y = try tape.linear(x, weight: weight, bias: nil)
        #expect(y.value.elements == [5, 11])  // 1 - 2 + 6, 4 - 5 + 12
        try tape.seed(try Tensor([1, 2], [1, -2]), of: y)
        try tape.backward()
        let gradient = try #require(tape.gradient(of: x)).elements
        #expect(gradient == [-7, -8, -9])
    }
}
