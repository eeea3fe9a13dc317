import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTestSupport
import AlambicTokenizers
import Foundation
import Testing

@testable import AlambicModels

/// Models on disk: round trips, other programs' files, damage.
@Suite struct StorageTests {
    @Test func roundTrips() throws {
        let scratch = try ScratchDirectory()
        for (name, model) in try allForms(randomModel()) + allForms(randomModel(wide)) {
            let directory = scratch.path(name)
            try model.save(to: directory)
            let again = try Model(contentsOf: directory)
            #expect(try bits(again) == bits(model), "\(name)")
            #expect(again.weights.map(\.formName) == model.weights.map(\.formName))
            #expect(again.digest == model.digest)
            #expect(again.nonzeroCount == model.nonzeroCount && again.byteCount == model.byteCount)
            let file = try SafeTensors(modelDirectory: directory)
            #expect(file.byteCount == model.byteCount, "\(name)")
            let config = try ModelConfiguration(modelDirectory: directory)
            let isFloats = ["f32", "bf16", "f16"].contains(name)
            #expect((try config.compression != nil) == !isFloats)
            #expect((try config.compression?.sparsity != nil) == name.hasPrefix("bitmask"))
            #expect((try config.compression?.format == "int-quantized") == name.hasSuffix("int8"))
            #expect((try config.compression?.format == "pack-quantized") == name.hasSuffix("int4"))
            // Saved again over itself, with the same bytes.
            let before = try Data(contentsOf: directory.appendingPathComponent("model.safetensors"))
            try again.save(to: directory.path)
            #expect(try Data(contentsOf: directory.appendingPathComponent("model.safetensors")) == before)
        }
    }

