import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining
import Foundation

/// What a teacher predicts for every token of a text, on disk: the greatest probabilities of each position and the mass of the
/// rest, so that teacher and student need not share memory, and the teacher reads the text once.
///
/// A safetensors file. The text is cut into stretches of `context` tokens from its first token on; position t of stretch s
/// is row s * context + t of
///
///     indices    I32 [stretches, context, k]   the k likeliest tokens, likeliest first; equals by number
///     log_probs  F16 [stretches, context, k]   log p of softmax(logits / T), rounded to nearest
///     tails      F32 [stretches, context]      1 - Σ exp(log_probs as rounded), 0 where k is the vocabulary
///
/// and metadata says what it was made from: `tokenizer` (hash), `vocabulary`, `teacher` and `corpus` (digests), `context`,
/// `top_k`, `temperature`, `first_token`. The file is mapped: rows come into memory when they are looked at.
///
/// The teacher sees of each stretch what a student sees that learns from the same stretches, so training must cut the text as
/// the cache does: ``AlambicTraining/Batches/aligned``.
public final class TeacherCache: Sendable {
    /// What the file was made from.
    public let description: TeacherCacheDescription
    /// Where the file is.
    public var path: String { file.path }
    private let file: MappedFile
    private let indices, logProbabilities, tails: Int

    /// Opens a cache and checks its header against its size. No row is looked at.
    ///
    /// - Throws: `FileError` for a file that is none, or is damaged.
    public init(contentsOf path: String) throws(FileError) {
        let url = URL(fileURLWithPath: path)
        let tensors = try SafeTensors(contentsOf: url)
        let description = try TeacherCacheDescription(tensors.metadata, path: path)
        let rows = [description.stretches, description.context]
        indices = try tensors.require("indices", .i32, shape: rows + [description.topK]).offset
        logProbabilities = try tensors.require("log_probs", .f16, shape: rows + [description.topK]).offset
        tails = try tensors.require("tails", .f32, shape: rows).offset
        self.description = description
        file = try MappedFile(url)
    }

    /// What is known of the positions of stretches that begin at these tokens of the corpus, one after the other; nil when one
    /// does not begin where a stretch of the cache does, or is longer.
    ///
    /// A damaged row, with an index outside of the vocabulary, is given as one of which nothing is known.
    public func rows(from starts: [Int], length: Int) -> KnownProbabilities? {
        let (context, k) = (description.context, description.topK)
        guard length <= context else { return nil }
        var known = KnownProbabilities(classes: [], logProbabilities: [], tails: [])
        known.classes.reserveCapacity(starts.count * length * k)
        known.logProbabilities.reserveCapacity(starts.count * length * k)
        for start in starts {
            let place = start - description.firstToken
            guard place >= 0, place.isMultiple(of: context), place / context < description.stretches else { return nil }
            for row in place..<place + length { append(row, to: &known) }
        }
        return known
    }

    private func append(_ row: Int, to known: inout KnownProbabilities) {
        let (k, vocabulary) = (description.topK, Int32(description.vocabulary))
        file.withBytes { bytes in
            for i in row * k..<(row + 1) * k {
                let index = Int32(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: indices + 4 * i, as: Int32.self))
                let half = bytes.loadUnaligned(fromByteOffset: logProbabilities + 2 * i, as: UInt16.self)
                known.classes.append(index >= 0 && index < vocabulary ? index : ignoredTarget)
                known.logProbabilities.append(Half.float(UInt16(littleEndian: half)))
            }
            let tail = bytes.loadUnaligned(fromByteOffset: tails + 4 * row, as: UInt32.self)
            known.tails.append(Float(bitPattern: UInt32(littleEndian: tail)))
        }
    }
}

