import Foundation

/// A regular file in the address space of the process: its bytes are read from the disk when they are looked at, and the
/// system drops them again when memory is short. Nothing is copied.
///
/// A program that shortens the file in place pulls the bytes away from under its readers, which ends them; files that are
/// written atomically are replaced and never shortened.
public final class MappedFile: @unchecked Sendable {
    /// Where the file is.
    public let path: String
    /// Its size in bytes.
    public let count: Int
    private let start: UnsafeRawPointer?

    /// Maps a file.
    public init(_ url: URL) throws(FileError) {
        path = filePath(url)
        let file = try openRegularFile(path)
        count = Int(try file.status().st_size)
        guard count > 0 else {
            start = nil
            return
        }
        guard let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, file.raw, 0), mapped != MAP_FAILED else {
            throw .system(errno, "map the file", path: path)
        }
        start = UnsafeRawPointer(mapped)
    }

    deinit {
        if let start { munmap(UnsafeMutableRawPointer(mutating: start), count) }
    }

    /// Asks the system to read the file, and does not wait for it.
    func readAhead() {
        if let start { _ = madvise(UnsafeMutableRawPointer(mutating: start), count, MADV_WILLNEED) }
    }

    /// Lends the bytes.
    @inlinable
    public func withBytes<Result, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> Result
    ) throws(E) -> Result {
        try body(bytes)
    }

    @usableFromInline
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
}
