import Foundation

/// A tokenized corpus on disk, mapped into memory: a header of 4096 bytes, tokens of 2 or 4 bytes, and the files of the
/// tokenizer that made them, so that whoever has the corpus has its tokenizer.
///
/// The files stand one after the other: u32 bytes of the name, the name in UTF-8, u64 bytes of the contents, the contents.
public final class TokenFile: Sendable {
    private let header: TokenFileHeader
    private let file: MappedFile
    /// The files of the tokenizer, by name.
    public let tokenizerFiles: [(name: String, contents: [UInt8])]

    /// Where the file is.
    public var path: String { file.path }
    /// The number of tokens.
    public var count: Int { header.count }
    /// Bytes of a token: 2 or 4.
    public var tokenBytes: Int { header.tokenBytes }
    /// Bytes of the text that the tokens stand for.
    public var textBytes: Int { header.textBytes }
    /// Tokens are numbered from 0 to below this.
    public var vocabulary: Int { header.vocabulary }
    /// The class of the tokenizer.
    public var tokenizerName: String { header.tokenizerName }
    /// What tells the tokenizer apart.
    public var tokenizerDigest: UInt64 { header.tokenizerDigest }
    /// What tells the corpus apart: ``digest(of:vocabulary:)`` when it was written.
    public var digest: UInt64 { header.digest }

    /// Opens a file and checks its header, its size and its tokenizer's files. The tokens are not looked at.
    /// - Throws: `FileError` for a file that is of another kind, cut off or damaged.
    public init(_ url: URL) throws(FileError) {
        let file = try MappedFile(url)
        let path = file.path
        header = try file.withBytes { (bytes) throws(FileError) in
            try TokenFileHeader(bytes.prefix(TokenFileHeader.size), fileSize: bytes.count, path: path)
        }
        let (place, expected) = (header.filesPlace, header.filesDigest)
        tokenizerFiles = try file.withBytes { (bytes) throws(FileError) in
            let section = Array(bytes[place...])
            guard fnv1a(section) == expected, let files = Self.unpacked(section) else {
                throw FileError(
                    .malformed, path: path, offset: UInt64(place), "the tokenizer's files are damaged",
                    fix: "copy it again, or make it again with alambic tokenize")
            }
            return files
        }
        self.file = file
        // What memory can hold beside everything else is read now, while nobody waits for it.
        isReadAhead = UInt64(file.count) < ProcessInfo.processInfo.physicalMemory / 4
        if isReadAhead { file.readAhead() }
    }

    /// Whether the system was asked to read all of it when it was opened: looking at a token then waits for no disk.
    public let isReadAhead: Bool

    /// Whether a file begins as these do, whatever follows.
    public static func isOne(_ url: URL) -> Bool {
        guard let file = try? openRegularFile(filePath(url)) else { return false }
        var start = [UInt8](repeating: 0, count: TokenFileHeader.magic.count)
        let isRead = start.withUnsafeMutableBytes { (try? file.read(into: $0, at: 0)) != nil }
        return isRead && start == TokenFileHeader.magic
    }

