import Foundation

/// The file that an atomic write fills. Writes are gathered into pieces of 1 MB.
public final class FileWriter {
    private let descriptor: Descriptor
    private let target: String
    private var buffer: [UInt8] = []
    private static let piece = 1 << 20

    /// Bytes written so far.
    public private(set) var position = 0

    init(_ descriptor: Descriptor, target: String) {
        self.descriptor = descriptor
        self.target = target
        buffer.reserveCapacity(Self.piece)
    }

    /// Appends bytes.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        position += bytes.count
        if bytes.count + buffer.count > Self.piece {
            try flush()
            if bytes.count >= Self.piece {
                try descriptor.write(bytes, for: target)
                return
            }
        }
        buffer.append(contentsOf: bytes)
    }

    /// Appends bytes.
    public func write(_ bytes: [UInt8]) throws(FileError) {
        try bytes.withUnsafeBufferPointer { (buffer) throws(FileError) in
            try write(UnsafeRawBufferPointer(buffer))
        }
    }

    /// Appends text in UTF-8.
    public func write(_ text: String) throws(FileError) { try write(Array(text.utf8)) }

    func flush() throws(FileError) {
        try buffer.withUnsafeBufferPointer { (buffer) throws(FileError) in
            try descriptor.write(UnsafeRawBufferPointer(buffer), for: target)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// Files that are written whole or not at all.
public enum AtomicFile {
    /// Writes a file under a temporary name in the same directory, synchronizes it, and renames it into place.
    /// On any error, a full disk included, the temporary is removed and what was there before is left as it was;
    /// after a crash or a power cut, either the old file is there or the new one, whole. An existing file's permissions
    /// are kept; a symbolic link stays one, and what it points to is replaced.
    /// - Throws: `FileError`, or what `body` throws.
    public static func write(to url: URL, _ body: (FileWriter) throws -> Void) throws {
        let target = try Destination(url)
        let old = try status(target.path)
        if let old, FileType(old) != .file {
            throw FileError(
                .notAFile, path: target.path,
                FileType(old) == .directory ? "this is a directory" : "this is not a regular file",
                expected: "a file or nothing", fix: "choose another path")
        }
        Temporary.removeStale(in: target.parent, for: target.name)
        let temporary = try Temporary(in: target.parent, for: target.name, directory: false)
        do {
            let writer = FileWriter(temporary.descriptor, target: target.path)
            try body(writer)
            try writer.flush()
            if let old { _ = fchmod(temporary.descriptor.raw, old.st_mode & 0o7777) }
            try temporary.descriptor.synchronize(for: target.path)
            try FaultPoint.reach("rename")
            guard rename(temporary.path, target.path) == 0 else {
                throw FileError.system(errno, "rename the finished file into place", path: target.path)
            }
        } catch {
            temporary.remove()
            throw error
        }
        // The new file is in place; only the name's way to the disk is still open.
        try synchronizeDirectory(target.parent)
    }

    /// Writes these bytes.
    public static func write(_ bytes: [UInt8], to url: URL) throws(FileError) {
        do {
            try write(to: url) { try $0.write(bytes) }
        } catch let error as FileError {
            throw error
        } catch {
            throw FileError(.system, path: filePath(url), "cannot write: \(error)", fix: "check the disk and the path")
        }
    }

    /// Writes this text in UTF-8.
    public static func write(_ text: String, to url: URL) throws(FileError) {
        try write(Array(text.utf8), to: url)
    }
}
