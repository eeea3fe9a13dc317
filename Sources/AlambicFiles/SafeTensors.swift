import Foundation

/// The tensors of a model on disk: one safetensors file, or the shards of a model directory.
///
/// Everything that the headers say is checked when they are read (see `SafeTensorsHeader`), before a byte of data is
/// used. Data is read when it is asked for, by positioned reads instead of a memory map: a file that another program
/// cuts short gives an error, not a signal, and the bytes go straight to where they are wanted.
///
/// Format: an unsigned little-endian 64-bit header length, a JSON header
/// `{"name": {"dtype": "F32", "shape": […], "data_offsets": [begin, end]}, …, "__metadata__": {…}}`, and the data.
/// Source: github.com/huggingface/safetensors, README, "Format".
public final class SafeTensors: Sendable {
    /// What the header says about one tensor.
    public struct Info: Sendable, Equatable {
        /// The element type.
        public let dtype: DType
        /// Sizes, slowest first; empty for a scalar.
        public let shape: [Int]
        /// Where the tensor begins, in bytes from the start of its file.
        public let offset: Int
        /// Its size in bytes.
        public let byteCount: Int
        /// The number of elements.
        public var elementCount: Int { shape.reduce(1, *) }
        let file: Int
    }

    /// The file or model directory, for messages.
    public let path: String
    /// The names of all tensors, in the order of the files and of the data in them.
    public let names: [String]
    /// The free text under `__metadata__` (of the first file, for shards).
    public let metadata: [String: String]
    private let infos: [String: Info]
    private let files: [Descriptor]

    /// Opens one safetensors file.
    public convenience init(contentsOf url: URL) throws(FileError) {
        try self.init(path: filePath(url), files: [filePath(url)])
    }

    /// Opens the tensors of a model directory: `model.safetensors`, or else the shards that
    /// `model.safetensors.index.json` lists. The index and the shards must agree on every name.
    public convenience init(modelDirectory url: URL) throws(FileError) {
        let directory = filePath(url)
        guard let status = try AlambicFiles.status(directory) else {
            throw FileError(.missing, path: directory, "there is no such model directory", fix: "check the path")
        }
        guard FileType(status) == .directory else {
            throw FileError(
                .notADirectory, path: directory, "this is not a directory", expected: "a model directory",
                fix: "name the directory that holds config.json and model.safetensors")
        }
        let single = directory + "/model.safetensors"
        let index = directory + "/model.safetensors.index.json"
        if try AlambicFiles.status(single) != nil {
            try self.init(path: single, files: [single])
        } else if try AlambicFiles.status(index) != nil {
            let shards = try Self.shards(index: index)
            try self.init(path: directory, files: shards.files)
            try check(shards: shards.names, index: index)
        } else {
            throw FileError(
                .missing, path: directory, "the directory holds no tensors",
                expected: "model.safetensors or model.safetensors.index.json",
                fix: "name a Hugging Face model directory with safetensors files")
        }
    }

    private init(path: String, files paths: [String]) throws(FileError) {
        var files: [Descriptor] = []
        var names: [String] = []
        var infos: [String: Info] = [:]
        var metadata: [String: String]?
        for (number, path) in paths.enumerated() {
            let file = try openRegularFile(path)
            let header = try SafeTensorsHeader(reading: file, number: number)
            for (name, info) in header.tensors {
                guard infos.updateValue(info, forKey: name) == nil else {
                    throw FileError(
                        .malformed, path: path, tensor: name, "another shard already holds this tensor",
                        fix: "the shards do not belong together: copy the model again")
                }
                names.append(name)
            }
            if metadata == nil { metadata = header.metadata }
            files.append(file)
        }
        self.path = path
        self.files = files
        self.names = names
        self.infos = infos
        self.metadata = metadata ?? [:]
    }