    /// Lends the tokens when they have 2 bytes; nil when they have 4.
    private func withTokens16<R>(_ body: (UnsafeBufferPointer<UInt16>) throws -> R) rethrows -> R? {
        guard tokenBytes == 2 else { return nil }
        return try file.withBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[tokenRange]).bindMemory(to: UInt16.self))
        }
    }

    /// Lends the tokens when they have 4 bytes; nil when they have 2.
    @discardableResult
    private func withTokens32<R>(_ body: (UnsafeBufferPointer<UInt32>) throws -> R) rethrows -> R? {
        guard tokenBytes == 4 else { return nil }
        return try file.withBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[tokenRange]).bindMemory(to: UInt32.self))
        }
    }

    private var tokenRange: Range<Int> { TokenFileHeader.size..<TokenFileHeader.size + count * tokenBytes }

    /// Token number `index`. One beyond `Int32`, which only a damaged file has, becomes `Int32.max`, which no vocabulary
    /// holds.
    public subscript(index: Int) -> Int32 {
        precondition(index >= 0 && index < count, "token \(index) of \(count)")
        let place = TokenFileHeader.size + index * tokenBytes
        return file.withBytes { bytes in
            tokenBytes == 2
                ? Int32(UInt16(littleEndian: bytes.load(fromByteOffset: place, as: UInt16.self)))
                : Int32(clamping: UInt32(littleEndian: bytes.load(fromByteOffset: place, as: UInt32.self)))
        }
    }

    /// Copies the tokens of a range of places.
    public func copy(_ range: Range<Int>, to target: UnsafeMutableBufferPointer<Int32>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "tokens \(range) of \(count)")
        precondition(target.count == range.count, "\(range.count) tokens into a place for \(target.count)")
        let isNarrow: Void? = withTokens16 { tokens in
            for i in 0..<target.count { target[i] = Int32(UInt16(littleEndian: tokens[range.lowerBound + i])) }
        }
        guard isNarrow == nil else { return }
        withTokens32 { tokens in
            for i in 0..<target.count {
                target[i] = Int32(clamping: UInt32(littleEndian: tokens[range.lowerBound + i]))
            }
        }
    }

    /// A number that tells corpora apart: FNV-1a over vocabulary and tokens.
    public static func digest(of tokens: some Sequence<Int32>, vocabulary: Int) -> UInt64 {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        digest = (digest ^ UInt64(vocabulary)) &* 0x100_0000_01B3
        for token in tokens { digest = (digest ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01B3 }
        return digest
    }

    /// Writes a file, whole or not at all. Tokens have 2 bytes where the vocabulary allows it.
    ///
    /// - Parameters:
    ///   - textBytes: bytes of the text that the tokens stand for.
    ///   - tokenizer: its class, its digest, and its files.
    public static func write(
        _ tokens: [Int32], textBytes: Int, vocabulary: Int,
        tokenizer: (name: String, digest: UInt64, files: [(name: String, contents: [UInt8])]), to url: URL
    ) throws {
        precondition(!tokens.isEmpty, "a corpus without tokens")
        let section = packed(tokenizer.files)
        let header = TokenFileHeader(
            tokenBytes: vocabulary <= 1 << 16 ? 2 : 4, count: tokens.count, textBytes: textBytes,
            vocabulary: vocabulary, tokenizerDigest: tokenizer.digest,
            digest: digest(of: tokens, vocabulary: vocabulary), filesSize: section.count,
            filesDigest: fnv1a(section), tokenizerName: tokenizer.name)
        try AtomicFile.write(to: url) { writer in
            try writer.write(header.bytes)
            for start in stride(from: 0, to: tokens.count, by: 1 << 18) {
                let part = tokens[start..<min(start + 1 << 18, tokens.count)]
                if header.tokenBytes == 2 {
                    let narrow = part.map { UInt16(truncatingIfNeeded: $0).littleEndian }
                    try narrow.withUnsafeBytes { try writer.write($0) }
                } else {
                    let wide = part.map { UInt32(bitPattern: $0).littleEndian }
                    try wide.withUnsafeBytes { try writer.write($0) }
                }
            }
            try writer.write([UInt8](repeating: 0, count: header.filesPlace - writer.position))
            try writer.write(section)
        }
    }

    private static func packed(_ files: [(name: String, contents: [UInt8])]) -> [UInt8] {
        var bytes: [UInt8] = []
        func put(_ number: Int, size: Int) {
            for i in 0..<size { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * i))) }
        }
        for file in files {
            put(file.name.utf8.count, size: 4)
            bytes += file.name.utf8
            put(file.contents.count, size: 8)
            bytes += file.contents
        }
        return bytes
    }

    private static func unpacked(_ bytes: [UInt8]) -> [(name: String, contents: [UInt8])]? {
        var files: [(name: String, contents: [UInt8])] = []
        var rest = bytes[...]
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard count >= 0, count <= rest.count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number(_ size: Int) -> Int? {
            take(size)?.reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        while !rest.isEmpty {
            guard let nameSize = number(4), let name = take(nameSize), let size = number(8), let contents = take(size)
            else { return nil }
            files.append((String(decoding: name, as: UTF8.self), Array(contents)))
        }
        return files
    }
}
