import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import Foundation
import Synchronization
import Testing

@testable import AlambicModels

/// Says that bitmask is so many times as fast as dense, and counts how often it is asked.
private final class FakeMeasurer: FormMeasurer {
    let speedup: Double
    private let asked = Mutex(0)

    init(speedup: Double = 2) { self.speedup = speedup }

    var count: Int { asked.withLock { $0 } }

    func measure(_ weight: PackedWeight, turns: Int, on context: Context) throws(KernelError) -> FormTimes {
        asked.withLock { $0 += 1 }
        return FormTimes(rows: [1, 64], seconds: [.dense: [1e-3, 2e-3], .bitmask: [1e-3 / speedup, 2e-3 / speedup]])
    }
}

/// The record of a model's forms, and what is measured where there is none.
@Suite struct FormRecordTests {
    // Three of the four matrices of a block are large enough to be measured.
    private func model() throws -> Model {
        let dense = try randomModel(.gpt(layers: 2, width: 96, heads: 2, context: 6, vocabulary: 11))
        return try converted(dense) { .bitmask(try BitmaskTensor(try sparse($0))) }
    }

    private func record(_ model: Model, _ machine: FormMachine, form: PackedMatrix.Form = .bitmask) -> FormRecord {
        var (entries, times) = ([FormRecord.Entry](), [FormKey: FormTimes]())
        for (index, weight) in model.weights.enumerated() where model.isMultiplied(index) && weight.isSparse {
            let key = model.formKey(index)
            entries.append(FormRecord.Entry(path: model.architecture.parameters[index].path, key: key, form: form))
            times[key] = FormTimes(rows: [1, 8], seconds: [.dense: [0.1, 1 / 3], .bitmask: [1e-7, 0.3]])
        }
        return FormRecord(machine: machine, purpose: .both, entries: entries, times: times)
    }

    private func forms(
        _ model: Model, _ measurer: FakeMeasurer, cache: FormCache = FormCache(directory: nil)
    ) -> [PackedMatrix.Form] {
        model.packedForms(nil, cache: cache, measurer: measurer, on: .default)
    }

    @Test func roundTrip() throws {
        let scratch = try ScratchDirectory()
        let model = try model()
        let record = record(model, FormMachine(cpu: "A \"CPU\"", isa: "x+y", threads: 3))
        try model.recording(record).save(to: scratch.path("m"))
        let again = try Model(contentsOf: scratch.path("m"))
        #expect(again.forms == record && again.formsProblem == nil)
        #expect(try bits(again) == bits(model))
        let bytes = try Data(contentsOf: scratch.path("m/\(FormRecord.fileName)"))
        try again.save(to: scratch.path("m"))
        #expect(try Data(contentsOf: scratch.path("m/\(FormRecord.fileName)")) == bytes)
        // Another model in its place does not inherit it.
        try again.recording(nil).save(to: scratch.path("m"))
        #expect(try Model(contentsOf: scratch.path("m")).forms == nil)
        #expect(!FileManager.default.fileExists(atPath: scratch.path("m/\(FormRecord.fileName)").path))
    }

    @Test func theRecordOfThisMachineIsUsedAsItIs() throws {
        let model = try model()
        for form in [PackedMatrix.Form.dense, .bitmask] {
            let measurer = FakeMeasurer()
            let recorded = model.recording(record(model, FormMachine(.default), form: form))
            let forms = forms(recorded, measurer)
            for (index, weight) in model.weights.enumerated() {
                #expect(forms[index] == (weight.isSparse ? form : .dense))
            }
            #expect(measurer.count == 0)
        }
    }

    @Test func onAnotherMachineItIsMeasuredAgain() throws {
        let model = try model()
        let here = FormMachine(.default)
        for other in [
            FormMachine(cpu: "other", isa: here.isa, threads: here.threads),
            FormMachine(cpu: here.cpu, isa: "portable", threads: here.threads),
            FormMachine(cpu: here.cpu, isa: here.isa, threads: here.threads + 1),
            FormMachine(cpu: here.cpu, isa: here.isa, threads: here.threads, version: "0.0.1"),
        ] {
            let measurer = FakeMeasurer(speedup: 0.5)
            let forms = forms(model.recording(record(model, other)), measurer)
            #expect(forms.allSatisfy { $0 == .dense })
            // c_attn, c_fc and mlp.c_proj, once for both blocks.
            #expect(measurer.count == 3)
        }
    }

