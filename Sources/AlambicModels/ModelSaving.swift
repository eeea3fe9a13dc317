import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTokenizers
import Foundation

extension Model {
    /// Saves the model as a directory that Hugging Face's libraries (with compressed-tensors, where weights are packed)
    /// and this one load: `config.json`, `model.safetensors`, tokenizer files, and the record of forms where there is one. Equal models give equal bytes.
    ///
    /// The directory is written under a temporary name and then exchanged for what is there, as a whole; entries that
    /// do not belong to a model, such as checkpoints, stay.
    ///
    /// - Parameter floats: what dense weights are written as: `.f32` as they are, `.bf16` rounded to nearest.
    /// - Throws: `FileError`; then what was there is as it was.
    public func save(to directory: URL, floats: DType = .f32) throws {
        try AtomicDirectory.write(to: directory) { try write(into: $0, floats: floats) }
    }

    /// Saves the model as a directory given by its path.
    public func save(to path: String, floats: DType = .f32) throws {
        try save(to: URL(fileURLWithPath: path), floats: floats)
    }

    /// Writes the model's files into an existing directory, one by one.
    public func write(into directory: URL, floats: DType = .f32) throws {
        try Self.write(entries(floats), configuration, compression, tokenizer, into: directory)
        try forms?.write(into: directory)
    }

    /// Writes the files of a model of dense weights that are made one by one, as they are written.
    ///
    /// - Parameters:
    ///   - directory: an existing directory.
    ///   - floats: what the weights are written as, as in ``save(to:floats:)``.
    ///   - weight: makes the weight with this index into `architecture.parameters`. Each is asked for once and let go of.
    public static func write(
        _ architecture: any Architecture, configuration: ModelConfiguration, tokenizer: (any Tokenizer)?,
        into directory: URL, floats: DType = .f32, weight: @escaping (Int) throws -> Tensor
    ) throws {
        let entries = architecture.parameters.enumerated().map { index, description in
            entry(description, floats) { try weight(index) }
        }
        try write(entries, configuration, nil, tokenizer, into: directory)
    }

    private static func write(
        _ entries: [SafeTensors.Entry], _ configuration: ModelConfiguration, _ compression: Compression?,
        _ tokenizer: (any Tokenizer)?, into directory: URL
    ) throws {
        var configuration = configuration
        configuration.setCompression(compression)
        try configuration.write(to: directory.appendingPathComponent("config.json"))
        try SafeTensors.write(entries, to: directory.appendingPathComponent("model.safetensors"))
        for file in tokenizer?.files ?? [] {
            try AtomicFile.write(file.contents, to: directory.appendingPathComponent(file.name))
        }
    }

    private func entries(_ floats: DType) -> [SafeTensors.Entry] {
        zip(weights, architecture.parameters).flatMap { weight, description -> [SafeTensors.Entry] in
            if case .f32(let tensor) = weight { return [Self.entry(description, floats) { tensor }] }
            return weight.stored(as: description.path).map { stored in
                SafeTensors.Entry(stored.name, Self.type(stored.type), shape: stored.shape) { sink in
                    try stored.bytes.withUnsafeBytes { try sink($0) }
                }
            }
        }
    }

    private static func entry(
        _ description: ParameterDescription, _ floats: DType, weight: @escaping () throws -> Tensor
    ) -> SafeTensors.Entry {
        precondition(floats == .f32 || floats == .bf16, "dense weights are written as f32 or bf16, not as \(floats)")
        let dimensions = description.shape.dimensions
        let shape = description.storedTransposed ? dimensions.reversed() : dimensions
        return SafeTensors.Entry(description.path, type(floats), shape: shape) { sink in
            let tensor = try weight()
            var stored = tensor
            if description.storedTransposed {
                let transposed = try Tensor(Shape(shape))
                transpose(tensor.span, rows: tensor.rows, columns: tensor.columns, into: transposed.mutableSpan)
                stored = transposed
            }
            let whole = stored
            guard floats == .bf16 else { return try whole.withUnsafeBytes { try sink($0) } }
            let rounded = try HalfTensor(whole.shape)
            try convert(whole.span, to: .bf16, into: rounded.mutableSpan, on: .default)
            try rounded.withUnsafeBytes { try sink($0) }
        }
    }

    private static func type(_ type: DType) -> SafeTensors.DType {
        switch type {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .s8: .i8
        case .u8: .u8
        case .s32: .i32
        case .s64: .i64
        }
    }

    /// What `config.json` says about packed weights; nil when all are dense floats.
    var compression: Compression? {
        var (quantized, dense, sparse) = ([String](), [String](), [String]())
        var (zeros, elements) = (0, 0)
        for (weight, description) in zip(weights, architecture.parameters) where description.kind == .matrix {
            let module = String(description.path.dropLast(".weight".count))
            switch weight {
            case .f32: dense.append(module)
            case .int8: quantized.append(module)
            case .bitmask(let tensor):
                sparse.append(module)
                zeros += weight.count - tensor.nonzeroCount
                elements += weight.count
                if case .int8 = tensor.values { quantized.append(module) } else { dense.append(module) }
            }
        }
        guard !quantized.isEmpty || !sparse.isEmpty else { return nil }
        let sparsity =
            sparse.isEmpty
            ? nil
            : Compression.Sparsity(targets: sparse, globalSparsity: Double(zeros) / Double(elements))
        if quantized.isEmpty { return Compression(sparsity: sparsity) }
        return .int8(targets: quantized, ignored: dense + ["lm_head"], sparsity: sparsity)
    }
}