    private static func shards(index path: String) throws(FileError) -> (files: [String], names: [String: String]) {
        let directory = (path as NSString).deletingLastPathComponent
        let map = try JSONReader(contentsOf: URL(fileURLWithPath: path)).reader("weight_map")
        var files: Set<String> = []
        var names: [String: String] = [:]
        for name in map.object.keys {
            let file = try map.string(name)
            // A shard is a plain name beside the index: nothing in a model may point elsewhere.
            guard !file.isEmpty, !file.contains("/"), file != ".", file != ".." else {
                throw map.failure(name, expected: "the name of a file beside the index")
            }
            files.insert(file)
            names[name] = file
        }
        guard !files.isEmpty else {
            throw FileError(.empty, path: path, "the index lists no tensors", fix: "copy the model again")
        }
        return (files.sorted().map { directory + "/" + $0 }, names)
    }

    private func check(shards: [String: String], index: String) throws(FileError) {
        for (name, file) in shards.sorted(by: { $0.key < $1.key }) {
            guard let info = infos[name], (files[info.file].path as NSString).lastPathComponent == file else {
                throw FileError(
                    .mismatched, path: index, tensor: name, "the index and the shards disagree",
                    expected: "the tensor in \(file)", found: infos[name] == nil ? "it nowhere" : "it in another shard",
                    fix: "copy the model again")
            }
        }
        if let extra = names.first(where: { shards[$0] == nil }) {
            throw FileError(
                .mismatched, path: index, tensor: extra, "a shard holds a tensor that the index does not list",
                fix: "copy the model again")
        }
    }

    /// What the header says about a tensor, or nil if there is none of this name.
    public subscript(name: String) -> Info? { infos[name] }

    /// What the header says about a tensor, which must exist.
    public func info(_ name: String) throws(FileError) -> Info {
        guard let info = infos[name] else {
            throw FileError(
                .mismatched, path: path, tensor: name, "the tensor is missing",
                expected: "it among \(names.count) tensors",
                fix: "the file does not belong to this model: check config.json, or copy the model again")
        }
        return info
    }

    /// Bytes of all tensors together.
    public var byteCount: Int { infos.values.reduce(0) { $0 + $1.byteCount } }

    /// The error of a tensor that is not as the model needs it, at its place in its file.
    public func mismatch(_ name: String, _ problem: String, expected: String, found: String) -> FileError {
        let info = infos[name]
        return FileError(
            .mismatched, path: info.map { files[$0.file].path } ?? path, tensor: name,
            offset: info.map { UInt64($0.offset) }, problem, expected: expected, found: found,
            fix: "the file does not belong to this model: check config.json, or copy the model again")
    }

    /// Checks that a tensor has this element type and shape, where given, and returns what the header says.
    @discardableResult
    public func require(_ name: String, _ dtype: DType? = nil, shape: [Int]? = nil) throws(FileError) -> Info {
        let info = try info(name)
        if let dtype, info.dtype != dtype {
            throw mismatch(name, "wrong dtype", expected: "\(dtype)", found: "\(info.dtype)")
        }
        if let shape, info.shape != shape {
            throw mismatch(name, "wrong shape", expected: "\(shape)", found: "\(info.shape)")
        }
        return info
    }

    /// Checks that the file holds no tensor but these: an extra one means that a model would be loaded in part.
    /// - Parameter ignoring: names that other programs add and that say nothing (as GPT-2's `h.0.attn.bias` masks).
    public func requireNothingBut(_ known: Set<String>, ignoring: (String) -> Bool = { _ in false }) throws(FileError) {
        for name in names where !known.contains(name) && !ignoring(name) {
            throw mismatch(
                name, "the model has no such tensor", expected: "only its \(known.count) tensors", found: "this one too"
            )
        }
    }

    /// Reads a tensor's bytes into `buffer`, which must have the tensor's size.
    public func read(_ name: String, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) {
        let info = try info(name)
        precondition(
            buffer.count == info.byteCount,
            "tensor '\(name)' has \(info.byteCount) bytes, the buffer has \(buffer.count)")
        try files[info.file].read(into: buffer, at: info.offset, tensor: name)
    }

