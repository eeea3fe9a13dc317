import Foundation

/// A network as Deep Compression stores it (Han, Mao and Dally, "Deep Compression: Compressing Deep Neural Networks with
/// Pruning, Trained Quantization and Huffman Coding", ICLR 2016): of each pruned matrix only the non-zeros are there, as
/// symbols of a few shared values and as steps from one to the next, both Huffman coded. Other tensors are plain floats.
/// It is decoded when it is loaded; every weight comes back bit for bit.
///
///     0   8 bytes  "ALAMDEEP"
///     8   u32      version, 1
///     12  u32      bytes of the header
///     16  u64      FNV-1a of the 16 bytes before and of the header
///     24  header   JSON: "metadata" of any kind, and "tensors" in the order of their sections, each with its name and
///                  shape, the lengths of its parts and the FNV-1a of its section
///         sections one after the other, without holes
///
/// Little-endian. Nothing but what the header names is in the file, so its size is the whole cost of the network.
public final class DeepCompressionFile: Sendable {
    /// Where the file is.
    public var path: String { file.path }
    /// All of its bytes, headers and tables included.
    public var bytes: Int { file.count }
    /// What the writer said of the whole, as the network's configuration.
    public let metadata: JSON
    /// The tensors in order.
    public let tensors: [DeepCompressionInfo]
    private let file: MappedFile

    /// Opens a file and checks its header; a tensor's bytes are checked when it is read.
    public init(_ url: URL) throws(FileError) {
        let file = try MappedFile(url)
        let header = try file.withBytes { (bytes) throws(FileError) in
            try DeepCompressionHeader(bytes, path: file.path)
        }
        metadata = header.metadata
        tensors = header.tensors
        self.file = file
    }

    /// Decodes one tensor.
    ///
    /// - Throws: `FileError` when there is none of this name, or when its bytes are damaged or do not decode to its shape.
    public func tensor(_ name: String) throws(FileError) -> DeepCompressionTensor {
        guard let info = tensors.first(where: { $0.name == name }) else {
            throw FileError(
                .mismatched, path: path, tensor: FileError.excerpt(name), "the file has no such tensor",
                fix: "name another file: this one is of another network")
        }
        let section = file.withBytes { Array($0[info.offset..<info.offset + info.bytes]) }
        func failure(_ error: StreamError) -> FileError {
            FileError(
                .malformed, path: path, tensor: FileError.excerpt(name), offset: UInt64(info.offset), error.problem,
                expected: error.expected, found: error.found, fix: "copy it again, or make it again")
        }
        guard fnv1a(section) == info.digest else {
            throw failure(StreamError("the tensor's bytes are damaged"))
        }
        guard let layout = info.layout else { return .floats(shape: info.shape, floats(section)) }
        do throws(StreamError) {
            return .shared(try SharedSection.decode(section, layout, shape: info.shape))
        } catch {
            throw failure(error)
        }
    }

    /// Writes a file, whole or not at all.
    ///
    /// - Parameters:
    ///   - tensors: names, each once, and weights.
    ///   - metadata: anything to keep with them, as the network's configuration.
    ///   - gapBits: bits of a step before Huffman coding, 0 to 8 (the paper: 5 for fully connected layers, 8 for
    ///     convolutions); nil for whatever makes each tensor shortest.
    public static func write(
        _ tensors: [(name: String, tensor: DeepCompressionTensor)], metadata: JSON = .null, gapBits: Int? = nil,
        to url: URL
    ) throws(FileError) {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors of one name")
        var infos: [DeepCompressionInfo] = []
        var sections: [UInt8] = []
        for (name, tensor) in tensors {
            let (bytes, layout) = section(tensor, gapBits: gapBits)
            infos.append(
                DeepCompressionInfo(
                    name: name, shape: tensor.shape, offset: 0, bytes: bytes.count, layout: layout, digest: fnv1a(bytes)
                ))
            sections += bytes
        }
        try AtomicFile.write(DeepCompressionHeader.bytes(infos, metadata: metadata) + sections, to: url)
    }

    private static func section(
        _ tensor: DeepCompressionTensor, gapBits: Int?
    ) -> (bytes: [UInt8], layout: SharedSection.Layout?) {
        switch tensor {
        case .floats(_, let values):
            return (values.flatMap { littleEndian($0.bitPattern) }, nil)
        case .shared(let values):
            let section = SharedSection(values, gapBits: gapBits)
            return (section.bytes, section.layout)
        }
    }
}
