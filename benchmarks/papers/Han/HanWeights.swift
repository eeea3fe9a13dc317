import Alambic
import Foundation

/// A network's weights, to be kept with the results.
struct HanWeights: Codable {
    private var tensors: [Data]

    init(_ parameters: [Parameter]) {
        tensors = parameters.map { parameter in
            parameter.value.elements.withUnsafeBytes { Data($0) }
        }
    }

    /// Parameters with these weights; where `masks`, zeros of matrices stay zero.
    func parameters(of classifier: Classifier, masks: Bool, on context: Context) throws -> [Parameter] {
        let parameters = try classifier.initialized(seed: 0, on: context)
        for (parameter, tensor) in zip(parameters, tensors) {
            let value = parameter.value
            tensor.withUnsafeBytes { bytes in
                var target = value.mutableSpan
                for (index, element) in bytes.bindMemory(to: Float.self).prefix(value.count).enumerated() {
                    target[index] = element
                }
            }
            guard masks && parameter.kind == .matrix else { continue }
            parameter.transform = try Mask(
                rows: parameter.shape.rows, columns: parameter.shape.columns, keeps: value.elements.map { $0 != 0 })
        }
        return parameters
    }

    /// How many weights of each matrix are not zero.
    static func kept(_ parameters: [Parameter]) -> [Int] {
        parameters.filter { $0.kind == .matrix }.map { $0.value.elements.count { $0 != 0 } }
    }
}