/// What a ``TeacherCache`` was made from.
public struct TeacherCacheDescription: Sendable, Equatable {
    /// Hash of the tokenizer, in hexadecimal; empty where the teacher has none.
    public var tokenizer: String
    /// The tokenizer by name, for messages.
    public var tokenizerName: String
    /// Number of tokens that the teacher knows.
    public var vocabulary: Int
    /// Digest of the teacher's weights.
    public var teacher: String
    /// Digest of the corpus, as batches give it.
    public var corpus: String
    /// The corpus by name, for messages.
    public var corpusName: String
    /// Tokens of a stretch.
    public var context: Int
    /// Probabilities kept of each position.
    public var topK: Int
    /// What the teacher's distributions were softened with.
    public var temperature: Double
    /// Where in the corpus the first stretch begins.
    public var firstToken: Int
    /// How many stretches there are.
    public var stretches: Int

    var metadata: [String: String] {
        [
            "format": "alambic-teacher-cache-1", "tokenizer": tokenizer, "tokenizer_name": tokenizerName,
            "vocabulary": "\(vocabulary)", "teacher": teacher, "corpus": corpus, "corpus_name": corpusName,
            "context": "\(context)", "top_k": "\(topK)", "temperature": "\(temperature)",
            "first_token": "\(firstToken)", "stretches": "\(stretches)",
        ]
    }
}

extension TeacherCacheDescription {
    init(_ metadata: [String: String], path: String) throws(FileError) {
        guard metadata["format"] == "alambic-teacher-cache-1" else {
            throw FileError(
                .malformed, path: path, "this is not a teacher cache", expected: "the format alambic-teacher-cache-1",
                found: metadata["format"] ?? "none", fix: "make one with alambic cache-teacher")
        }
        func number(_ name: String, in range: ClosedRange<Int>) throws(FileError) -> Int {
            guard let text = metadata[name], let value = Int(text), range.contains(value) else {
                throw FileError(
                    .malformed, path: path, "the metadata '\(name)' makes no sense",
                    expected: "\(range.lowerBound) to \(range.upperBound)", found: metadata[name] ?? "none",
                    fix: "make it again with alambic cache-teacher")
            }
            return value
        }
        vocabulary = try number("vocabulary", in: 1...1 << 31 - 1)
        context = try number("context", in: 1...1 << 31)
        topK = try number("top_k", in: 1...vocabulary)
        firstToken = try number("first_token", in: 0...1 << 50)
        stretches = try number("stretches", in: 1...1 << 50)
        guard let text = metadata["temperature"], let value = Double(text), value > 0, value.isFinite else {
            throw FileError(
                .malformed, path: path, "the metadata 'temperature' makes no sense", expected: "a number over 0",
                found: metadata["temperature"] ?? "none", fix: "make it again with alambic cache-teacher")
        }
        temperature = value
        tokenizer = metadata["tokenizer"] ?? ""
        tokenizerName = metadata["tokenizer_name"] ?? "?"
        teacher = metadata["teacher"] ?? ""
        corpus = metadata["corpus"] ?? ""
        corpusName = metadata["corpus_name"] ?? "?"
    }
}

/// IEEE half precision in software: `Float16` does not exist on Intel macOS.
enum Half {
    /// The value of some bits.
    static func float(_ bits: UInt16) -> Float {
        let sign: Float = bits & 0x8000 == 0 ? 1 : -1
        let (exponent, fraction) = (Int(bits >> 10 & 0x1f), Float(bits & 0x3ff))
        if exponent == 0x1f { return fraction == 0 ? sign * .infinity : .nan }
        return exponent == 0
            ? sign * fraction * 0x1p-24
            : sign * (1 + fraction * 0x1p-10) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }

    /// The nearest bits, ties to even. Beyond ±65504: the last finite value.
    static func bits(_ value: Float) -> UInt16 {
        guard !value.isNaN else { return 0x7e00 }
        let sign: UInt16 = value.sign == .minus ? 0x8000 : 0
        let magnitude = min(abs(value), 65504)
        if magnitude < 0x1p-14 { return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven)) }
        let bits = magnitude.bitPattern
        let rounded = bits + 0xfff + (bits >> 13 & 1)
        return sign | UInt16(truncatingIfNeeded: (rounded >> 13) - (112 << 10))
    }
}