    @Test func whatWasMeasuredOnABusyMachineIsMeasuredAgain() throws {
        let model = try model()
        let good = record(model, FormMachine(.default))
        let times = good.times.mapValues { FormTimes(rows: $0.rows, seconds: $0.seconds, isSteady: false) }
        let busy = FormRecord(machine: good.machine, purpose: good.purpose, entries: good.entries, times: times)
        let scratch = try ScratchDirectory()
        try model.recording(busy).save(to: scratch.path("m"))
        let again = try Model(contentsOf: scratch.path("m"))
        #expect(again.forms == busy)
        let measurer = FakeMeasurer(speedup: 0.5)
        #expect(forms(again, measurer).allSatisfy { $0 == .dense })
        #expect(measurer.count == 3)
    }

    @Test func weightsThatChangedAreMeasuredAgain() throws {
        let model = try model()
        let record = record(model, FormMachine(.default))
        let int8 = try converted(model) { .bitmask(try BitmaskTensor(try QuantizedTensor($0, on: .default))) }
        let measurer = FakeMeasurer(speedup: 0.5)
        #expect(forms(int8.recording(record), measurer).allSatisfy { $0 == .dense })
        #expect(measurer.count == 3)
    }

    @Test func denseModelsAreNotMeasured() throws {
        let measurer = FakeMeasurer()
        let dense = try randomModel(.gpt(layers: 1, width: 96, heads: 2, context: 6, vocabulary: 11))
        #expect(forms(dense, measurer).allSatisfy { $0 == .dense })
        #expect(measurer.count == 0)
    }

