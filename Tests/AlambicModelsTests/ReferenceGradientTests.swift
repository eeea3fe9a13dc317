import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicModels

/// The loss and every gradient against torch's in double precision, as `benchmarks/peers/reference_gradients.py` wrote
/// them: another implementation of the model, of each operation, and of differentiation.
@Suite struct ReferenceGradientTests {
    @Test func smallModel() throws {
        let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/gpt2-tiny")
        for isa in [ISA.portable, .avx2, .all] {
            try compare(fixture, on: Context(threads: 2, allowing: isa), "\(isa)")
        }
    }

    private static let whole = ProcessInfo.processInfo.environment["ALAMBIC_GRADIENTS"]

    @Test(.enabled(if: whole != nil, "needs ALAMBIC_GRADIENTS, which `make gradients-124m` sets"))
    func wholeModel() throws {
        try compare(URL(fileURLWithPath: try #require(Self.whole)), on: .default, "whole model")
    }

    private func compare(_ directory: URL, on context: Context, _ label: String) throws {
        let model = try Model(contentsOf: directory)
        let file = try SafeTensors(contentsOf: directory.appendingPathComponent("gradients.safetensors"))
        let ids: [Int32] = try file.array("ids")
        let targets: [Int32] = try file.array("targets", shape: try file.info("ids").shape)
        let batch = try file.info("ids").shape[0]
        let expectedLoss = try file.array("loss", of: Double.self)[0]
        #expect(targets.contains(-1))

        let parameters = try model.trainableParameters()
        let tape = try Tape(parameters, on: context)
        try tape.begin(seed: 0)
        let tokens = Tokens(ids: ids, batch: batch, length: ids.count / batch)
        let hidden = try model.architecture.hidden(tokens, on: tape)
        let loss = try tape.languageModelLoss(hidden: hidden, head: model.architecture.head, targets: targets)
        try tape.backward()

        // A gradient comes through a chain of eight operations for each layer and three more, forward and backward.
        // Each sums up to K terms, with rounding errors that behave as independent ones: √K 2^-24 of the result at most
        // (Higham and Mary, 2019), and those of the chain add up in the same way. The loss likewise, forward.
        let chain = Double(8 * model.architecture.layers + 3)
        let terms = Double(max(4 * model.architecture.width, ids.count))
        let tolerance = (2 * chain * terms).squareRoot() * 0x1p-24
        #expect(abs(loss - expectedLoss) <= tolerance * expectedLoss, "\(label): loss \(loss), torch's \(expectedLoss)")
        for (index, description) in model.architecture.parameters.enumerated() {
            let expected = try reference(description, in: file)
            let largest = expected.reduce(0) { max($0, abs($1)) }
            #expect(largest > 0, "\(description.path)")
            let gradient = tape.gradients.tensors[index].elements
            let excess = worstExcess(gradient, expected: expected) { _ in tolerance * largest }
            #expect(excess == nil, "\(label), \(description.path)")
        }
    }

    /// The file's gradient in the layout of our parameter.
    private func reference(_ description: ParameterDescription, in file: SafeTensors) throws -> [Double] {
        let values = try file.floats(description.path)
        guard description.storedTransposed else { return values.map(Double.init) }
        let (rows, columns) = (description.shape.rows, description.shape.columns)
        return (0..<values.count).map { Double(values[$0 % columns * rows + $0 / columns]) }
    }
}
