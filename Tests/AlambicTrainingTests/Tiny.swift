import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import Foundation

@testable import AlambicTraining

/// Small enough for a step to take about a millisecond.
enum Tiny {
    static func model(dropout: Double = 0, seed: UInt64 = 1, context: Int = 16) throws -> Model {
        try Model(
            .gpt(layers: 2, width: 16, heads: 2, context: context, vocabulary: 256, dropout: dropout), seed: seed)
    }

    static func corpus(_ count: Int = 4000, shift: Int = 0) throws -> Corpus {
        let line = Array("the quick brown fox jumps over the lazy dog; ".utf8)
        return try Corpus(text: (0..<count).map { line[($0 * ($0 / 97 + 1) + shift) % line.count] }, tokenizer: .bytes)
    }

    static func batches(rows: Int = 4, seed: UInt64 = 3) throws -> Batches {
        try corpus().batches(of: rows, context: 16, seed: seed)
    }

    /// The bits of all weights, in walk order.
    static func bits(_ trainer: Trainer) -> [UInt32] {
        trainer.parameters.flatMap { $0.value.elements.map(\.bitPattern) }
    }
}

/// A directory of its own that goes when the test ends.
final class Scratch {
    let path: String

    init(_ name: String = "training") throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}
