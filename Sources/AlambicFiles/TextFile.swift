import Foundation

/// Text for training and evaluation, as bytes, with the files that it came from.
public struct TextFile: Sendable {
    /// One file of the text.
    public struct Source: Sendable, Equatable {
        /// Where it was read.
        public let path: String
        /// Its place in `bytes`.
        public let range: Range<Int>
    }

    /// All files, one after the other, as they are.
    public let bytes: [UInt8]
    /// The files in their order.
    public let sources: [Source]
    /// Files of a directory that were left out because another one has the same contents.
    public let duplicates: [String]

    /// Bytes that are not UTF-8 above this share mean that the file is not text. (Latin-1 text stays below it.)
    static let invalidShare = 0.25

    /// Reads text from files and directories.
    ///
    /// Of a directory: its regular files in the order of their names, without hidden ones, symbolic links, empty files
    /// and repeated contents; its sub-directories are not entered. A file that is named is read even if it is a link.
    /// - Throws: `FileError` for a path that is missing, unreadable, not a regular file or directory, empty, larger
    ///   than the machine's memory, or not text.
    public static func read(_ urls: [URL]) throws(FileError) -> TextFile {
        var bytes: [UInt8] = []
        var sources: [Source] = []
        var duplicates: [String] = []
        func add(_ path: String, _ contents: [UInt8]) {
            sources.append(Source(path: path, range: bytes.count..<bytes.count + contents.count))
            // The first file, usually the only one, is not copied.
            if bytes.isEmpty { bytes = contents } else { bytes += contents }
        }
        for url in urls {
            let path = filePath(url)
            guard let status = try status(path) else {
                throw FileError(.missing, path: path, "there is no such file or directory", fix: "check the path")
            }
            guard FileType(status) == .directory else {
                let contents = try text(path)
                guard !contents.isEmpty else {
                    throw FileError(.empty, path: path, "the file is empty", expected: "text", fix: "name another file")
                }
                add(path, contents)
                continue
            }
            var seen: [Int: [Range<Int>]] = [:]
            let before = sources.count
            for name in try entries(of: path) where !name.hasPrefix(".") {
                let file = path.hasSuffix("/") ? path + name : path + "/" + name
                guard let status = try AlambicFiles.status(file, followingLinks: false), FileType(status) == .file
                else { continue }
                let contents = try text(file)
                if contents.isEmpty { continue }
                if seen[contents.hashValue, default: []].contains(where: { bytes[$0].elementsEqual(contents) }) {
                    duplicates.append(file)
                    continue
                }
                add(file, contents)
                seen[contents.hashValue, default: []].append(sources[sources.count - 1].range)
            }
            guard sources.count > before else {
                throw FileError(
                    .empty, path: path, "the directory holds no text", expected: "regular files in it",
                    fix: "name a file, or a directory with text files directly in it")
            }
        }
        guard !bytes.isEmpty else {
            throw FileError(.missing, path: "(no path)", "no text was named", fix: "name a file or a directory")
        }
        return TextFile(bytes: bytes, sources: sources, duplicates: duplicates)
    }

    /// Reads text from one file or directory.
    public static func read(_ url: URL) throws(FileError) -> TextFile { try read([url]) }

    private static func text(_ path: String) throws(FileError) -> [UInt8] {
        let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
        let contents = try readWholeFile(path, limit: memory)
        try requireText(contents, path: path)
        return contents
    }

    /// Throws if the bytes are not text: a NUL byte, or more invalid UTF-8 than an old 8-bit encoding gives.
    /// - Parameter path: the file, for the message.
    public static func requireText(_ bytes: [UInt8], path: String) throws(FileError) {
        if let zero = bytes.firstIndex(of: 0) {
            throw FileError(
                .binary, path: path, offset: UInt64(zero), "this is not text", expected: "UTF-8",
                found: "a NUL byte", fix: "name a text file (UTF-16 text: convert it with iconv -t UTF-8)")
        }
        let invalid = invalidUTF8Count(bytes)
        if Double(invalid) > invalidShare * Double(bytes.count) {
            throw FileError(
                .binary, path: path, "this is not text", expected: "UTF-8",
                found: "\(invalid) of \(bytes.count) bytes that are not", fix: "name a text file")
        }
    }

    /// Bytes that belong to no well-formed UTF-8 sequence (Unicode, table 3-7).
    static func invalidUTF8Count(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBufferPointer { bytes in
            var invalid = 0
            var at = 0
            while at < bytes.count {
                let first = bytes[at]
                if first < 0x80 {
                    at += 1
                    continue
                }
                let (length, second): (Int, ClosedRange<UInt8>) =
                    switch first {
                    case 0xc2...0xdf: (2, 0x80...0xbf)
                    case 0xe0: (3, 0xa0...0xbf)
                    case 0xed: (3, 0x80...0x9f)
                    case 0xe1...0xef: (3, 0x80...0xbf)
                    case 0xf0: (4, 0x90...0xbf)
                    case 0xf1...0xf3: (4, 0x80...0xbf)
                    case 0xf4: (4, 0x80...0x8f)
                    default: (0, 0x80...0xbf)
                    }
                let isWhole =
                    length > 0 && at + length <= bytes.count && second.contains(bytes[at + 1])
                    && bytes[(at + 2)..<max(at + 2, at + length)].allSatisfy { $0 & 0xc0 == 0x80 }
                if isWhole {
                    at += length
                } else {
                    invalid += 1
                    at += 1
                }
            }
            return invalid
        }
    }
}
