import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// Runs operations on a tape, compares the result with a naive function in double precision, and the gradients of the
/// result's product with a random direction with central differences of the naive function.
///
/// `depth` is the length of the longest chain of float operations behind any number; each may add a relative error of
/// epsilon (2^-24 for one rounding, doubled for what the operands carry), of numbers as large as the largest.
func expectGradients(
    _ name: String, inputs: [(Shape, [Float])], parameters: [(Shape, [Float])] = [], depth: Int, seed: UInt64,
    on context: Context, sourceLocation: SourceLocation = #_sourceLocation,
    tape run: (Tape, [Variable]) throws -> Variable, naive: (_ inputs: [[Double]], _ parameters: [[Double]]) -> [Double]
) throws {
    let comment: Comment = "\(name) of \(inputs.map(\.0)) with \(parameters.map(\.0)), seed \(seed), \(context.isa)"
    let tape = try Tape(makeParameters(parameters), on: context)
    try tape.begin(seed: seed)
    let variables = try inputs.map { tape.place(try Tensor($0.0, $0.1)) }
    let result = try run(tape, variables)

    let inputValues = inputs.map { $0.1.map(Double.init) }
    let parameterValues = parameters.map { $0.1.map(Double.init) }
    let expected = naive(inputValues, parameterValues)
    expectClose(result.value.elements, expected, depth: depth, "\(comment): result", sourceLocation)

    var generator = SplitMix(seed: seed &+ 77)
    let direction = generator.floats(expected.count)
    func projected(_ values: [Double]) -> Double { zip(values, direction).reduce(0) { $0 + $1.0 * Double($1.1) } }
    try tape.seed(try Tensor(result.shape, direction), of: result)
    try tape.backward()

    for (i, variable) in variables.enumerated() {
        let differences = finiteDifferences(inputValues[i]) { moved in
            var all = inputValues
            all[i] = moved
            return projected(naive(all, parameterValues))
        }
        let gradient = try #require(tape.gradient(of: variable), comment, sourceLocation: sourceLocation)
        expectClose(gradient.elements, differences, depth: 2 * depth, "\(comment): input \(i)", sourceLocation)
    }
    for i in parameters.indices {
        let differences = finiteDifferences(parameterValues[i]) { moved in
            var all = parameterValues
            all[i] = moved
            return projected(naive(inputValues, all))
        }
        expectClose(
            tape.gradients.tensors[i].elements, differences, depth: 2 * depth, "\(comment): parameter \(i)",
            sourceLocation)
    }
}

func makeParameters(_ parameters: [(Shape, [Float])]) throws -> [Parameter] {
    try parameters.enumerated().map { i, parameter in
        Parameter(path: "p\(i)", kind: .matrix, value: try Tensor(parameter.0, parameter.1))
    }
}

func expectClose(
    _ actual: [Float], _ expected: [Double], depth: Int, _ comment: Comment,
    _ sourceLocation: SourceLocation = #_sourceLocation
) {
    let largest = expected.map(abs).max() ?? 0
    // 1e-8: what central differences of functions of this size are exact to, with room for larger ones.
    let tolerance = Double(depth) * 0x1p-22 * largest + 1e-8 * max(1, largest)
    let excess = worstExcess(actual, expected: expected) { _ in tolerance }
    #expect(excess == nil, comment, sourceLocation: sourceLocation)
}

/// One context for each width of vectors that this machine has, with two threads.
let instructionSets: [ISA] = [.portable, .avx2, .all]
func context(_ isa: ISA, threads: Int = 2) throws -> Context { try Context(threads: threads, allowing: isa) }
