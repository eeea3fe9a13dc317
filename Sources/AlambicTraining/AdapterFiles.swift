import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation

// Adapters as files, as Hugging Face's PEFT lays them out: adapter_config.json, and adapter_model.safetensors with
// base_model.model.<module>.lora_A.weight [rank, inputs] and .lora_B.weight [outputs, rank], where <module> is the path
// in the model with its head, such as transformer.h.0.attn.c_attn.
extension Trainer {
    /// Writes the adapters as PEFT loads them, for the model that training started from: a directory, whole or not at all.
    ///
    /// - Parameter base: what `base_model_name_or_path` is to say, such as the model's directory.
    /// - Throws: `TrainingError.badSetting` where there are none.
    public func saveAdapters(to directory: String, base: String? = nil) throws(TrainingError) {
        guard adapters != nil else { throw .badSetting("there are no adapters to save: all weights are trained") }
        do {
            try AtomicDirectory.write(to: URL(fileURLWithPath: directory)) { try writeAdapters(into: $0, base: base) }
        } catch {
            throw .checkpoint(directory, reason: "\(error)")
        }
    }

    /// Writes both files into an existing directory.
    func writeAdapters(into directory: URL, base: String? = nil) throws {
        guard let adapters else { return }
        let entries = trained.map { parameter in
            SafeTensors.Entry(
                peftName(parameter.path), .f32, shape: parameter.value.shape.dimensions
            ) { sink in
                let value = parameter.value
                try value.withUnsafeBytes { try sink($0) }
            }
        }
        try SafeTensors.write(entries, to: directory.appendingPathComponent("adapter_model.safetensors"))
        let descriptions = architecture.parameters
        var (modules, transposed) = ([JSON](), false)
        for index in try adapters.targeted(architecture) {
            modules.append(.string(LoRA.module(prefix(descriptions[index].path) + descriptions[index].path)))
            if descriptions[index].storedTransposed { transposed = true }
        }
        let configuration: JSON = [
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base.map { .string($0) } ?? .null,
            "r": .number(adapters.rank), "lora_alpha": .number(adapters.alpha),
            "lora_dropout": .number(adapters.dropout), "target_modules": .array(modules),
            "fan_in_fan_out": .bool(transposed), "bias": "none", "inference_mode": true,
        ]
        try configuration.write(to: directory.appendingPathComponent("adapter_config.json"))
    }

    /// The adapters of a directory, for each of `trained`.
    func readAdapters(from directory: URL) throws -> [Tensor] {
        let file = try SafeTensors(contentsOf: directory.appendingPathComponent("adapter_model.safetensors"))
        return try trained.map { parameter in
            let name = peftName(parameter.path)
            _ = try file.require(name, .f32)
            try file.require(name, shape: parameter.shape.dimensions)
            let tensor = try Tensor(parameter.shape)
            try tensor.withUnsafeMutableBytes { try file.read(name, into: $0) }
            return tensor
        }
    }

    private func peftName(_ path: String) -> String { "base_model.model.\(prefix(path))\(path)" }

    /// What stands before a path in a model with its head; nothing before the head itself.
    private func prefix(_ path: String) -> String {
        path.hasPrefix("lm_head.") ? "" : type(of: architecture).filePrefixes.first ?? ""
    }
}
