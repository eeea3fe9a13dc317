import Foundation

/// The header of one safetensors file, read and checked.
///
/// Checked: the file holds the length and the header; the header is strict JSON with no repeated key; every dtype is
/// known; sizes are integers of at least 0 whose product with the dtype's size fits; every tensor's range has exactly
/// that many bytes; and the ranges cover the data without a hole, an overlap or a byte left over.
struct SafeTensorsHeader {
    /// In the order of the data.
    let tensors: [(name: String, info: SafeTensors.Info)]
    let metadata: [String: String]

    /// The reference implementation's limit.
    static let lengthLimit = 100_000_000

    init(reading file: Descriptor, number: Int) throws(FileError) {
        let path = file.path
        let size = Int(try file.status().st_size)
        guard size >= 8 else {
            throw FileError(
                size == 0 ? .empty : .truncated, path: path, offset: 0,
                "the file is too short for a safetensors header", expected: "at least 8 bytes", found: "\(size)",
                fix: "copy or make the file again")
        }
        var word: UInt64 = 0
        try withUnsafeMutableBytes(of: &word) { (buffer) throws(FileError) in try file.read(into: buffer, at: 0) }
        let length = UInt64(littleEndian: word)
        guard length <= UInt64(Self.lengthLimit) else {
            throw FileError(
                .malformed, path: path, offset: 0, "the header length makes no sense",
                expected: "at most \(Self.lengthLimit) bytes", found: "\(length)",
                fix: "this is not a safetensors file, or it is damaged: copy or make it again")
        }
        guard length <= UInt64(size - 8) else {
            throw FileError(
                .truncated, path: path, offset: 0, "the header is longer than the file",
                expected: "\(length) bytes of header", found: "\(size - 8) bytes after the length",
                fix: "the file was cut short: copy or make it again")
        }
        var text = [UInt8](repeating: 0, count: Int(length))
        try text.withUnsafeMutableBufferPointer { (buffer) throws(FileError) in
            try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 8)
        }
        let reader = try JSONReader(try JSONParser.parse(text, path: path, base: 8), path: path)

        var metadata: [String: String] = [:]
        var tensors: [(name: String, info: SafeTensors.Info)] = []
        let start = 8 + Int(length)
        for (name, value) in reader.object.pairs {
            if name == "__metadata__" {
                let pairs = try reader.reader(name)
                for key in pairs.object.keys { metadata[key] = try pairs.string(key) }
            } else {
                tensors.append((name, try Self.info(name, value, path: path, start: start, size: size, number: number)))
            }
        }
        tensors.sort { a, b in
            (a.info.offset, a.info.byteCount) != (b.info.offset, b.info.byteCount)
                ? (a.info.offset, a.info.byteCount) < (b.info.offset, b.info.byteCount)
                : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
        }
        try Self.checkCover(tensors, path: path, start: start, size: size)
        self.tensors = tensors
        self.metadata = metadata
    }

    private static func info(
        _ name: String, _ value: JSON, path: String, start: Int, size: Int, number: Int
    ) throws(FileError) -> SafeTensors.Info {
        func failure(_ kind: FileError.Kind, _ problem: String, _ expected: String, _ found: String, at: Int? = nil)
            -> FileError
        {
            FileError(
                kind, path: path, tensor: FileError.excerpt(name), offset: UInt64(at ?? 8), problem, expected: expected,
                found: found, fix: "the file is damaged: copy or make it again")
        }
        /// Integers as the format writes them: no sign, fraction or exponent.
        func sizes(_ key: String) -> [Int]? {
            guard let elements = value[key]?.array else { return nil }
            let numbers = elements.compactMap { element -> Int? in
                guard case .number(let text) = element, let number = Int(text), number >= 0 else { return nil }
                return number
            }
            return numbers.count == elements.count ? numbers : nil
        }
        func found(_ key: String) -> String { FileError.excerpt(value[key]?.line ?? "no such key", limit: 60) }

        guard let dtypeName = value["dtype"]?.string else {
            throw failure(.malformed, "the header's dtype", "a name", found("dtype"))
        }
        guard let dtype = SafeTensors.DType(rawValue: dtypeName) else {
            throw failure(.unsupported, "unknown dtype", "one of the format's dtypes, as F32", found("dtype"))
        }
        guard let shape = sizes("shape") else {
            throw failure(.malformed, "the header's shape", "an array of sizes of at least 0", found("shape"))
        }
        guard let offsets = sizes("data_offsets"), offsets.count == 2 else {
            throw failure(.malformed, "the header's data_offsets", "[begin, end]", found("data_offsets"))
        }
        guard let byteCount = dtype.byteCount(shape: shape) else {
            throw failure(
                .malformed, "the tensor's size is beyond any memory or not a whole number of bytes",
                "a product of sizes that fits", "\(dtype) \(FileError.excerpt("\(shape)"))")
        }
        let (begin, end) = (offsets[0], offsets[1])
        // Int subtraction cannot overflow here, as both are at least 0.
        guard begin <= end else {
            throw failure(.malformed, "the tensor ends before it begins", "begin <= end", found("data_offsets"))
        }
        guard end <= size - start else {
            throw failure(
                .truncated, "the tensor reaches past the end of the file", "an end of at most \(size - start)",
                "\(end)", at: start + min(begin, size - start))
        }
        guard end - begin == byteCount else {
            throw failure(
                .malformed, "the tensor's range does not have the size of its shape",
                "\(byteCount) bytes for \(dtype) \(FileError.excerpt("\(shape)"))", "\(end - begin)", at: start + begin)
        }
        return SafeTensors.Info(dtype: dtype, shape: shape, offset: start + begin, byteCount: byteCount, file: number)
    }

    private static func checkCover(
        _ tensors: [(name: String, info: SafeTensors.Info)], path: String, start: Int, size: Int
    ) throws(FileError) {
        var next = start
        for (name, info) in tensors {
            guard info.offset == next else {
                throw FileError(
                    .malformed, path: path, tensor: FileError.excerpt(name), offset: UInt64(info.offset),
                    info.offset < next ? "the tensor overlaps another" : "there is a hole before the tensor",
                    expected: "its data at byte \(next)", found: "\(info.offset)",
                    fix: "the file is damaged or malicious: copy or make it again")
            }
            next += info.byteCount
        }
        guard next == size else {
            throw FileError(
                .malformed, path: path, offset: UInt64(next), "there are bytes after the last tensor",
                expected: "the end", found: "\(size - next) more bytes",
                fix: "the file is damaged: copy or make it again")
        }
    }
}
