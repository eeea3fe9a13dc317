import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Says nothing about gradients: what is zero in them, the products left at zero.
private final class Silent: WeightTransform {
    let digest = "silent"
    func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor { parameter.value }
    func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {}
}

@Suite struct SparseFormsTests {
    private static func existing(_ weights: [Float], _ keeps: [Bool], _ columns: Int) -> CompressedRows<Float> {
        var rows = CompressedRows<Float>(rowOffsets: [0], columns: [], values: [])
        for place in weights.indices {
            if keeps[place] {
                rows.columns.append(Int32(place % columns))
                rows.values.append(weights[place])
            }
            if place % columns == columns - 1 { rows.rowOffsets.append(Int64(rows.values.count)) }
        }
        return rows
    }

    @Test(
        "products that skip zeros have the gradients of the definition",
        arguments: [.forward, .inputGradient, .weightGradient, .all, [.forward, .inputGradient]] as [SparseProducts],
        [(1, 1, 1), (3, 5, 7), (34, 19, 33)])
    func gradients(products: SparseProducts, shape: (rows: Int, outputs: Int, inputs: Int)) throws {
        let (m, n, k) = shape
        for isa in instructionSets {
            for density in [0, 0.1, 1] {
                var random = SplitMix(seed: 5)
                let keeps = (0..<n * k).map { _ in Double.random(in: 0..<1, using: &random) < density }
                let weights = zip(random.floats(n * k), keeps).map { $1 ? $0 : 0 }
                try expectGradients(
                    "linear, \(products) sparse, density \(density)",
                    inputs: [([1, m, k], random.floats(m * k))],
                    parameters: [([n, k], weights), ([n], random.floats(n))], depth: max(k, m, n) + 2, seed: 1,
                    on: context(isa)
                ) { tape, x in
                    let parameter = tape.parameters[0]
                    parameter.transform = Silent()
                    parameter.sparse = try SparseForms(
                        Self.existing(weights, keeps, k), rows: n, columns: k, for: products, on: tape.context)
                    return try tape.linear(
                        x[0], weight: ParameterID(index: 0), bias: ParameterID(index: 1))
                } naive: { x, p in
                    // What does not exist has no gradient; a dense product has one there, which masks remove.
                    let existing = zip(p[0], keeps).map { $1 || !products.contains(.weightGradient) ? $0 : 0 }
                    return Naive.linear(x[0], existing, p[1], rows: m, inputs: k)
                }
            }
        }
    }

    @Test func valuesFollowTheParameterAndFormsItsTransform() throws {
        let context = try context(.all)
        var random = SplitMix(seed: 6)
        let (m, n, k) = (5, 20, 30)
        let keeps = (0..<n * k).map { _ in Bool.random(using: &random) }
        let weights = zip(random.floats(n * k), keeps).map { $1 ? $0 : 0 }
        let zeros = [Float](repeating: 0, count: n * k)
        let parameter = Parameter(path: "w", kind: .matrix, value: try Tensor([n, k], weights), transform: Silent())
        // Made of other values: the step's first refresh brings those of the parameter.
        parameter.sparse = try SparseForms(
            Self.existing(zeros, keeps, k), rows: n, columns: k, for: .all, on: context)
        let tape = try Tape([parameter], on: context)
        try tape.begin(seed: 1)
        let x = random.floats(m * k)
        let y = try tape.linear(
            tape.place(try Tensor([1, m, k], x)), weight: ParameterID(index: 0), bias: nil)
        let expected = Naive.linear(x.map(Double.init), weights.map(Double.init), nil, rows: m, inputs: k)
        expectClose(y.value.elements, expected, depth: k + 2, "refreshed")
        parameter.transform = nil
        #expect(parameter.sparse == nil)
    }

    @Test func namesOfProducts() {
        #expect("\(SparseProducts())" == "none")
        #expect("\(SparseProducts.all)" == "forward+input gradient+weight gradient")
        #expect("\(([.forward, .weightGradient] as SparseProducts))" == "forward+weight gradient")
    }
}
