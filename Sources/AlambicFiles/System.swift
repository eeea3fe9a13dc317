import Foundation

/// Points between system calls at which a test may make a write fail or the process die. Without a test, nothing.
package enum FaultPoint {
    /// Called with the name of each step of a write that is about to happen.
    @TaskLocal package static var hook: (@Sendable (_ step: String) throws(FileError) -> Void)?

    /// Pretends that the file system cannot exchange two names.
    @TaskLocal package static var withoutExchange = false

    @inline(__always)
    static func reach(_ step: String) throws(FileError) {
        if let hook { try hook(step) }
    }
}

/// An open file, closed when the last reference to it goes.
final class Descriptor: Sendable {
    let raw: Int32
    let path: String

    init(adopting raw: Int32, path: String) {
        self.raw = raw
        self.path = path
    }

    init(open path: String, _ flags: Int32, mode: mode_t = 0o666, _ action: String) throws(FileError) {
        raw = retrying { Foundation.open(path, flags | O_CLOEXEC, mode) }
        if raw < 0 { throw .system(errno, action, path: path) }
        self.path = path
    }

    deinit { close(raw) }

    func status() throws(FileError) -> stat {
        var status = stat()
        guard fstat(raw, &status) == 0 else { throw .system(errno, "read the status of the file", path: path) }
        return status
    }

    /// Fills `buffer` from `offset` on; a file that ends earlier is an error.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, tensor: String? = nil) throws(FileError) {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            // Linux moves at most 0x7ffff000 bytes per call; macOS refuses more than INT_MAX.
            let count = min(rest.count, 1 << 30)
            let got = retrying { pread(raw, rest.baseAddress, count, off_t(offset + done)) }
            if got < 0 { throw .system(errno, "read", path: path) }
            if got == 0 {
                throw FileError(
                    .truncated, path: path, tensor: tensor, offset: UInt64(offset + done),
                    "the file ended while it was read", expected: "\(buffer.count - done) more bytes",
                    found: "the end", fix: "another program changed it: copy the file again")
            }
            done += got
        }
    }

    /// Writes all of `buffer` at the current position.
    func write(_ buffer: UnsafeRawBufferPointer, for target: String) throws(FileError) {
        var done = 0
        while done < buffer.count {
            try FaultPoint.reach("write")
            let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
            let count = min(rest.count, 1 << 30)
            let written = retrying { Foundation.write(raw, rest.baseAddress, count) }
            if written < 0 { throw .system(errno, "write", path: target) }
            done += written
        }
    }

    /// Waits until the contents are on the disk.
    func synchronize(for target: String) throws(FileError) {
        try FaultPoint.reach("fsync")
        #if canImport(Darwin)
            // `fsync` on macOS does not flush the drive's cache.
            if fcntl(raw, F_FULLFSYNC) == 0 { return }
        #endif
        guard retrying({ fsync(raw) }) == 0 else {
            // Some file systems cannot synchronize a directory; there is nothing more that we could do.
            if errno == EINVAL || errno == ENOTSUP { return }
            throw .system(errno, "write to the disk", path: target)
        }
    }

    /// Takes the advisory lock, which the system releases when the process ends, however it ends.
    func lock(waiting: Bool) -> Bool {
        retrying { flock(raw, waiting ? LOCK_EX : LOCK_EX | LOCK_NB) } == 0
    }

    /// Whether `path` still names this very file.
    var isStillAtItsPath: Bool { isAt(path) }

    func isAt(_ path: String) -> Bool {
        var here = stat()
        var there = stat()
        guard fstat(raw, &here) == 0, lstat(path, &there) == 0 else { return false }
        return here.st_dev == there.st_dev && here.st_ino == there.st_ino
    }
}

/// Repeats a system call that a signal interrupted.
@inline(__always)
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// What stands at a path.
enum FileType {
    case file
    case directory
    case link
    case other

    init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: self = .file
        case S_IFDIR: self = .directory
        case S_IFLNK: self = .link
        default: self = .other
        }
    }
}

/// The status of `path`, or nil where nothing is there.
func status(_ path: String, followingLinks: Bool = true) throws(FileError) -> stat? {
    var result = stat()
    guard (followingLinks ? stat(path, &result) : lstat(path, &result)) == 0 else {
        if errno == ENOENT { return nil }
        throw .system(errno, "look at the path", path: path)
    }
    return result
}

/// The names in a directory, without `.` and `..`, in ascending order of their bytes.
func entries(of path: String) throws(FileError) -> [String] {
    guard let directory = opendir(path) else { throw .system(errno, "list the directory", path: path) }
    defer { closedir(directory) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = readdir(directory) else {
            if errno != 0 { throw .system(errno, "list the directory", path: path) }
            break
        }
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: entry.pointee.d_name)) {
                String(cString: $0)
            }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}

/// Waits until the names in a directory are on the disk.
func synchronizeDirectory(_ path: String) throws(FileError) {
    try Descriptor(open: path, O_RDONLY | O_DIRECTORY, "open the directory").synchronize(for: path)
}

/// A file's path, without a trailing slash.
func filePath(_ url: URL) -> String {
    let path = url.path
    return path.isEmpty ? "." : path
}

/// The whole of a regular file.
/// - Parameter limit: the greatest size that makes sense, in bytes.
func readWholeFile(_ path: String, limit: Int = .max) throws(FileError) -> [UInt8] {
    let file = try openRegularFile(path)
    let size = Int(try file.status().st_size)
    guard size <= limit else {
        throw FileError(
            .malformed, path: path, "the file is too large", expected: "at most \(limit) bytes", found: "\(size)",
            fix: "check that it is the right file")
    }
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        do throws(FileError) {
            try file.read(
                into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size]), at: 0)
            count = size
        } catch {
            failure = error
        }
    }
    if let failure { throw failure }
    return bytes
}

/// Opens a regular file for reading; directories, devices and pipes are errors.
func openRegularFile(_ path: String) throws(FileError) -> Descriptor {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let file = try Descriptor(open: path, O_RDONLY | O_NONBLOCK, "open the file")
    switch FileType(try file.status()) {
    case .file: return file
    case .directory:
        throw FileError(.notAFile, path: path, "this is a directory", expected: "a file", fix: "name a file inside it")
    default:
        throw FileError(
            .notAFile, path: path, "this is not a regular file", fix: "save its contents to a file and name that")
    }
}
