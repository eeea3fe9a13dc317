/// A tensor as files hold it: a name, an element type, extents and little-endian bytes, row-major.
public struct StoredTensor: Sendable {
    /// The name in the file.
    public let name: String
    /// The element type.
    public let type: DType
    /// The extents.
    public let shape: [Int]
    /// `shape` elements of `type`.
    public let bytes: [UInt8]

    /// A tensor of these bytes.
    public init(name: String, type: DType, shape: [Int], bytes: [UInt8]) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }

    /// Copies elements that memory holds in the machine's order, which is little-endian on all supported machines.
    init<Element: BitwiseCopyable>(name: String, type: DType, shape: [Int], copying elements: Span<Element>) {
        self.init(
            name: name, type: type, shape: shape, bytes: elements.withUnsafeBytes { bytes in [UInt8](bytes) })
    }
}

/// Why stored tensors do not make a weight.
public struct WeightFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The tensor at fault.
    public let tensor: String
    /// What was expected and what was found.
    public let reason: String

    /// An error about one tensor.
    public init(tensor: String, reason: String) {
        self.tensor = tensor
        self.reason = reason
    }

    /// `tensor wte.weight: element 7 is not a finite number`.
    public var description: String { "tensor \(tensor): \(reason)" }
}

extension StoredTensor {
    /// Checks type and shape, and that the bytes are as many as they say.
    func check(type expected: DType, shape expectedShape: [Int]) throws(WeightFormatError) {
        guard type == expected else {
            throw WeightFormatError(
                tensor: name, reason: "expected element type \(expected.rawValue), found \(type.rawValue)")
        }
        guard shape == expectedShape else {
            throw WeightFormatError(tensor: name, reason: "expected shape \(expectedShape), found \(shape)")
        }
        let count = expectedShape.reduce(1, *) * type.byteWidth
        guard bytes.count == count else {
            throw WeightFormatError(tensor: name, reason: "expected \(count) bytes, found \(bytes.count)")
        }
    }

    /// Copies the bytes into memory of as many elements.
    func copy<Element: BitwiseCopyable>(into target: consuming MutableSpan<Element>) {
        target.withUnsafeMutableBytes { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
    }
}
