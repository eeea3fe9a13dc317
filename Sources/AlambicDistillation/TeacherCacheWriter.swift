import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation

extension TeacherCache {
    /// Reads a corpus with a teacher and writes what it predicts, whole or not at all. Memory holds one batch of it at a time:
    /// the tensors wait in files without a name until all are complete.
    ///
    /// - Parameters:
    ///   - teacher: who reads. Dropout is off.
    ///   - corpus: what the student will learn from. What is left behind the last whole stretch is not read.
    ///   - context: tokens of a stretch; by default all that the teacher can see.
    ///   - topK: probabilities to keep of each position, at most the vocabulary.
    ///   - temperature: what softens the distributions; the student's is the same.
    ///   - rows: stretches at a time.
    ///   - progress: called with the share done, from 0 to 1.
    /// - Throws: `TrainingError`, `FileError`.
    public static func write(
        teacher: Model, corpus: Corpus, context length: Int? = nil, topK: Int = 64, temperature: Double = 1,
        rows: Int = 16, to path: String, on context: Context = .default, cancellation: Cancellation? = nil,
        progress: (Double) -> Void = { _ in }
    ) throws {
        let description = try describe(teacher, corpus, length, topK, temperature)
        let url = URL(fileURLWithPath: path)
        let (indices, logs, tails) = (try Spool(beside: url), try Spool(beside: url), try Spool(beside: url))
        let inference = try teacher.makeInference(on: context)
        let k = description.topK
        for first in stride(from: 0, to: description.stretches, by: rows) {
            if cancellation?.isCancelled ?? false {
                throw TrainingError.badSetting("interrupted: nothing was written to '\(path)'")
            }
            let count = min(rows, description.stretches - first)
            let begin = description.firstToken + first * description.context
            let ids = corpus.tokens.array(begin..<begin + count * description.context)
            let known = try predictions(
                of: teacher, Tokens(ids: ids, batch: count, length: description.context), topK: k,
                temperature: temperature, on: inference)
            try indices.write(known.classes.map { $0.littleEndian })
            try logs.write(known.logProbabilities.map { Half.bits($0).littleEndian })
            try tails.write(known.tails.map { $0.bitPattern.littleEndian })
            progress(Double(first + count) / Double(description.stretches))
        }
        let shape = [description.stretches, description.context]
        try SafeTensors.write(
            [
                SafeTensors.Entry("indices", .i32, shape: shape + [k], emit: indices.emit),
                SafeTensors.Entry("log_probs", .f16, shape: shape + [k], emit: logs.emit),
                SafeTensors.Entry("tails", .f32, shape: shape, emit: tails.emit),
            ], metadata: description.metadata, to: url)
    }

    private static func describe(
        _ teacher: Model, _ corpus: Corpus, _ length: Int?, _ topK: Int, _ temperature: Double
    ) throws(TrainingError) -> TeacherCacheDescription {
        _ = try checkedTerms(temperature: temperature, mixing: 1, divergence: .forwardKL)
        let vocabulary = teacher.architecture.vocabulary
        let context = length ?? teacher.architecture.context
        guard context > 0, context <= teacher.architecture.context else {
            throw .contextTooLong(context: context, limit: teacher.architecture.context)
        }
        guard topK > 0 else { throw .badSetting("a teacher cache of \(topK) probabilities: keep at least 1") }
        try Teacher(teacher).check(corpus.tokenizer)
        if let token = corpus.tokens.max(), Int(token) >= vocabulary {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: vocabulary)
        }
        let stretches = (corpus.tokens.count - 1) / context
        guard stretches > 0 else {
            throw .badSetting(
                "corpus '\(corpus.name)' has \(corpus.tokens.count) tokens, and a stretch of \(context) and one to follow "
                    + "needs more: give more text or a shorter context")
        }
        return TeacherCacheDescription(
            tokenizer: String(corpus.tokenizer.digest, radix: 16), tokenizerName: corpus.tokenizer.name,
            vocabulary: vocabulary, teacher: teacher.digest, corpus: String(corpus.digest, radix: 16),
            corpusName: corpus.name, context: context, topK: min(topK, vocabulary), temperature: temperature,
            firstToken: corpus.tokens.startIndex, stretches: stretches)
    }

    /// The likeliest tokens after every one of these.
    static func predictions(
        of teacher: Model, _ tokens: Tokens, topK: Int, temperature: Double, on inference: Inference
    ) throws(KernelError) -> KnownProbabilities {
        var known = KnownProbabilities(classes: [], logProbabilities: [], tails: [])
        let hidden = try teacher.architecture.hidden(tokens, on: inference)
        let vocabulary = teacher.architecture.vocabulary
        let chunk = max(16, (1 << 20) / vocabulary)
        var best = Likeliest(topK)
        for start in stride(from: 0, to: tokens.count, by: chunk) {
            let range = start..<min(start + chunk, tokens.count)
            let logits = try inference.logits(hidden, rows: range, head: teacher.architecture.head)
            for row in 0..<range.count {
                let part = logits.rows(row..<row + 1)
                best.append(part.span, temperature: temperature, to: &known)
            }
        }
        return known
    }
}

