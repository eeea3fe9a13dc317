import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation

extension DeepCompression {
    /// Writes a classifier, what it is made of included.
    @discardableResult
    public static func compress(
        _ classifier: Classifier, _ parameters: [Parameter], to url: URL
    ) throws -> DeepCompressionFile {
        let text = try JSONEncoder().encode(classifier)
        let metadata: JSON = ["classifier": try JSON(parsing: text, path: url.path)]
        return try compress(parameters, metadata: metadata, to: url)
    }

    /// Reads a classifier that ``compress(_:_:to:)`` wrote.
    ///
    /// - Throws: `FileError` where there is none, where its layers do not fit each other or the tensors, or where a tensor is
    ///   damaged.
    public static func classifier(_ url: URL) throws -> (classifier: Classifier, parameters: [Parameter]) {
        let file = try DeepCompressionFile(url)
        guard let json = file.metadata["classifier"],
            let classifier = try? JSONDecoder().decode(Classifier.self, from: Data(json.line.utf8)),
            isPossible(classifier),
            classifier.parameters.map(\.path) == file.tensors.map(\.name),
            classifier.parameters.map(\.shape.dimensions) == file.tensors.map(\.shape)
        else {
            throw FileError(
                .mismatched, path: file.path, "there is no classifier in this file that fits its tensors",
                fix: "load the tensors into parameters, or make the file again from a classifier")
        }
        var parameters: [Parameter] = []
        for description in classifier.parameters {
            // Anybody can write a large shape into a small file. Decoding bounds it by the bytes that are there, so it comes
            // before any memory for the weights.
            let tensor = try file.tensor(description.path)
            let parameter = Parameter(
                path: description.path, kind: description.kind, decays: description.decays,
                value: try Tensor(description.shape))
            try adopt(tensor, for: parameter)
            parameters.append(parameter)
        }
        return (classifier, parameters)
    }

    /// Whether layers that somebody wrote into a file follow each other, at sizes that can be computed with.
    private static func isPossible(_ classifier: Classifier) -> Bool {
        let sizes = 1...1 << 16
        var (height, width) = (classifier.input.height, classifier.input.width)
        guard [height, width, classifier.input.channels].allSatisfy(sizes.contains) else { return false }
        for layer in classifier.layers {
            switch layer {
            case .linear(let outputs):
                guard sizes.contains(outputs) else { return false }
                (height, width) = (1, 1)
            case .convolution(let channels, let side):
                guard sizes.contains(channels), (1...min(height, width)).contains(side) else { return false }
                (height, width) = (height - side + 1, width - side + 1)
            case .maxPool(let side):
                guard (1...min(height, width)).contains(side), height % side == 0, width % side == 0 else {
                    return false
                }
                (height, width) = (height / side, width / side)
            case .dropout(let rate):
                guard (0..<1).contains(rate) else { return false }
            case .relu: break
            }
        }
        return classifier.layers.contains(where: \.hasWeights)
    }
}
