/// What a ``DeepCompressionFile`` says of one tensor, without its weights.
public struct DeepCompressionInfo: Equatable, Sendable {
    /// Its name, as the path of a parameter.
    public let name: String
    /// The extents, row-major.
    public let shape: [Int]
    /// Where its bytes begin in the file.
    public let offset: Int
    /// How many bytes it has.
    public let bytes: Int
    /// The bytes of each part of shared weights; nil for plain floats.
    public var parts: Parts? {
        layout.map {
            Parts(
                values: $0.codebook, gapBits: $0.gapBits, entries: $0.entries, codebook: $0.codebookBytes,
                tables: $0.tableBytes, symbols: $0.symbolBytes, gaps: $0.gapBytes)
        }
    }

    /// The bytes of shared weights by what they are for.
    public struct Parts: Equatable, Sendable {
        /// How many values are shared.
        public let values: Int
        /// Bits of a step from one entry to the next before it is Huffman coded; 0 where every weight is an entry.
        public let gapBits: Int
        /// Non-zeros and filler zeros.
        public let entries: Int
        /// Bytes of the shared values.
        public let codebook: Int
        /// Bytes of both Huffman tables.
        public let tables: Int
        /// Bytes of the Huffman coded symbols.
        public let symbols: Int
        /// Bytes of the Huffman coded steps.
        public let gaps: Int
    }

    let layout: SharedSection.Layout?
    let digest: UInt64
}

/// The beginning of a ``DeepCompressionFile``.
struct DeepCompressionHeader {
    static let magic = Array("ALAMDEEP".utf8)
    static let version = 1
    /// Where the JSON begins.
    static let start = 24
    static let lengthLimit = 100_000_000
    private static let remedy = "copy it again, or make it again"

    let metadata: JSON
    let tensors: [DeepCompressionInfo]

    /// The bytes before the sections.
    static func bytes(_ tensors: [DeepCompressionInfo], metadata: JSON) -> [UInt8] {
        let list = tensors.map { tensor in
            var object: JSONObject = ["name": .string(tensor.name), "shape": .array(tensor.shape.map { .number($0) })]
            if let layout = tensor.layout {
                object["codebook"] = .number(layout.codebook)
                object["gap_bits"] = .number(layout.gapBits)
                object["entries"] = .number(layout.entries)
                object["symbol_bytes"] = .number(layout.symbolBytes)
                object["gap_bytes"] = .number(layout.gapBytes)
            }
            object["digest"] = .number(tensor.digest)
            return JSON.object(object)
        }
        var object: JSONObject = ["tensors": .array(list)]
        if !metadata.isNull { object["metadata"] = metadata }
        let text = Array(JSON.object(object).line.utf8)
        let beginning = magic + littleEndian(UInt32(version)) + littleEndian(UInt32(text.count))
        return beginning + littleEndian(fnv1a(text, from: fnv1a(beginning))) + text
    }

    /// Reads and checks the beginning of a file of `bytes`.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) {
        let text = try Self.text(bytes, path: path)
        let reader = try JSONReader(try JSONParser.parse(text, path: path, base: Self.start), path: path)
        metadata = reader.object["metadata"] ?? .null
        var tensors: [DeepCompressionInfo] = []
        var names: Set<String> = []
        var offset = Self.start + text.count
        for json in try reader.array("tensors") {
            let tensor = try Self.tensor(
                try JSONReader(json, path: path), at: offset, fileSize: bytes.count, path: path)
            guard names.insert(tensor.name).inserted else {
                throw FileError(
                    .malformed, path: path, tensor: FileError.excerpt(tensor.name), "two tensors have this name",
                    fix: Self.remedy)
            }
            tensors.append(tensor)
            offset += tensor.bytes
        }
        guard offset == bytes.count else {
            throw FileError(
                .malformed, path: path, offset: UInt64(offset), "there is something after the last tensor",
                expected: "\(offset) bytes", found: "\(bytes.count)", fix: Self.remedy)
        }
        self.tensors = tensors
    }

    private static func text(_ bytes: UnsafeRawBufferPointer, path: String) throws(FileError) -> [UInt8] {
        guard bytes.starts(with: magic.prefix(bytes.count)), !bytes.isEmpty else {
            throw FileError(
                bytes.isEmpty ? .empty : .malformed, path: path, offset: 0, "this is not a deep compression file",
                expected: "'ALAMDEEP'", fix: "name another file, or make it again")
        }
        guard bytes.count >= start else { throw truncated(start, bytes.count, path) }
        let version = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian
        guard version == Self.version else {
            throw FileError(
                .unsupported, path: path, offset: 8, "another version of the format", expected: "\(Self.version)",
                found: "\(version)", fix: "make it again with this release")
        }
        let length = Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self).littleEndian)
        guard length <= lengthLimit else {
            throw FileError(
                .malformed, path: path, offset: 12, "the header length makes no sense",
                expected: "at most \(lengthLimit) bytes", found: "\(length)", fix: remedy)
        }
        guard bytes.count >= start + length else { throw truncated(start + length, bytes.count, path) }
        let digest = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self).littleEndian
        let text = Array(bytes[start..<start + length])
        guard digest == fnv1a(text, from: fnv1a(bytes[..<16])) else {
            throw FileError(.malformed, path: path, offset: 16, "the header is damaged", fix: remedy)
        }
        return text
    }

    private static func truncated(_ expected: Int, _ found: Int, _ path: String) -> FileError {
        FileError(
            .truncated, path: path, "the file is cut off", expected: "at least \(expected) bytes", found: "\(found)",
            fix: remedy)
    }

    private static func tensor(
        _ reader: JSONReader, at offset: Int, fileSize: Int, path: String
    ) throws(FileError) -> DeepCompressionInfo {
        let name = try reader.string("name")
        let digest = try reader.unsigned("digest")
        let extents = try reader.array("shape").map { $0.int ?? -1 }
        var count = 1
        for extent in extents {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard extent >= 0 && !overflow && product <= 1 << 48 else {
                throw FileError(
                    .malformed, path: path, tensor: FileError.excerpt(name), "the shape makes no sense",
                    expected: "sizes of at least 0 whose product fits memory", found: "\(extents)", fix: remedy)
            }
            count = product
        }
        var layout: SharedSection.Layout?
        if reader.has("codebook") {
            layout = SharedSection.Layout(
                codebook: try reader.integer("codebook", in: 0...SharedValues.mostValues),
                gapBits: try reader.integer("gap_bits", in: 0...8),
                entries: try reader.integer("entries", in: 0...1 << 48),
                symbolBytes: try reader.integer("symbol_bytes", in: 0...1 << 48),
                gapBytes: try reader.integer("gap_bytes", in: 0...1 << 48))
        }
        let size = layout?.bytes ?? 4 * count
        guard size <= fileSize - offset else {
            throw FileError(
                .truncated, path: path, tensor: FileError.excerpt(name), offset: UInt64(offset),
                "the file is cut off", expected: "\(size) more bytes", found: "\(fileSize - offset)", fix: remedy)
        }
        return DeepCompressionInfo(
            name: name, shape: extents, offset: offset, bytes: size, layout: layout, digest: digest)
    }
}