    @Test func matricesAreStoredAsHuggingFaceHasThem() throws {
        let scratch = try ScratchDirectory()
        let model = try randomModel()
        try model.save(to: scratch.path("m"))
        let file = try SafeTensors(modelDirectory: scratch.path("m"))
        let stored = try file.floats("h.0.attn.c_attn.weight", shape: [8, 24])
        let held = try model.weights[4].dense().elements
        for output in 0..<24 {
            for input in 0..<8 { #expect(stored[input * 24 + output] == held[output * 8 + input]) }
        }
        #expect(try file.floats("wte.weight", shape: [11, 8]) == model.weights[0].dense().elements)
        let tokenizer = try Model(contentsOf: scratch.path("m")).tokenizer
        #expect(tokenizer == nil)
        let bytes = try Model(.gpt(layers: 1, width: 8, heads: 1, context: 4), seed: 1)
        try bytes.save(to: scratch.path("bytes"))
        #expect(try Model(contentsOf: scratch.path("bytes")).tokenizer is ByteTokenizer)
    }

    /// The tensors of a saved model, to be written again with changes.
    private func entries(of directory: URL) throws -> [SafeTensors.Entry] {
        let file = try SafeTensors(modelDirectory: directory)
        return try file.names.map { name in
            let info = try file.info(name)
            let bytes = try file.withBytes(of: name) { [UInt8]($0) }
            return SafeTensors.Entry(name, info.dtype, shape: info.shape) { sink in
                try bytes.withUnsafeBytes { try sink($0) }
            }
        }
    }

    private func write(_ entries: [SafeTensors.Entry], to directory: URL) throws {
        try SafeTensors.write(entries, to: directory.appendingPathComponent("model.safetensors"))
    }

    @Test func otherProgramsFilesLoad() throws {
        let scratch = try ScratchDirectory()
        let model = try randomModel()
        let directory = scratch.path("m")
        try model.save(to: directory)
        // With the prefix that transformers adds, the causal masks and a copy of the head.
        let file = try SafeTensors(modelDirectory: directory)
        var all: [SafeTensors.Entry] = try file.names.map { name in
            SafeTensors.Entry("transformer." + name, shape: try file.info(name).shape, try file.floats(name))
        }
        all.append(SafeTensors.Entry("lm_head.weight", shape: [11, 8], [Float](repeating: 0, count: 88)))
        for layer in 0..<2 {
            all.append(
                SafeTensors.Entry(
                    "transformer.h.\(layer).attn.bias", shape: [1, 1, 6, 6], [Float](repeating: 1, count: 36)))
            all.append(SafeTensors.Entry("transformer.h.\(layer).attn.masked_bias", shape: [], [Float(-1e4)]))
        }
        try write(all, to: directory)
        #expect(try bits(Model(contentsOf: directory)) == bits(model))
        // Upper halves of floats.
        try write(
            file.names.map { name in
                let halves = try file.floats(name).map { UInt16($0.bitPattern >> 16) }
                return SafeTensors.Entry(name, .bf16, shape: try file.info(name).shape) { sink in
                    try halves.withUnsafeBytes { try sink($0) }
                }
            }, to: directory)
        let halved = try bits(model).map { $0.map { $0 & 0xffff_0000 } }
        let loaded = try Model(contentsOf: directory)
        #expect(try bits(loaded) == halved)
        // They stay halves, and are written as they were read.
        #expect(loaded.weights.allSatisfy { $0.formName == "bf16" })
        let before = try SafeTensors(modelDirectory: directory)
        try loaded.save(to: scratch.path("again"))
        let after = try SafeTensors(modelDirectory: scratch.path("again"))
        #expect(before.names.sorted() == after.names.sorted())
        for name in before.names {
            #expect(try after.info(name).dtype == .bf16 && after.info(name).shape == before.info(name).shape)
            #expect(try after.withBytes(of: name) { [UInt8]($0) } == before.withBytes(of: name) { [UInt8]($0) })
        }
    }

    @Test func untiedHeads() throws {
        let scratch = try ScratchDirectory()
        var configuration = tiny
        configuration.object["tie_word_embeddings"] = .bool(false)
        let model = try randomModel(configuration)
        #expect(model.architecture.parameters.last?.path == "lm_head.weight")
        try model.save(to: scratch.path("m"))
        let again = try Model(contentsOf: scratch.path("m"))
        #expect(try bits(again) == bits(model))
        #expect(try again.loss(on: [1, 2, 3]) == model.loss(on: [1, 2, 3]))
    }

    private func expectRefusal(
        _ directory: URL, _ kind: FileError.Kind?, tensor: String? = nil, _ texts: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(sourceLocation: sourceLocation) {
            try Model(contentsOf: directory)
        } throws: { error in
            guard let error = error as? FileError else { return false }
            let line = error.description
            return (kind == nil || error.kind == kind) && (tensor == nil || error.tensor == tensor)
                && !line.contains("\n")
                && texts.allSatisfy { line.contains($0) } && line.contains(directory.lastPathComponent)
        }
    }

    @Test func damageIsRefused() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.path("m")
        try randomModel().save(to: directory)
        let all = try entries(of: directory)
        func replaced(_ name: String, by entry: SafeTensors.Entry?) throws {
            try write(all.filter { $0.name != name } + (entry.map { [$0] } ?? []), to: directory)
        }

        try replaced("ln_f.bias", by: nil)
        expectRefusal(directory, .mismatched, tensor: "ln_f.bias", "missing", "[8]")
        try replaced("h.1.attn.c_proj.weight", by: nil)
        expectRefusal(directory, .mismatched, tensor: "h.1.attn.c_proj.weight", "missing")
        try replaced("", by: SafeTensors.Entry("h.2.ln_1.bias", shape: [8], [Float](repeating: 0, count: 8)))
        expectRefusal(directory, .mismatched, tensor: "h.2.ln_1.bias", "no such tensor")
        try replaced(
            "wte.weight", by: SafeTensors.Entry("wte.weight", shape: [8, 11], [Float](repeating: 0, count: 88)))
        expectRefusal(directory, .mismatched, tensor: "wte.weight", "shape", "[11, 8]", "[8, 11]")
        try replaced(
            "wte.weight", by: SafeTensors.Entry("wte.weight", shape: [11, 8], [Int32](repeating: 0, count: 88)))
        expectRefusal(directory, .mismatched, tensor: "wte.weight", "I32")
        try replaced(
            "wte.weight", by: SafeTensors.Entry("wte.weight", shape: [11, 8], [UInt32](repeating: 0, count: 88)))
        expectRefusal(directory, .mismatched, tensor: "wte.weight", "U32")
        var values = [Float](repeating: 0, count: 88)
        values[17] = .nan
        try replaced("wte.weight", by: SafeTensors.Entry("wte.weight", shape: [11, 8], values))
        expectRefusal(directory, .malformed, tensor: "wte.weight", "element 17 is nan")
        for (format, infinity) in [(SafeTensors.DType.bf16, UInt16(0x7f80)), (.f16, 0x7c00)] {
            var halves = [UInt16](repeating: 0, count: 8 * 24)
            halves[24] = infinity
            let bytes = halves
            // The first weight of the second input is that of the first output.
            try replaced(
                "h.0.attn.c_attn.weight",
                by: SafeTensors.Entry("h.0.attn.c_attn.weight", format, shape: [8, 24]) { sink in
                    try bytes.withUnsafeBytes { try sink($0) }
                })
            expectRefusal(directory, .malformed, tensor: "h.0.attn.c_attn.weight", "element 1 is inf")
        }
        values[17] = .infinity
        try replaced("wte.weight", by: SafeTensors.Entry("wte.weight", shape: [11, 8], values))
        expectRefusal(directory, .malformed, tensor: "wte.weight", "element 17 is inf")

        try write(all, to: directory)
        let file = directory.appendingPathComponent("model.safetensors")
        let whole = try Data(contentsOf: file)
        try whole.dropLast(5).write(to: file)
        expectRefusal(directory, nil)
        try Data([0, 0, 0, 0, 0, 0, 0, 0x10]).write(to: file)
        expectRefusal(directory, nil)
        try FileManager.default.removeItem(at: file)
        expectRefusal(directory, .missing)
        try whole.write(to: file)
        _ = try Model(contentsOf: directory)
        try Data("{".utf8).write(to: directory.appendingPathComponent("config.json"))
        expectRefusal(directory, nil, "config.json")
        expectRefusal(scratch.path("nowhere"), .missing)
    }

