import AlambicKernels
import AlambicOptimizers
import AlambicTensor
import Testing

/// Every optimizer makes the same steps on every width of vectors, to rounding.
@Suite struct EveryInstructionSet {
    @Test func makesTheSameSteps() throws {
        let shape: Shape = [37, 53]
        let start = AgainstDoublePrecision.values(shape.count, seed: 1)
        for name in Optimizers.names {
            func weights(_ isa: ISA, threads: Int) throws -> [Float] {
                let context = try Context(threads: threads, allowing: isa)
                let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor(shape, start))
                let state = try OptimizerState(Optimizers.named(name, rate: 0.01), for: [parameter])
                for step in 0..<3 {
                    let set = try GradientSet(for: [parameter])
                    let gradient = AgainstDoublePrecision.values(shape.count, seed: UInt64(30 + step))
                    set.tensors[0].copy(from: try Tensor(shape, gradient))
                    try state.step([parameter], gradients: set, on: context)
                }
                return parameter.value.elements
            }
            let portable = try weights(.portable, threads: 1)
            for isa in [ISA.avx2, .all] {
                let wide = try weights(isa, threads: 1)
                // Lion's and 8-bit AdamW's steps are discontinuous in the gradient: a rounding may flip one.
                let far = zip(portable, wide).count { abs($0 - $1) > 2e-5 }
                #expect(far <= (name == "lion" || name == "adamw8bit" ? 3 : 0), "\(name), \(isa): \(far) weights")
                #expect(try weights(isa, threads: 3) == wide, "\(name), \(isa), three threads")
            }
        }
    }
}
