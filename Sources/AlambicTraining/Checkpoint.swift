import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicOptimizers
import AlambicTensor
import Foundation

// A training checkpoint is a model directory that any program can load (config.json, model.safetensors), or adapters as
// PEFT loads them (AdapterFiles.swift), with
// optimizer.safetensors (what the optimizer remembers, as `<parameter>.<state>`; in bytes with their scales,
// `<parameter>.<state>.absmax`; and what `afterStep` remembers, as `after.<name>`) and trainer_state.json:
//
//   {"format": 1, "step", "next_batch", "settings": {dotted name: text}, "data": {"digest", "rows", "context", "seed"}}
//
// Random numbers are functions of seed and step, so these two are all their state.
extension Trainer {
    /// Everything but the data that the bits of a step depend on, as text by dotted name. Of the weights that the run
    /// started from (`start`) and of weight transforms (`transform.<path>`), digests; of matrices with sparse products,
    /// which these are (`sparse.<path>`); of constraints in ``afterStep``, what they are (`after.<name>`).
    public var settings: [String: String] {
        var all: [String: String] = [
            "seed": "\(seed)", "micro_batches": "\(microBatches)", "clipping": clipping.map { "\($0)" } ?? "none",
            "start": startDigest, "dtype": dtype.rawValue, "recompute": recomputation.rawValue,
        ]
        for (key, value) in Optimizers.description(of: optimizer) { all["optimizer.\(key)"] = value }
        for (key, value) in adapters?.settings ?? [:] { all["lora.\(key)"] = value }
        for (key, value) in objective.settings { all["objective.\(key)"] = value }
        for action in afterStep {
            // Two of a kind follow each other.
            for (key, value) in action.settings {
                all["after.\(key)"] = all["after.\(key)"].map { "\($0) \(value)" } ?? value
            }
        }
        for (key, value) in modelSettings { all["model.\(key)"] = value }
        for parameter in parameters {
            if let transform = parameter.transform { all["transform.\(parameter.path)"] = transform.digest }
            if let sparse = parameter.sparse { all["sparse.\(parameter.path)"] = sparse.products.description }
        }
        return all
    }

    /// Writes a checkpoint directory, whole or not at all.
    public func save(to directory: String) throws(TrainingError) {
        // A checkpoint is what one goes back to when training goes wrong: it must not be where it went wrong.
        let trained = trained
        for parameter in trained where try !isFinite(parameter) {
            throw .notFinite(
                step: step, quantity: "weight '\(parameter.path)'", value: .nan, lastCheckpoint: lastCheckpoint)
        }
        do {
            try AtomicDirectory.write(to: URL(fileURLWithPath: directory), keeping: { _ in false }) { temporary in
                if adapters == nil { try writeModel(into: temporary) } else { try writeAdapters(into: temporary) }
                var entries = (state.named + stateAfterStep).map { name, tensor in
                    SafeTensors.Entry(name, .f32, shape: tensor.shape.dimensions) { sink in
                        try tensor.withUnsafeBytes { bytes in try sink(bytes) }
                    }
                }
                for (name, quantized) in state.namedQuantized {
                    entries.append(
                        SafeTensors.Entry(name, .u8, shape: quantized.shape.dimensions) { sink in
                            try quantized.codes.span.withUnsafeBytes { bytes in try sink(bytes) }
                        })
                    entries.append(
                        SafeTensors.Entry("\(name).absmax", .f32, shape: quantized.scaleShape) { sink in
                            try quantized.scales.span.withUnsafeBytes { bytes in try sink(bytes) }
                        })
                }
                try SafeTensors.write(entries, to: temporary.appendingPathComponent("optimizer.safetensors"))
                try stateJSON.write(to: temporary.appendingPathComponent("trainer_state.json"))
            }
        } catch {
            throw .checkpoint(directory, reason: "\(error)")
        }
        lastCheckpoint = directory
    }