    @Test func damageIsAProblemAndNoError() throws {
        let scratch = try ScratchDirectory()
        let model = try model()
        let directory = scratch.path("m")
        try model.recording(record(model, FormMachine(.default))).save(to: directory)
        let file = directory.appendingPathComponent(FormRecord.fileName)
        let good = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        for (name, text) in [
            ("empty", ""), ("no JSON", "{"), ("no object", "[]"), ("truncated", String(good.prefix(good.count / 2))),
            ("no such form", good.replacing("\"form\": \"bitmask\"", with: "\"form\": \"magic\"")),
            ("schema", good.replacing("\"schema\": 1", with: "\"schema\": 2")),
            ("purpose", good.replacing("\"both\"", with: "\"everything\"")),
            ("negative time", good.replacing("1e-07", with: "-1")),
            ("no times", good.replacing("\"dense\":", with: "\"x\":")),
            ("NaN", good.replacing("1e-07", with: "\"NaN\"")), ("type", good.replacing("\"f32\"", with: "\"f31\"")),
            ("another shape", good.replacing("288, 96", with: "289, 96")),
            ("another model", good.replacing("h.1.", with: "h.7.")),
            ("density", good.replacing("\"density_32nds\": 11", with: "\"density_32nds\": 33")),
        ] {
            #expect(text != good, "\(name): nothing was replaced")
            try Data(text.utf8).write(to: file)
            let damaged = try Model(contentsOf: directory)
            #expect(damaged.forms == nil, "\(name)")
            let line = damaged.formsProblem?.description ?? ""
            #expect(line.hasPrefix(file.path + ": ") && !line.contains("\n"), "\(name): \(line)")
            #expect(
                line.hasSuffix("; forms are measured again; `alambic compress` writes a new record"), "\(name): \(line)"
            )
            #expect(try bits(damaged) == bits(model), "\(name)")
        }
        try Data(good.replacing("288, 96", with: "289, 96").utf8).write(to: file)
        let line = try Model(contentsOf: directory).formsProblem?.description ?? ""
        #expect(
            line.contains("weight 'h.0.attn.c_attn.weight': expected shape [288, 96], found shape [289, 96]"), "\(line)"
        )
    }

    @Test func theCacheRemembers() throws {
        let scratch = try ScratchDirectory()
        let model = try model()
        let directory = scratch.path("cache/alambic")
        let first = FakeMeasurer()
        let chosen = forms(model, first, cache: FormCache(directory: directory))
        #expect(first.count == 3 && chosen.contains(.bitmask))
        // Another process.
        let second = FakeMeasurer(speedup: 0.5)
        #expect(forms(model, second, cache: FormCache(directory: directory)) == chosen)
        #expect(second.count == 0)
        let machine = FormMachine(.default)
        let known = FormCache(directory: directory).known(of: machine)
        #expect(known.count == 3)
        #expect(FormCache(directory: directory).known(of: FormMachine(cpu: "x", isa: "y", threads: 1)).isEmpty)
        // A second table joins the first.
        let key = FormKey(rows: 1, columns: 2, product: .bf16, density: 3, turns: 4)
        let times = FormTimes(rows: [1], seconds: [.dense: [0.25]])
        FormCache(directory: directory).store([key: times], of: machine)
        #expect(FormCache(directory: directory).known(of: machine) == known.merging([key: times]) { $1 })
        // A file that makes no sense counts as none.
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: directory.path).first)
        #expect(name.hasPrefix("forms-") && name.hasSuffix(".json"))
        for text in ["", "{}", "[1", "{\"schema\": 1, \"machine\": 3}"] {
            try Data(text.utf8).write(to: directory.appendingPathComponent(name))
            #expect(FormCache(directory: directory).known(of: machine).isEmpty)
        }
        let third = FakeMeasurer()
        #expect(forms(model, third, cache: FormCache(directory: directory)) == chosen && third.count == 3)
    }

    @Test func withoutFilesTheCacheRemembersInMemory() throws {
        let scratch = try ScratchDirectory()
        try Data("a file".utf8).write(to: scratch.path("file"))
        for directory in [nil, scratch.path("file/below")] {
            let (model, cache, measurer) = (try model(), FormCache(directory: directory), FakeMeasurer())
            let chosen = forms(model, measurer, cache: cache)
            #expect(forms(model, measurer, cache: cache) == chosen && measurer.count == 3)
        }
    }

    @Test func whereTheCacheIs() {
        func path(_ environment: [String: String]) -> String? { FormCache.userDirectory(environment)?.path }
        #expect(path(["XDG_CACHE_HOME": "/x", "HOME": "/h"]) == "/x/alambic")
        #expect(path(["HOME": "/h"]) == "/h/.cache/alambic")
        #expect(path(["XDG_CACHE_HOME": "relative", "HOME": "/h"]) == "/h/.cache/alambic")
        #expect(path([:]) == nil)
    }

    @Test func formsChangeNoLogit() throws {
        let model = try model()
        for model in [
            model, try converted(model) { .bitmask(try BitmaskTensor(try QuantizedTensor($0, on: .default))) },
        ] {
            func logits(_ policy: FormPolicy, threads: Int) throws -> [Float] {
                let inference = try model.makeInference(forms: policy, on: try Context(threads: threads))
                let tokens = Tokens(ids: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], batch: 2, length: 5)
                let hidden = try model.architecture.hidden(tokens, on: inference)
                return try inference.logits(hidden, rows: 0..<10, head: model.architecture.head).elements
            }
            let expected = try logits(.dense, threads: 1)
            let fake = FormPolicy.measured(FormChooser(measurer: FakeMeasurer()))
            for threads in 1...4 {
                for policy in [.dense, .stored, fake] {
                    #expect(try logits(policy, threads: threads).map(\.bitPattern) == expected.map(\.bitPattern))
                }
            }
        }
    }

    @Test func theBestDenseTypeIsNamed() throws {
        let key = FormKey(rows: 4, columns: 5, product: .f32, density: 3, turns: 2)
        let int8 = FormKey(rows: 4, columns: 5, product: .s8, density: 4, turns: 2)
        let other = FormKey(rows: 4, columns: 5, product: .bf16, density: 4, turns: 1)
        func times(_ seconds: Double) -> FormTimes { FormTimes(rows: [1, 8], seconds: [.dense: [seconds, 1]]) }
        let record = FormRecord(
            machine: FormMachine(.default), purpose: .decode, entries: [],
            times: [key: times(3), int8: times(2), other: times(1)])
        let best = try #require(record.bestDense(key, rows: 1))
        #expect(best.product == .s8 && best.seconds == 2)
        #expect(record.bestDense(key, rows: 64) == nil)
    }
}
