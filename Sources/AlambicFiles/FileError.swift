import Foundation

/// What is wrong with a file or directory, in one line that names the file, the place in it, what was expected and
/// found there, and what to do about it.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
    /// The class of a circumstance, for callers that react differently to some of them.
    public enum Kind: String, Sendable {
        /// Nothing exists at the path.
        case missing
        /// A directory or a device stands where a regular file is expected.
        case notAFile
        /// A file stands where a directory is expected.
        case notADirectory
        /// The operating system refuses access.
        case permission
        /// The disk, the quota or the file size limit is exhausted.
        case full
        /// The file ends before what its header or its size promised.
        case truncated
        /// The bytes do not follow the format.
        case malformed
        /// The format is right, but not what the reader needs: another dtype, shape or set of tensors.
        case mismatched
        /// The format is right, but asks for something that this library does not do.
        case unsupported
        /// There is nothing in the file.
        case empty
        /// Text was expected, and this is not text.
        case binary
        /// The operating system reports another failure of a read or a write.
        case system
    }

    /// The class of the circumstance.
    public var kind: Kind
    /// The file or directory.
    public var path: String
    /// The tensor concerned, in a safetensors file.
    public var tensor: String?
    /// The byte offset from the start of the file, where there is one.
    public var offset: UInt64?
    /// What is wrong, in a few words.
    public var problem: String
    /// What should have been there.
    public var expected: String?
    /// What is there.
    public var found: String?
    /// What the user can do.
    public var fix: String

    /// An error about `path`.
    public init(
        _ kind: Kind, path: String, tensor: String? = nil, offset: UInt64? = nil, _ problem: String,
        expected: String? = nil, found: String? = nil, fix: String
    ) {
        self.kind = kind
        self.path = path
        self.tensor = tensor
        self.offset = offset
        self.problem = problem
        self.expected = expected
        self.found = found
        self.fix = fix
    }

    /// One line: `path: tensor 'name': at byte N: problem: expected …, found …; fix`.
    public var description: String {
        var parts = [path]
        if let tensor { parts.append("tensor '\(tensor)'") }
        if let offset { parts.append("at byte \(offset)") }
        parts.append(problem)
        var line = parts.joined(separator: ": ")
        switch (expected, found) {
        case (let expected?, let found?): line += ": expected \(expected), found \(found)"
        case (let expected?, nil): line += ": expected \(expected)"
        case (nil, let found?): line += ": found \(found)"
        case (nil, nil): break
        }
        return Self.oneLine(line + "; " + fix)
    }

    /// The same line as `description`.
    public var errorDescription: String? { description }

    /// Names come from files that strangers wrote: control characters would break the line or drive the terminal.
    static func oneLine(_ text: String) -> String {
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control
            let breaksLine = scalar == "\u{2028}" || scalar == "\u{2029}"
            clean.append(isControl || breaksLine ? "\u{FFFD}" : scalar)
        }
        return String(clean)
    }

    /// A name or a piece of text from a file, cut to a length that still fits one line.
    static func excerpt(_ text: String, limit: Int = 80) -> String {
        text.count <= limit ? text : text.prefix(limit) + "…"
    }

    /// The failure of a system call.
    /// - Parameters:
    ///   - code: its `errno`.
    ///   - action: what was attempted, as in "cannot \(action)".
    static func system(_ code: Int32, _ action: String, path: String) -> FileError {
        let reason = String(cString: strerror(code))
        let (kind, fix): (Kind, String) =
            switch code {
            case ENOENT: (.missing, "check the path")
            case EACCES, EPERM: (.permission, "change its permissions, or choose another path")
            case EROFS: (.permission, "the file system is read-only: choose another path")
            case ENOSPC, EDQUOT: (.full, "free some space, or choose a path on another disk")
            case EFBIG: (.full, "raise the file size limit (ulimit -f), or write something smaller")
            case EISDIR: (.notAFile, "name a file, not a directory")
            case ENOTDIR: (.notADirectory, "a part of the path is a file: choose another path")
            case ENAMETOOLONG: (.system, "choose a shorter name")
            case EMFILE, ENFILE: (.system, "too many files are open: raise the limit (ulimit -n)")
            case EBUSY, EXDEV:
                (.system, "it is a mount point or on another file system: choose a directory inside it")
            default: (.system, "check the disk and the path")
            }
        return FileError(kind, path: path, "cannot \(action): \(reason)", fix: fix)
    }
}