    /// What ``afterStep`` remembers, by the names that it has in a checkpoint.
    private var stateAfterStep: [(name: String, tensor: Tensor)] {
        afterStep.flatMap { action in
            action.state.sorted { $0.key < $1.key }.map { (name: "after.\($0.key)", tensor: $0.value) }
        }
    }

    /// The keys of the model's `config.json`.
    private var modelSettings: [String: String] {
        configuration.object.pairs.reduce(into: [:]) { $0[$1.key] = $1.value.line }
    }

    private func isFinite(_ parameter: Parameter) throws(TrainingError) -> Bool {
        do {
            let value = parameter.value
            return try allFinite(value.span, on: context)
        } catch {
            throw .kernel(error)
        }
    }

    private var stateJSON: JSON {
        var object: JSONObject = ["format": 1, "step": .number(step), "next_batch": .number(nextBatch)]
        let sorted = settings.sorted { $0.key < $1.key }
        object["settings"] = .object(JSONObject(sorted.map { ($0.key, .string($0.value)) }))
        if let source {
            object["data"] = [
                "digest": .string(source.data), "rows": .number(source.rows), "context": .number(source.context),
                "seed": .number(source.seed),
            ]
        }
        return .object(object)
    }

    /// Continues where a checkpoint was written: from here on every step has the bits that it would have had without
    /// the interruption. Continue with batch ``nextBatch``.
    ///
    /// Weight transforms such as masks, and what ``afterStep`` does to weights, are not in a checkpoint: give the trainer the
    /// same ones first. What an ``AfterStep`` has learned (``AfterStep/state``) is, and is filled in.
    ///
    /// - Throws: `TrainingError.otherRun`, naming what differs, when settings are not those of the checkpoint; the
    ///   first ``step(_:)`` throws it when the data are not. The trainer is then as before.
    public func resume(from directory: String) throws(TrainingError) {
        let saved: Saved
        do {
            saved = try Saved(directory)
        } catch {
            throw .checkpoint(directory, reason: "\(error)")
        }
        let differences = Self.differences(now: settings, then: saved.settings)
        guard differences.isEmpty else { throw .otherRun(checkpoint: directory, differences: differences) }
        let (trained, weights) = (trained, try savedWeights(in: directory))
        for (parameter, weights) in zip(trained, weights) where weights.shape != parameter.shape {
            throw .otherRun(
                checkpoint: directory,
                differences: ["\(parameter.path) has shape \(weights.shape) there and \(parameter.shape) here"])
        }
        let remembered = try stateAfterStep.map { name, tensor throws(TrainingError) in
            guard let found = saved.optimizer[name], found.shape == tensor.shape else {
                let found = saved.optimizer[name].map { "has shape \($0.shape)" } ?? "is missing"
                throw .checkpoint(directory, reason: "'\(name)' \(found), expected shape \(tensor.shape)")
            }
            return (tensor: tensor, found: found)
        }
        do {
            try state.restore(step: saved.step, from: saved.optimizer, bytes: saved.optimizerBytes)
        } catch {
            throw .checkpoint(directory, reason: "\(error)")
        }
        for (parameter, weights) in zip(trained, weights) {
            parameter.value.copy(from: weights)
            parameter.valueChanged()
        }
        nextBatch = saved.nextBatch
        source = saved.source
        mustAgree = saved.source != nil
        lastCheckpoint = directory
        for (tensor, found) in remembered { tensor.copy(from: found) }
        for action in afterStep { action.resumed(self) }
    }

    /// The weights of a checkpoint for each of ``trained``.
    private func savedWeights(in directory: String) throws(TrainingError) -> [Tensor] {
        do {
            let url = URL(fileURLWithPath: directory, isDirectory: true)
            if adapters != nil { return try readAdapters(from: url) }
            return try Model(contentsOf: url).weights.map { try $0.dense() }
        } catch {
            throw .checkpoint(directory, reason: "\(error)")
        }
    }