    @Test func damagedSparseAndQuantizedWeightsAreRefused() throws {
        let scratch = try ScratchDirectory()
        let directory = scratch.path("m")
        let forms = try allForms(randomModel())
        func write(_ model: Model, _ change: ([SafeTensors.Entry]) -> [SafeTensors.Entry]) throws {
            try model.save(to: directory)
            try self.write(change(try entries(of: directory)), to: directory)
        }
        let name = "h.0.mlp.c_fc"
        try write(forms[1].model) { $0.filter { $0.name != name + ".weight_scale" } }
        expectRefusal(directory, .mismatched, tensor: name + ".weight_scale", "missing")
        try write(forms[2].model) { $0.filter { $0.name != name + ".bitmask" } }
        expectRefusal(directory, .mismatched, tensor: name + ".bitmask", "missing")
        try write(forms[3].model) { entries in
            entries.filter { $0.name != name + ".bitmask" }
                + [SafeTensors.Entry(name + ".bitmask", shape: [32, 1], [UInt8](repeating: 255, count: 32))]
        }
        expectRefusal(directory, .mismatched, tensor: name + ".row_offsets", "row 1")
        // Both forms of one weight: one of them is too much.
        try write(forms[2].model) { entries in
            entries + [SafeTensors.Entry(name + ".weight", shape: [8, 32], [Float](repeating: 0, count: 256))]
        }
        #expect(throws: FileError.self) { try Model(contentsOf: directory) }
    }

    @Test func failedSavesLeaveWhatWasThere() throws {
        let scratch = try ScratchDirectory()
        try Data("mine".utf8).write(to: scratch.path("file"))
        #expect(throws: FileError.self) { try randomModel().save(to: scratch.path("file")) }
        #expect(try Data(contentsOf: scratch.path("file")) == Data("mine".utf8))
    }
}
