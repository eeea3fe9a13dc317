import Alambic
import Foundation

/// A language model in integers alone beside itself in floats: on the side, since there is a trained transformer.
struct IntegerTeacher: Codable {
    /// Nats for each character, and the share of characters that were the likeliest.
    struct Quality: Codable {
        var loss = 0.0
        var accuracy = 0.0
    }
    var floats = Quality()
    var integers = Quality()

    /// Measures both on whole sequences of the text, the integers calibrated on the beginning of what was trained on.
    init(_ model: Model, _ text: CharacterText, context length: Int, on context: Context) throws {
        let seen = try text.train.prefix(32 * length).tokens
        let network = try IntegerGPT.calibrated(
            model, on: Tokens(ids: seen.array(seen.startIndex..<seen.endIndex), batch: 32, length: length),
            context: context)
        let inference = try model.makeInference(on: context)
        let (tokens, vocabulary, scale) = (text.piece.tokens, text.piece.vocabulary, network.logitScale)
        var count = 0
        for first in stride(from: tokens.startIndex, to: tokens.endIndex - length, by: length) {
            let sequence = Tokens(tokens.array(first..<first + length))
            let next = tokens.array(first + 1..<first + length + 1)
            let hidden = try model.architecture.hidden(sequence, on: inference)
            let logits = try inference.logits(hidden, rows: 0..<length, head: model.architecture.head).elements
            Self.add(logits, next, vocabulary, to: &floats)
            Self.add(
                try network.logits(of: sequence, on: context).map { Float($0) * scale }, next, vocabulary, to: &integers
            )
            count += length
        }
        for quality in [\IntegerTeacher.floats, \.integers] {
            self[keyPath: quality].loss /= Double(max(1, count))
            self[keyPath: quality].accuracy /= Double(max(1, count))
        }
    }

    private static func add(_ logits: [Float], _ next: [Int32], _ vocabulary: Int, to quality: inout Quality) {
        for (row, token) in next.enumerated() {
            let part = logits[row * vocabulary..<(row + 1) * vocabulary]
            let largest = part.max() ?? 0
            let sum = part.reduce(0.0) { $0 + exp(Double($1 - largest)) }
            let right = part[part.startIndex + Int(token)]
            quality.loss += log(sum) - Double(right - largest)
            quality.accuracy += right == largest ? 1 : 0
        }
    }

    var table: PaperResult.Table {
        func row(_ name: String, _ quality: Quality) -> [String] {
            [name, decimal(quality.loss, 4), decimal(100 * quality.accuracy, 1)]
        }
        return .init(
            title: "On the side: the teacher in integers alone, 8 bits, quantized after training",
            columns: ["", "loss", "right, %"], rows: [row("floats", floats), row("integers", integers)],
            note:
                "Functions of Kim et al. 2021 (I-BERT), which is not part of this paper; a piece of the held-out text.")
    }
}