    /// The first batch after a resume must be the one that would have come next.
    func checkAgreement(with batch: Batch) throws(TrainingError) {
        guard let source else { return }
        var differences: [String] = []
        func compare(_ what: String, _ then: some CustomStringConvertible, _ now: some CustomStringConvertible) {
            if "\(then)" != "\(now)" { differences.append("\(what) was \(then) and is \(now)") }
        }
        compare("the data's digest", source.data, batch.source.data)
        compare("the batch size", source.rows, batch.source.rows)
        compare("the context", source.context, batch.source.context)
        compare("the seed of the batches", source.seed, batch.source.seed)
        compare("the next batch", nextBatch, batch.index)
        guard differences.isEmpty else {
            throw .otherRun(checkpoint: lastCheckpoint ?? "", differences: differences)
        }
    }

    /// Settings that decide about the bits of all that follows, by the command's options.
    private static let options = [
        "dtype": "dtype", "recompute": "recompute", "micro_batches": "micro-batches", "lora.rank": "rank",
        "lora.alpha": "alpha", "lora.dropout": "adapter-dropout", "lora.base": "base-dtype",
    ]

    static func differences(now: [String: String], then: [String: String]) -> [String] {
        // Checkpoints from before there was a choice.
        let then = then.merging(["dtype": "f32", "recompute": "none"]) { old, _ in old }
        return Set(now.keys).union(then.keys).sorted().compactMap { key in
            guard now[key] != then[key] else { return nil }
            if key == "start", let old = then[key], let new = now[key] {
                return "its weights started from another model than those here (start was \(old) and is \(new))"
            }
            let difference = "\(key) was \(then[key] ?? "not set") and is \(now[key] ?? "not set")"
            guard let old = then[key], now[key] != nil, let option = options[key] else { return difference }
            return "\(difference) (--\(option) \(old) goes on with it)"
        }
    }

    /// The newest checkpoint in a directory of checkpoints, or nil when there is none.
    public static func latestCheckpoint(in directory: String) -> String? {
        Checkpoints.all(in: directory).last.map { "\(directory)/checkpoint-\($0)" }
    }
}

/// A checkpoint as read from disk, checked on its own.
private struct Saved {
    let step: Int
    let nextBatch: Int
    let settings: [String: String]
    let source: BatchSource?
    let optimizer: [String: Tensor]
    let optimizerBytes: [String: Memory<UInt8>]

    init(_ directory: String) throws {
        let url = URL(fileURLWithPath: directory, isDirectory: true)
        let json = try JSONReader(contentsOf: url.appendingPathComponent("trainer_state.json"))
        _ = try json.integer("format", in: 1...1)
        // Far beyond any run, and small enough to be multiplied by the rows of a batch.
        step = try json.integer("step", in: 0...1 << 40)
        nextBatch = try json.integer("next_batch", in: 0...1 << 40)
        settings = try json.reader("settings").object.pairs.reduce(into: [:]) { $0[$1.key] = $1.value.string ?? "" }
        if json.has("data") {
            let data = try json.reader("data")
            source = BatchSource(
                data: try data.string("digest"), rows: try data.integer("rows"), context: try data.integer("context"),
                seed: try data.unsigned("seed"))
        } else {
            source = nil
        }
        let file = try SafeTensors(contentsOf: url.appendingPathComponent("optimizer.safetensors"))
        var tensors: [String: Tensor] = [:]
        var bytes: [String: Memory<UInt8>] = [:]
        for name in file.names {
            if file[name]?.dtype == .u8 {
                let memory = try Memory<UInt8>(count: try file.info(name).elementCount)
                try file.read(name, into: memory.mutableSpan)
                bytes[name] = memory
                continue
            }
            let info = try file.require(name, .f32)
            let tensor = try Tensor(Shape(info.shape))
            var failure: FileError?
            tensor.withUnsafeMutableBytes { bytes in
                do throws(FileError) { try file.read(name, into: bytes) } catch { failure = error }
            }
            if let failure { throw failure }
            tensors[name] = tensor
        }
        optimizer = tensors
        optimizerBytes = bytes
    }
}
