import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTokenizers
import Foundation

extension Model {
    /// Loads a model directory: `config.json`, `model.safetensors` (or shards with an index), and the tokenizer's
    /// files where there are any that this library knows.
    ///
    /// Every tensor is checked: its type and shape, that none is missing and none left over, that all floats are
    /// finite. Dense weights may be F32, F16 or BF16, and stay what they are; int8, int4 and sparse ones are read in
    /// compressed-tensors' layouts.
    ///
    /// - Throws: `FileError` that names the file and tensor, `KernelError` for a lack of memory.
    public init(contentsOf directory: URL) throws {
        let configuration = try ModelConfiguration(modelDirectory: directory)
        let architecture = try ArchitectureRegistry.architecture(for: configuration)
        var reader = WeightReader(file: try SafeTensors(modelDirectory: directory), architecture: architecture)
        var weights: [PackedWeight] = []
        for description in architecture.parameters { weights.append(try reader.read(description)) }
        try reader.requireNothingElse()
        self.init(
            architecture: architecture, weights: weights,
            tokenizer: try Self.tokenizer(in: directory, vocabulary: architecture.vocabulary),
            configuration: configuration)
        readForms(in: directory)
    }

    /// Loads a model directory given by its path; see `init(contentsOf:)` for URLs.
    public init(contentsOf path: String) throws { try self.init(contentsOf: URL(fileURLWithPath: path)) }

    /// The tokenizer of a model directory: none where it is of a kind that this library does not know (the model still
    /// runs on token numbers); bytes where the directory says nothing and the vocabulary has 256 tokens. One with more
    /// tokens than the model is an error.
    private static func tokenizer(in directory: URL, vocabulary: Int) throws -> (any Tokenizer)? {
        let tokenizer: any Tokenizer
        do throws(TokenizerError) {
            tokenizer = try Tokenizers.load(modelDirectory: directory)
        } catch {
            switch error {
            case .missing: return vocabulary == 256 ? ByteTokenizer() : nil
            case .unsupported: return nil
            default: throw error
            }
        }
        guard tokenizer.vocabularySize <= vocabulary else {
            throw FileError(
                .mismatched, path: directory.path, "the tokenizer does not belong to the model",
                expected: "at most the model's \(vocabulary) tokens",
                found: "\(tokenizer.vocabularySize) of \(tokenizer.name)",
                fix: "copy config.json and the tokenizer's files again, from one model")
        }
        return tokenizer
    }
}

/// Reads weights from files in whichever form they are there, and remembers which tensors it used.
private struct WeightReader {
    let file: SafeTensors
    let architecture: any Architecture
    private var used: Set<String> = []

    init(file: SafeTensors, architecture: any Architecture) {
        self.file = file
        self.architecture = architecture
    }

    mutating func read(_ description: ParameterDescription) throws -> PackedWeight {
        if let name = fileName(description.path), let info = file[name], Self.floats.contains(info.dtype) {
            used.insert(name)
            switch info.dtype {
            case .bf16: return .bf16(try halves(name, .bf16, description))
            case .f16: return .f16(try halves(name, .f16, description))
            default: return .f32(try dense(name, description))
            }
        }
        do {
            return try PackedWeight(description.path, shape: description.shape) { try stored($0) }
        } catch let error as WeightFormatError {
            let name = fileName(error.tensor) ?? error.tensor
            throw FileError(
                .mismatched, path: file.path, tensor: name, error.reason,
                fix: "the file does not belong to this model: check config.json, or copy the model again")
        }
    }

    /// Throws when the file holds a tensor that no parameter used.
    func requireNothingElse() throws(FileError) {
        try file.requireNothingBut(used) { name in
            architecture.ignores(fileName: withoutPrefix(name))
        }
    }

    private static let floats: Set<SafeTensors.DType> = [.f32, .f16, .bf16]

    /// The name in the file of a tensor, which may carry one of the architecture's prefixes.
    private func fileName(_ name: String) -> String? {
        ([""] + type(of: architecture).filePrefixes).map { $0 + name }.first { file[$0] != nil }
    }

    private func withoutPrefix(_ name: String) -> String {
        for prefix in type(of: architecture).filePrefixes where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }

    private func dense(_ name: String, _ description: ParameterDescription) throws -> Tensor {
        let tensor: Tensor = try elements(name, description)
        let values = tensor.span
        for i in 0..<values.count where !values[i].isFinite { throw notFinite(name, i, values[i]) }
        return tensor
    }

    private func halves(_ name: String, _ format: HalfFormat, _ description: ParameterDescription) throws -> HalfTensor
    {
        let tensor: HalfTensor = try elements(name, description)
        if let (place, value) = format.firstNotFinite(in: tensor.span) { throw notFinite(name, place, value) }
        return tensor
    }

    /// A dense weight's elements as the file has them, [outputs, inputs].
    private func elements<Element: BitwiseCopyable & Sendable>(
        _ name: String, _ description: ParameterDescription
    ) throws -> DenseTensor<Element> {
        let shape = description.shape
        guard description.storedTransposed else {
            try file.require(name, shape: shape.dimensions)
            let tensor = try DenseTensor<Element>(shape)
            try tensor.withUnsafeMutableBytes { try file.read(name, into: $0) }
            return tensor
        }
        try file.require(name, shape: shape.dimensions.reversed())
        let (stored, tensor) = (try DenseTensor<Element>([shape.columns, shape.rows]), try DenseTensor<Element>(shape))
        try stored.withUnsafeMutableBytes { try file.read(name, into: $0) }
        transpose(stored.span, rows: shape.columns, columns: shape.rows, into: tensor.mutableSpan)
        return tensor
    }

    private func notFinite(_ name: String, _ place: Int, _ value: Float) -> FileError {
        FileError(
            .malformed, path: file.path, tensor: name, "element \(place) is \(value)", expected: "finite numbers",
            fix: "the model is damaged: copy it again, or train it from an older checkpoint")
    }

    private mutating func stored(_ name: String) throws -> StoredTensor? {
        guard let actual = fileName(name), let info = file[actual] else { return nil }
        guard let type = DType(rawValue: info.dtype.rawValue) else {
            throw file.mismatch(
                actual, "wrong dtype", expected: "F32, F16, BF16, I8, U8 or I64", found: "\(info.dtype)")
        }
        used.insert(actual)
        let bytes = try file.withBytes(of: actual) { [UInt8]($0) }
        return StoredTensor(name: name, type: type, shape: info.shape, bytes: bytes)
    }
}

/// target[c, r] = source[r, c], in tiles that stay in the cache.
func transpose<Element: BitwiseCopyable>(
    _ source: Span<Element>, rows: Int, columns: Int, into target: consuming MutableSpan<Element>
) {
    let tile = 32
    for firstRow in stride(from: 0, to: rows, by: tile) {
        for firstColumn in stride(from: 0, to: columns, by: tile) {
            for column in firstColumn..<min(firstColumn + tile, columns) {
                for row in firstRow..<min(firstRow + tile, rows) {
                    target[column * rows + row] = source[row * columns + column]
                }
            }
        }
    }
}
