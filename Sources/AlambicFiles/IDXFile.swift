import Foundation

/// An array of bytes in the IDX format, in which MNIST is published (LeCun, Cortes and Burges): two zeros, the element
/// type, the number of dimensions, each extent as a big-endian 32-bit number, then the elements, row-major. Files that
/// gzip packed are unpacked.
public struct IDXFile: Sendable {
    /// The extents, slowest first.
    public let shape: [Int]
    /// The elements.
    public let elements: [UInt8]

    /// The most that is read: more than any set of this kind has.
    static let limit = 1 << 30

    /// Reads a file of unsigned bytes.
    ///
    /// - Parameter dimensions: how many there must be.
    public init(contentsOf url: URL, dimensions: Int) throws(FileError) {
        let file = try MappedFile(url)
        let path = file.path
        let bytes = try file.withBytes { buffer throws(FileError) -> [UInt8] in
            Inflate.isGzip(buffer) ? try Inflate.gunzip(buffer, limit: Self.limit, path: path) : [UInt8](buffer)
        }
        try self.init(bytes, dimensions: dimensions, path: path)
    }

    init(_ bytes: [UInt8], dimensions: Int, path: String) throws(FileError) {
        let header = 4 + 4 * dimensions
        guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, Int(bytes[3]) == dimensions else {
            let found = bytes.prefix(4).map { String(format: "%02x", $0) }.joined()
            throw FileError(
                .unsupported, path: path, "the file does not begin as an IDX file of bytes does",
                expected: "000008" + String(format: "%02x", dimensions), found: found.isEmpty ? "nothing" : found,
                fix: "use one of MNIST's files")
        }
        guard bytes.count >= header else {
            throw FileError(
                .truncated, path: path, "the file ends within its header", expected: "\(header) bytes",
                found: "\(bytes.count)", fix: "fetch the file again")
        }
        var (shape, count) = ([Int](), 1)
        for dimension in 0..<dimensions {
            let extent = bytes[4 + 4 * dimension..<8 + 4 * dimension].reduce(0) { $0 << 8 | Int($1) }
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow, product <= Self.limit else {
                throw FileError(
                    .malformed, path: path, offset: UInt64(4 + 4 * dimension), "the extents are too large",
                    found: "\(shape + [extent])", fix: "fetch the file again")
            }
            shape.append(extent)
            count = product
        }
        guard bytes.count == header + count else {
            throw FileError(
                .truncated, path: path, "the file has not as many elements as its header says",
                expected: "\(count) for \(shape)", found: "\(bytes.count - header)", fix: "fetch the file again")
        }
        self.shape = shape
        elements = Array(bytes[header...])
    }
}
