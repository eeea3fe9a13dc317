import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation

/// Deep Compression's last two steps (Han, Mao and Dally 2016): weights of a pruned network come to share values, which
/// are trained on, and the network is stored Huffman coded.
///
///     // after pruning, with masks as transforms and weights at zero:
///     try DeepCompression.share(trainer.parameters) { $0.path == "layers.0.weight" ? 8 : 5 }
///     …train on…
///     let file = try DeepCompression.compress(trainer.parameters, to: url)
///     print(file.bytes)
public enum DeepCompression {
    /// Lets the weights of matrices share values, in the place of their masks.
    ///
    /// - Parameter bits: bits of a symbol, 1 to 8, for each parameter, or nil where weights stay as they are. With `b` bits
    ///   there are 2^b - 1 values, since one symbol stands for zero. Paper: 8 for convolutions, 5 or 6 for others.
    public static func share(
        _ parameters: [Parameter], by clustering: any WeightClustering = Lloyd(), bits: (Parameter) -> Int?
    ) throws(KernelError) {
        for parameter in parameters where parameter.trains && parameter.isDense {
            guard let bits = bits(parameter) else { continue }
            precondition((1...8).contains(bits), "symbols of \(bits) bits for \(parameter.path)")
            try SharedWeights.share(parameter, values: 1 << bits - 1, by: clustering)
        }
    }

    /// Writes the weights that the forward pass sees: those that share values as symbols, all others as floats.
    ///
    /// - Parameters:
    ///   - metadata: anything to keep with them.
    ///   - gapBits: bits of a step from one weight to the next (see `RelativeIndex`); nil for the shortest file.
    /// - Returns: the file, whose ``DeepCompressionFile/bytes`` is all that the network takes.
    @discardableResult
    public static func compress(
        _ parameters: [Parameter], metadata: JSON = .null, gapBits: Int? = nil, to url: URL
    ) throws(FileError) -> DeepCompressionFile {
        let tensors = parameters.map { parameter -> (name: String, tensor: DeepCompressionTensor) in
            if let shared = parameter.transform as? SharedWeights {
                return (parameter.path, .shared(shared.shared(of: parameter)))
            }
            return (parameter.path, .floats(shape: parameter.shape.dimensions, parameter.value.elements))
        }
        try DeepCompressionFile.write(tensors, metadata: metadata, gapBits: gapBits, to: url)
        return try DeepCompressionFile(url)
    }

    /// Sets parameters to the weights of a file; those that share values go on doing so when they are trained on.
    ///
    /// - Throws: `FileError` where the file has other tensors than these parameters, or is damaged; parameters may have
    ///   been changed then.
    public static func load(_ file: DeepCompressionFile, into parameters: [Parameter]) throws {
        let (found, expected) = (Set(file.tensors.map(\.name)), Set(parameters.map(\.path)))
        if let name = found.subtracting(expected).min() {
            throw mismatch(file, name, "the network has no such parameter")
        }
        for parameter in parameters {
            let tensor = try file.tensor(parameter.path)
            guard tensor.shape == parameter.shape.dimensions else {
                throw mismatch(
                    file, parameter.path, "another shape", expected: "\(parameter.shape.dimensions)",
                    found: "\(tensor.shape)")
            }
            try adopt(tensor, for: parameter)
        }
    }

    /// Sets a parameter to a tensor of its shape.
    static func adopt(_ tensor: DeepCompressionTensor, for parameter: Parameter) throws(KernelError) {
        switch tensor {
        case .shared(let shared): try SharedWeights.adopt(shared, for: parameter)
        case .floats(_, let values):
            let value = parameter.value
            var raw = value.mutableSpan
            for index in values.indices { raw[index] = values[index] }
            parameter.transform = nil
            parameter.valueChanged()
        }
    }

    private static func mismatch(
        _ file: DeepCompressionFile, _ name: String, _ problem: String, expected: String? = nil, found: String? = nil
    ) -> FileError {
        FileError(
            .mismatched, path: file.path, tensor: name, problem, expected: expected, found: found,
            fix: "name another file: this one is of another network")
    }
}
