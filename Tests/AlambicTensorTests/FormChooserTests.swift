import AlambicKernels
import AlambicTestSupport
import Testing

@testable import AlambicTensor

/// What is measured, and what runs.
@Suite struct FormChooserTests {
    private let fast: [PackedMatrix.Form: [Double]] = [.bitmask: [3, 2, 1.1, 1]]

    private func weight(_ seed: UInt64, _ shape: Shape = [160, 128], density: Float = 0.25) throws -> PackedWeight {
        var random = SplitMix(seed: seed)
        let values = random.floats(shape.count)
        let kept = random.floats(shape.count)
        return .bitmask(
            try BitmaskTensor(
                try Tensor(shape, zip(values, kept).map { ($1 + 1) / 2 < density ? $0 + 2 : 0 })))
    }

    @Test func equalWeightsAreMeasuredOnce() throws {
        let measurer = FakeMeasurer(fast)
        let chooser = FormChooser(measurer: measurer)
        for seed in UInt64(1)...3 {
            let choice = try chooser.choice(for: try weight(seed), among: 1 << 20, on: .default)
            #expect(choice.form == .bitmask)
        }
        #expect(measurer.keys.count == 1)
        _ = try chooser.choice(for: try weight(1, density: 0.75), among: 1 << 20, on: .default)
        _ = try chooser.choice(for: try weight(1, [128, 160]), among: 1 << 20, on: .default)
        #expect(measurer.keys.count == 3 && chooser.measured.count == 3)
    }

    @Test func whatIsKnownIsNotMeasured() throws {
        let weight = try weight(1)
        let key = FormKey(weight, among: 1 << 20)
        let measurer = FakeMeasurer(fast)
        let chooser = FormChooser(known: [key: FakeMeasurer.times([.bitmask: [0.5, 1, 1, 1]])], measurer: measurer)
        #expect(try chooser.choice(for: weight, among: 1 << 20, on: .default).form == .dense)
        #expect(measurer.keys.isEmpty && chooser.measured.isEmpty && chooser.table.count == 1)
    }

    @Test func policies() throws {
        let (sparse, small) = (try weight(1), try weight(1, [16, 16]))
        func form(_ policy: FormPolicy, _ weight: PackedWeight) -> PackedMatrix.Form {
            policy.form(for: weight, among: 1 << 20, on: .default)
        }
        let measurer = FakeMeasurer(fast)
        let measured = FormPolicy.measured(FormChooser(measurer: measurer))
        #expect(
            form(.dense, sparse) == .dense && form(.stored, sparse) == .bitmask && form(measured, sparse) == .bitmask)
        #expect(form(.stored, small) == .bitmask && form(measured, small) == .dense)
        // Dense weights have no choice, and cost no time.
        let dense = try sparse.withZeros()
        for policy in [.dense, .stored, measured] { #expect(form(policy, dense) == .dense) }
        #expect(measurer.keys.count == 1)
    }

    @Test func aMeasurementThatFailsMeansDense() throws {
        let chooser = FormChooser(measurer: FakeMeasurer(throwing: KernelError(.noMemory, "none")))
        #expect(FormPolicy.measured(chooser).form(for: try weight(1), among: 1 << 20, on: .default) == .dense)
    }

    @Test(arguments: [PackedMatrix.Form.bitmask], [1, 2, 3, 4])
    func formsChangeNoBit(form: PackedMatrix.Form, threads: Int) throws {
        let context = try Context(threads: threads)
        var random = SplitMix(seed: 3)
        for shape: Shape in [[1, 1], [37, 29], [160, 128], [65, 300]] {
            let floats = try weight(5, shape)
            let integers = PackedWeight.bitmask(try BitmaskTensor(try QuantizedTensor(try floats.dense(), on: context)))
            for weight in [floats, integers] {
                for rows in [1, 3, 8, 33] {
                    let x = try Tensor([1, rows, shape.columns], random.floats(rows * shape.columns))
                    func run(_ form: PackedMatrix.Form) throws -> [Float] {
                        let runnable = try RunnableWeight(
                            weight, gathers: false, multiplies: true, form: form, on: context)
                        return try Inference([runnable], on: context)
                            .linear(x, weight: ParameterID(index: 0), bias: nil).elements
                    }
                    #expect(
                        firstDifference(try run(form), try run(.dense)) == nil, "\(weight.formName) \(shape) \(rows)")
                }
            }
        }
    }

    @Test func theTimerTimesEveryForm() throws {
        let context = try Context(threads: 2)
        let floats = try weight(6, [200, 96])
        for weight in [floats, .int8(try QuantizedTensor(try floats.dense(), on: context))] {
            for turns in [1, 8] {
                let times = try FormTimer().measure(weight, turns: turns, on: context)
                #expect(times.rows == FormTimer.rows && times.forms.contains(.bitmask))
                for form in times.forms {
                    #expect(times.seconds(form).allSatisfy { $0 > 0 && $0.isFinite }, "\(form)")
                }
            }
        }
    }

    @Test func firstRowsAreTheFirstRows() throws {
        let floats = try weight(8, [9, 13])
        let integers = PackedWeight.int8(try QuantizedTensor(try floats.dense(), on: .default))
        for weight in [floats, try floats.withZeros(), integers, try integers.withoutZeros()] {
            let first = try weight.firstRows(4)
            #expect(first.shape == [4, 13] && !first.isSparse)
            #expect(try first.dense().elements == Array(try weight.dense().elements.prefix(4 * 13)))
            #expect(try weight.firstRows(20).shape == [9, 13])
        }
    }
}