/// The greatest logits of a row, in a heap whose root is the least of them.
struct Likeliest {
    private let count: Int
    private var heap: [(logit: Float, index: Int32)] = []

    init(_ count: Int) { self.count = count }

    /// Appends the log-probabilities of a row's likeliest classes at a temperature, and the mass of the others.
    mutating func append(_ logits: Span<Float>, temperature: Double, to known: inout KnownProbabilities) {
        heap.removeAll(keepingCapacity: true)
        var top = -Float.infinity
        for i in 0..<logits.count { top = max(top, logits[i]) }
        var sum = 0.0
        for i in 0..<logits.count {
            sum += exp(Double(logits[i] - top) / temperature)
            offer(logits[i], Int32(i))
        }
        heap.sort { $0.logit == $1.logit ? $0.index < $1.index : $0.logit > $1.logit }
        let logSum = log(sum)
        var mass = 0.0
        for (logit, index) in heap {
            // As it will be read: what rounding takes from the known classes goes to the others.
            let value = Half.float(Half.bits(Float(Double(logit - top) / temperature - logSum)))
            known.classes.append(index)
            known.logProbabilities.append(value)
            mass += exp(Double(value))
        }
        known.tails.append(heap.count == logits.count ? 0 : Float(max(0, 1 - mass)))
    }

    /// Whether a comes before b in the heap: the least logit first, of equals the one with the greater index.
    private func precedes(_ a: (logit: Float, index: Int32), _ b: (logit: Float, index: Int32)) -> Bool {
        a.logit == b.logit ? a.index > b.index : a.logit < b.logit
    }

    private mutating func offer(_ logit: Float, _ index: Int32) {
        if heap.count < count {
            heap.append((logit, index))
            var child = heap.count - 1
            while child > 0, precedes(heap[child], heap[(child - 1) / 2]) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        } else if logit > heap[0].logit {
            heap[0] = (logit, index)
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < heap.count && precedes(heap[child], heap[least]) { least = child }
                if least == parent { return }
                heap.swapAt(parent, least)
                parent = least
            }
        }
    }
}

/// Bytes that wait on the disk, in a file that nobody else sees and that goes with its last use.
private final class Spool {
    private let handle: FileHandle
    private let path: String

    init(beside url: URL) throws(FileError) {
        path = url.path
        var template = Array((url.deletingLastPathComponent().path + "/.alambic-spool-XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            throw FileError(
                .system, path: path, "cannot make a temporary file beside it: \(String(cString: strerror(errno)))",
                fix: "check the directory and the disk")
        }
        unlink(template)
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func write<Element: BitwiseCopyable>(_ elements: [Element]) throws(FileError) {
        do {
            try elements.withUnsafeBytes { try handle.write(contentsOf: Data($0)) }
        } catch {
            throw FileError(
                .system, path: path, "cannot write its parts: \(error.localizedDescription)",
                fix: "make room on the disk")
        }
    }

    func emit(_ sink: (UnsafeRawBufferPointer) throws -> Void) throws {
        try handle.seek(toOffset: 0)
        while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
            try piece.withUnsafeBytes { try sink($0) }
        }
    }
}
