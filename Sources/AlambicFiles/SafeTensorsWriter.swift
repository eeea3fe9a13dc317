import Foundation

extension SafeTensors {
    /// One tensor to be written. Its bytes are asked for when their turn comes, so that a model need not exist twice.
    public struct Entry {
        /// The tensor's name.
        public let name: String
        /// The element type.
        public let dtype: DType
        /// Sizes, slowest first.
        public let shape: [Int]
        let emit: (_ sink: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

        /// A tensor whose bytes `emit` hands to the sink, in one piece or in several, in all as many as `shape` says.
        public init(
            _ name: String, _ dtype: DType, shape: [Int],
            emit: @escaping (_ sink: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
        ) {
            self.name = name
            self.dtype = dtype
            self.shape = shape
            self.emit = emit
        }

        /// A tensor of these elements.
        public init<Element: TensorElement>(_ name: String, shape: [Int], _ elements: [Element]) {
            self.init(name, Element.dtype, shape: shape) { sink in
                try elements.withUnsafeBytes { try sink($0) }
            }
        }
    }

    /// Writes tensors to a file, whole or not at all. Equal tensors give equal bytes: the data is laid out as by the
    /// reference implementation (by descending alignment, then by name), and starts at a multiple of 8.
    /// - Parameters:
    ///   - entries: in any order; names must differ.
    ///   - metadata: free text for `__metadata__`; `format: pt` is what Hugging Face's loaders look for.
    ///   - url: the file, which may exist.
    /// - Throws: `FileError`, or what an entry throws.
    public static func write(_ entries: [Entry], metadata: [String: String] = ["format": "pt"], to url: URL) throws {
        let path = filePath(url)
        let rank = Dictionary(uniqueKeysWithValues: DType.allCases.enumerated().map { ($1, $0) })
        let entries = entries.sorted { a, b in
            a.dtype == b.dtype
                ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
                : (rank[a.dtype] ?? 0) > (rank[b.dtype] ?? 0)
        }
        var header = JSONObject()
        if !metadata.isEmpty {
            header["__metadata__"] = .object(
                JSONObject(metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
        }
        var end = 0
        var counts: [Int] = []
        for entry in entries {
            guard header[entry.name] == nil, entry.name != "__metadata__" else {
                throw FileError(
                    .mismatched, path: path, tensor: entry.name, "two tensors have this name, or it is reserved",
                    fix: "give each tensor its own name")
            }
            guard let count = entry.dtype.byteCount(shape: entry.shape), !end.addingReportingOverflow(count).overflow
            else {
                throw FileError(
                    .mismatched, path: path, tensor: entry.name, "the shape is not one of \(entry.dtype) tensors",
                    expected: "sizes whose product fits", found: "\(entry.shape)", fix: "correct the shape")
            }
            header[entry.name] = [
                "dtype": .string(entry.dtype.rawValue), "shape": .array(entry.shape.map { .number($0) }),
                "data_offsets": [.number(end), .number(end + count)],
            ]
            end += count
            counts.append(count)
        }
        var text = Array(JSON.object(header).line.utf8)
        text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
        guard text.count <= SafeTensorsHeader.lengthLimit else {
            throw FileError(
                .unsupported, path: path, "the header is too long", expected: "at most 100000000 bytes",
                found: "\(text.count)", fix: "write fewer tensors or shorter names")
        }
        try AtomicFile.write(to: url) { file in
            try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write($0) }
            try file.write(text)
            for (entry, count) in zip(entries, counts) {
                let start = file.position
                try entry.emit { try file.write($0) }
                guard file.position - start == count else {
                    throw FileError(
                        .mismatched, path: path, tensor: entry.name, "the bytes do not have the size of the shape",
                        expected: "\(count) bytes for \(entry.dtype) \(entry.shape)", found: "\(file.position - start)",
                        fix: "correct the shape or the data")
                }
            }
        }
    }
}
