import AlambicKernels
import AlambicModels
import AlambicTensor
import Synchronization
import Testing

@testable import AlambicQuantization

/// Dense f32 takes 1 ms, int8 a third of that, and bitmask as it is told.
private final class FakeMeasurer: FormMeasurer {
    let bitmask: [Double]

    /// - Parameter bitmask: times as fast as dense for M = 1 and 64.
    init(bitmask: [Double]) { self.bitmask = bitmask }

    func measure(_ weight: PackedWeight, turns: Int, on context: Context) throws(KernelError) -> FormTimes {
        let dense = weight.product == .f32 ? [1e-3, 2e-3] : [3e-4, 7e-4]
        return FormTimes(rows: [1, 64], seconds: [.dense: dense, .bitmask: zip(dense, bitmask).map { $0 / $1 }])
    }
}

private struct Stop: Error {}

/// Models in their fastest form, with times and losses that are made up.
@Suite struct CompressorTests {
    private func model(zeros: Bool) throws -> Model {
        let model = try Model(.gpt(layers: 3, width: 96, heads: 2, context: 6, vocabulary: 11), seed: 1)
        guard zeros else { return model }
        return model.replacing(
            weights: try zip(model.weights, model.architecture.parameters).map { weight, description in
                guard description.kind == .matrix else { return weight }
                var elements = try weight.dense().elements
                for place in elements.indices where place % 5 != 0 { elements[place] = 0 }
                return .f32(try Tensor(description.shape, elements))
            })
    }

    private func compressor(_ bitmask: [Double], for purpose: FormPurpose = .decode) -> Compressor {
        Compressor(
            FormChooser(for: purpose, measurer: FakeMeasurer(bitmask: bitmask)), schemes: [Int8Scheme.self],
            on: .default)
    }

    private func bits(_ model: Model) throws -> [[UInt32]] {
        // A zero that is left out has no sign.
        try model.weights.map { try $0.dense().elements.map { $0 == 0 ? 0 : $0.bitPattern } }
    }

    private func int8Count(_ model: Model) -> Int { model.weights.count { $0.product == .s8 } }

    @Test func zerosAreLeftOutWhereThatIsFaster() throws {
        let model = try model(zeros: true)
        let result = try compressor([2, 1.2]).compress(model)
        #expect(result.loss == nil && result.changed == 0)
        #expect(try bits(result.model) == bits(model))
        let record = try #require(result.model.forms)
        // c_attn, c_fc and mlp.c_proj of three blocks; attn.c_proj is small.
        #expect(record.entries.count == 9 && record.entries.allSatisfy { $0.form == .bitmask })
        for entry in record.entries {
            let index = try #require(model.architecture.parameters.firstIndex { $0.path == entry.path })
            #expect(result.model.weights[index].formName == "bitmask-f32")
            #expect(record.bestDense(entry.key, rows: 1)?.product == .s8)
        }
        #expect(result.model.weights.count { $0.isSparse } == 9)
    }

    @Test func nothingChangesWhereItIsSlower() throws {
        let model = try model(zeros: true)
        for (speedups, purpose) in [([0.9, 1.5], FormPurpose.decode), ([5, 0.8], .decode), ([1.5, 0.95], .prefill)] {
            let result = try compressor(speedups, for: purpose).compress(model)
            #expect(result.model.weights.allSatisfy { !$0.isSparse }, "\(speedups)")
            let record = try #require(result.model.forms)
            #expect(
                record.entries.allSatisfy { $0.form == .dense && record.rejections(of: $0).count == 1 }, "\(speedups)")
        }
    }

    @Test func aFullMatrixStaysDense() throws {
        let result = try compressor([2, 2]).compress(try model(zeros: false))
        #expect(result.model.weights.allSatisfy { !$0.isSparse })
        #expect(result.model.forms?.entries.allSatisfy { $0.form == .dense } == true)
    }

    @Test(arguments: [0, 1, 4, 8, 9, 20]) func typesChangeWithinTheBudget(allowed: Int) throws {
        var evaluations = 0
        let budget = QualityBudget(nats: Double(allowed) * 0.01 + 0.005) { model in
            evaluations += 1
            return 3 + 0.01 * Double(int8Count(model))
        }
        let result = try compressor([2, 1.2]).compress(try model(zeros: true), budget: budget)
        let expected = min(allowed, 9)
        #expect(result.changed == expected && int8Count(result.model) == expected)
        let loss = try #require(result.loss)
        #expect(loss.before == 3 && abs(loss.after - 3 - 0.01 * Double(expected)) < 1e-9)
        #expect(loss.after <= loss.before + budget.nats && evaluations <= 7)
        // What was sparse is sparse as integers, too.
        #expect(result.model.weights.count { $0.isSparse } == 9)
    }

    @Test func aLossThatIsNotANumberIsNoLoss() throws {
        let budget = QualityBudget(nats: 1) { int8Count($0) == 0 ? 3 : .nan }
        let result = try compressor([2, 1.2]).compress(try model(zeros: false), budget: budget)
        #expect(result.changed == 0 && int8Count(result.model) == 0 && result.loss?.after == 3)
    }

    @Test func itCanBeStopped() throws {
        let chooser = FormChooser(measurer: FakeMeasurer(bitmask: [2, 2]))
        let compressor = Compressor(chooser, on: .default) { _ in throw Stop() }
        #expect(throws: Stop.self) { try compressor.compress(try model(zeros: true)) }
    }
}
