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
    /// - Parameter floats: what dense f32 weights are written as: `.f32` as they are, `.bf16` rounded to nearest.
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
            switch weight {
            case .f32(let tensor): return [Self.entry(description, floats) { tensor }]
            case .bf16(let halves): return [Self.entry(description, .bf16, halves)]
            case .f16(let halves): return [Self.entry(description, .f16, halves)]
            default: break
            }
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
        return SafeTensors.Entry(description.path, type(floats), shape: storedShape(description)) { sink in
            let whole = try stored(try weight(), description)
            guard floats == .bf16 else { return try whole.withUnsafeBytes { try sink($0) } }
            let rounded = try HalfTensor(whole.shape)
            try convert(whole.span, to: .bf16, into: rounded.mutableSpan, on: .default)
            try rounded.withUnsafeBytes { try sink($0) }
        }
    }

    private static func entry(
        _ description: ParameterDescription, _ format: DType, _ halves: HalfTensor
    ) -> SafeTensors.Entry {
        SafeTensors.Entry(description.path, type(format), shape: storedShape(description)) { sink in
            try stored(halves, description).withUnsafeBytes { try sink($0) }
        }
    }

    private static func storedShape(_ description: ParameterDescription) -> [Int] {
        let dimensions = description.shape.dimensions
        return description.storedTransposed ? dimensions.reversed() : dimensions
    }

    /// A dense weight as files hold it.
    private static func stored<Element>(
        _ weight: DenseTensor<Element>, _ description: ParameterDescription
    ) throws -> DenseTensor<Element> {
        guard description.storedTransposed else { return weight }
        let transposed = try DenseTensor<Element>(Shape(storedShape(description)))
        transpose(weight.span, rows: weight.rows, columns: weight.columns, into: transposed.mutableSpan)
        return transposed
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
        var (integers, dense, sparse) = ([Compression.Form: [String]](), [String](), [String]())
        var (zeros, elements) = (0, 0)
        for (weight, description) in zip(weights, architecture.parameters) where description.kind == .matrix {
            let module = String(description.path.dropLast(".weight".count))
            if case .bitmask = weight {
                sparse.append(module)
                zeros += weight.count - weight.nonzeroCount
                elements += weight.count
            }
            if let form = weight.integers { integers[form, default: []].append(module) } else { dense.append(module) }
        }
        guard !integers.isEmpty || !sparse.isEmpty else { return nil }
        let sparsity =
            sparse.isEmpty
            ? nil
            : Compression.Sparsity(targets: sparse, globalSparsity: Double(zeros) / Double(elements))
        if integers.isEmpty { return Compression(sparsity: sparsity) }
        let groups = integers.sorted { $0.key < $1.key }.map { (form: $0.key, targets: $0.value) }
        return Compression(integers: groups, ignored: dense + ["lm_head"], sparsity: sparsity)
    }
}

extension PackedWeight {
    /// The integers that the weight consists of, dense or sparse; nil for floats.
    fileprivate var integers: Compression.Form? {
        switch self {
        case .f32, .bf16, .f16: nil
        case .int8: .int8
        case .int4(let grouped): .int4(group: grouped.group)
        case .bitmask(let sparse):
            switch sparse.values {
            case .f32, .bf16, .f16: nil
            case .int8: .int8
            case .int4(_, _, let group): .int4(group: group)
            }
        }
    }
}