    /// Reads a tensor into `elements`, which must have as many; its dtype must be exactly that of `Element`.
    public func read<Element: TensorElement>(
        _ name: String, shape: [Int]? = nil, into elements: consuming MutableSpan<Element>
    ) throws(FileError) {
        let info = try require(name, Element.dtype, shape: shape)
        precondition(
            elements.count == info.elementCount,
            "tensor '\(name)' has \(info.elementCount) elements, the span has \(elements.count)")
        try elements.withUnsafeMutableBytes { (buffer) throws(FileError) in try read(name, into: buffer) }
    }

    /// Reads a tensor of floats into `elements`, converted as by `floats(_:shape:)`.
    public func readFloats(
        _ name: String, shape: [Int]? = nil, into elements: consuming MutableSpan<Float>
    ) throws(FileError) {
        let info = try require(name, shape: shape)
        if info.dtype == .f32 { return try read(name, into: elements) }
        let values = try floats(name)
        precondition(
            elements.count == values.count,
            "tensor '\(name)' has \(values.count) elements, the span has \(elements.count)")
        for index in values.indices { elements[index] = values[index] }
    }

    /// Throws if a weight that was read from this tensor is NaN or infinite.
    public func requireFinite(_ name: String, _ values: Span<Float>) throws(FileError) {
        for index in values.indices where !values[index].isFinite {
            let info = try info(name)
            throw FileError(
                .mismatched, path: files[info.file].path, tensor: name,
                offset: UInt64(info.offset + index * info.dtype.bits / 8), "element \(index) is not a finite number",
                expected: "finite weights", found: "\(values[index])",
                fix: "the model is damaged or its training diverged: use an earlier checkpoint")
        }
    }

    /// Reads a tensor's bytes and lends them to `body`, aligned to 64 bytes.
    public func withBytes<R>(of name: String, _ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
        let count = try info(name).byteCount
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
        defer { buffer.deallocate() }
        try read(name, into: buffer)
        return try body(UnsafeRawBufferPointer(buffer))
    }

    /// A tensor's elements; its dtype must be exactly that of `Element`.
    /// - Parameter shape: the shape that it must have, if given.
    public func array<Element: TensorElement>(
        _ name: String, of type: Element.Type = Element.self, shape: [Int]? = nil
    ) throws(FileError) -> [Element] {
        try elements(name, try require(name, Element.dtype, shape: shape))
    }

    private func elements<Element: BitwiseCopyable>(_ name: String, _ info: Info) throws(FileError) -> [Element] {
        var failure: FileError?
        let result = [Element](unsafeUninitializedCapacity: info.elementCount) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: info.byteCount)
            do throws(FileError) {
                try read(name, into: bytes)
                count = info.elementCount
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return result
    }

    /// A tensor of floats as `Float`: F32 as it is, F16 and BF16 exactly, F64 rounded to nearest.
    public func floats(_ name: String, shape: [Int]? = nil) throws(FileError) -> [Float] {
        let info = try require(name, shape: shape)
        switch info.dtype {
        case .f32: return try elements(name, info)
        case .f64: return try (elements(name, info) as [Double]).map { Float($0) }
        case .bf16: return try (elements(name, info) as [UInt16]).map { Float(bitPattern: UInt32($0) << 16) }
        case .f16: return try (elements(name, info) as [UInt16]).map { float(half: $0) }
        default: throw mismatch(name, "wrong dtype", expected: "F32, F16, BF16 or F64", found: "\(info.dtype)")
        }
    }
}

/// The value of IEEE half precision bits. (`Float16` does not exist on Intel macOS.)
func float(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1f)
    let fraction = UInt32(bits & 0x3ff)
    switch exponent {
    case 0x1f: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
    case 0:
        // Zero and subnormals: fraction x 2^-24, exactly.
        let magnitude = Float(fraction) * 0x1p-24
        return sign == 0 ? magnitude : -magnitude
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
}
