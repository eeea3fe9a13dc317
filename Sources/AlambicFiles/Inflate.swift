import CZlib
import Foundation

/// Unpacks gzip files, with zlib.
enum Inflate {
    /// Whether bytes begin as a gzip file does (RFC 1952).
    static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
    }

    /// The contents of a gzip file.
    ///
    /// - Parameter limit: more bytes than this are refused: no small file may fill the memory.
    static func gunzip(_ bytes: UnsafeRawBufferPointer, limit: Int, path: String) throws(FileError) -> [UInt8] {
        var stream = z_stream()
        // 16: a gzip header, 15: the largest window.
        guard inflateInit2_(&stream, 16 + 15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw FileError(.malformed, path: path, "zlib cannot start", fix: "free some memory")
        }
        defer { inflateEnd(&stream) }
        guard bytes.count <= Int(UInt32.max) else {
            throw FileError(.unsupported, path: path, "a gzip file of more than 4 GB", fix: "unpack it first")
        }
        stream.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(bytes.count)
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let status = chunk.withUnsafeMutableBufferPointer { buffer -> Int32 in
                stream.next_out = buffer.baseAddress
                stream.avail_out = UInt32(buffer.count)
                return inflate(&stream, Z_NO_FLUSH)
            }
            contents += chunk[..<(chunk.count - Int(stream.avail_out))]
            guard contents.count <= limit else {
                throw FileError(
                    .unsupported, path: path, "the unpacked file is too long", expected: "at most \(limit) bytes",
                    fix: "use the right file")
            }
            if status == Z_STREAM_END { return contents }
            guard status == Z_OK, stream.avail_in > 0 || stream.avail_out == 0 else {
                throw FileError(
                    .malformed, path: path, "the gzip stream is cut off or damaged", found: "\(contents.count) bytes",
                    fix: "fetch the file again")
            }
        }
    }
}
