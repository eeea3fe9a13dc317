import Foundation

/// The first 4096 bytes of a tokenized corpus. All numbers are little-endian, what is not named is zero.
///
///     0   8 bytes  "ALAMBTOK"
///     8   u32      version, 1
///     12  u32      bytes of a token, 2 or 4
///     16  u64      number of tokens
///     24  u64      bytes of the text that they stand for
///     32  u64      tokens in the vocabulary
///     40  u64      digest of the tokenizer
///     48  u64      digest of vocabulary and tokens
///     56  u64      FNV-1a of the other 4088 bytes of the header
///     64  u64      bytes of the tokenizer's files, at the end of the file
///     72  u64      FNV-1a of these
///     80  48 bytes the tokenizer's class in UTF-8
///
/// Then the tokens, padded with zeros to a multiple of 8 bytes, then the tokenizer's files (see ``TokenFile``).
struct TokenFileHeader: Equatable {
    static let size = 4096
    static let magic = Array("ALAMBTOK".utf8)
    static let version = 1
    private static let checksumPlace = 56
    private static let namePlace = 80
    private static let nameSize = 48

    var tokenBytes: Int
    var count: Int
    var textBytes: Int
    var vocabulary: Int
    var tokenizerDigest: UInt64
    var digest: UInt64
    var filesSize: Int
    var filesDigest: UInt64
    var tokenizerName: String

    /// Where the tokenizer's files begin.
    var filesPlace: Int { Self.size + (count * tokenBytes + 7) / 8 * 8 }

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        func put(_ value: UInt64, at place: Int, size: Int = 8) {
            for i in 0..<size { bytes[place + i] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(i))) }
        }
        bytes.replaceSubrange(0..<8, with: Self.magic)
        put(UInt64(truncatingIfNeeded: Self.version), at: 8, size: 4)
        put(UInt64(truncatingIfNeeded: tokenBytes), at: 12, size: 4)
        put(UInt64(truncatingIfNeeded: count), at: 16)
        put(UInt64(truncatingIfNeeded: textBytes), at: 24)
        put(UInt64(truncatingIfNeeded: vocabulary), at: 32)
        put(tokenizerDigest, at: 40)
        put(digest, at: 48)
        put(UInt64(truncatingIfNeeded: filesSize), at: 64)
        put(filesDigest, at: 72)
        let name = Array(tokenizerName.utf8.prefix(Self.nameSize))
        bytes.replaceSubrange(Self.namePlace..<Self.namePlace + name.count, with: name)
        put(Self.checksum(of: bytes), at: Self.checksumPlace)
        return bytes
    }

    init(
        tokenBytes: Int, count: Int, textBytes: Int, vocabulary: Int, tokenizerDigest: UInt64, digest: UInt64,
        filesSize: Int, filesDigest: UInt64, tokenizerName: String
    ) {
        self.tokenBytes = tokenBytes
        self.count = count
        self.textBytes = textBytes
        self.vocabulary = vocabulary
        self.tokenizerDigest = tokenizerDigest
        self.digest = digest
        self.filesSize = filesSize
        self.filesDigest = filesDigest
        self.tokenizerName = tokenizerName
    }

    /// Reads and checks the header of a file of `fileSize` bytes.
    init(_ bytes: some Collection<UInt8>, fileSize: Int, path: String) throws(FileError) {
        let bytes = Array(bytes)
        let remedy = "make it again with alambic tokenize"
        guard bytes.starts(with: Self.magic) else {
            throw FileError(
                .malformed, path: path, offset: 0, "this is not a tokenized corpus", expected: "'ALAMBTOK'",
                fix: remedy)
        }
        func truncated(_ expected: Int) -> FileError {
            FileError(
                .truncated, path: path, "the file is cut off", expected: "\(expected) bytes", found: "\(fileSize)",
                fix: "copy it again, or \(remedy)")
        }
        guard bytes.count == Self.size else { throw truncated(Self.size) }
        func number(at place: Int, size: Int = 8) -> UInt64 {
            (0..<size).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
        }
        // A later version may count its checksum in another way.
        let version = number(at: 8, size: 4)
        guard version == Self.version else {
            throw FileError(
                .unsupported, path: path, offset: 8, "another version of the format", expected: "\(Self.version)",
                found: "\(version)", fix: remedy)
        }
        guard number(at: Self.checksumPlace) == Self.checksum(of: bytes) else {
            throw FileError(
                .malformed, path: path, offset: UInt64(Self.checksumPlace), "the header is damaged",
                expected: "a checksum of \(String(Self.checksum(of: bytes), radix: 16))",
                found: String(number(at: Self.checksumPlace), radix: 16), fix: "copy it again, or \(remedy)")
        }
        func checked(_ name: String, at place: Int, size: Int = 8, in range: ClosedRange<Int>) throws(FileError) -> Int
        {
            let value = number(at: place, size: size)
            guard let value = Int(exactly: value), range.contains(value) else {
                throw FileError(
                    .malformed, path: path, offset: UInt64(place), "the \(name) makes no sense",
                    expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)", fix: remedy)
            }
            return value
        }
        tokenBytes = try checked("size of a token", at: 12, size: 4, in: 2...4)
        guard tokenBytes != 3 else {
            throw FileError(
                .malformed, path: path, offset: 12, "the size of a token makes no sense", expected: "2 or 4",
                found: "3", fix: remedy)
        }
        count = try checked("number of tokens", at: 16, in: 1...1 << 50)
        textBytes = try checked("number of bytes", at: 24, in: 1...1 << 60)
        vocabulary = try checked("vocabulary", at: 32, in: 1...1 << 31)
        tokenizerDigest = number(at: 40)
        digest = number(at: 48)
        filesSize = try checked("size of the tokenizer", at: 64, in: 0...1 << 40)
        filesDigest = number(at: 72)
        let name = bytes[Self.namePlace..<Self.namePlace + Self.nameSize].prefix { $0 != 0 }
        tokenizerName = String(decoding: name, as: UTF8.self)
        let expected = filesPlace + filesSize
        if fileSize < expected { throw truncated(expected) }
        if fileSize > expected {
            throw FileError(
                .malformed, path: path, offset: UInt64(expected), "there is something after the end",
                expected: "\(expected) bytes", found: "\(fileSize)", fix: "copy it again, or \(remedy)")
        }
    }

    private static func checksum(of bytes: [UInt8]) -> UInt64 {
        fnv1a(bytes[checksumPlace + 8..<size], from: fnv1a(bytes[..<checksumPlace]))
    }
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo), continued from an earlier value.
func fnv1a(_ bytes: some Sequence<UInt8>, from start: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
    bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
