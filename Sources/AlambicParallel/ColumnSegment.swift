import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Foundation
import Synchronization

/// One linear layer of a ``ColumnSplit``, with the max(x, 0) after it, and before it what every team does to all of its input,
/// dropout first of all: a tape for each team.
final class ColumnSegment {
    /// A team's part. Used by one thread at a time.
    private final class Part: @unchecked Sendable {
        let tape: Tape
        let classifier: Classifier
        let outputs: Range<Int>
        var input: Variable?
        var output: Variable?

        init(_ tape: Tape, _ classifier: Classifier, outputs: Range<Int>) {
            self.tape = tape
            self.classifier = classifier
            self.outputs = outputs
        }
    }

    private let parts: [Part]
    private let outputs: Int
    private let dropoutsBefore: Int
    private let isFirst: Bool
    private let context: Context

    init(
        _ layers: [ClassifierLayer], input: ImageShape, weight: Parameter, bias: Parameter, dropoutsBefore: Int,
        isFirst: Bool, on contexts: [Context]
    ) throws(KernelError) {
        let outputs = weight.shape.rows
        precondition(outputs >= contexts.count, "\(weight.path): \(outputs) outputs for \(contexts.count) teams")
        var parts: [Part] = []
        for (team, context) in contexts.enumerated() {
            let range = outputs * team / contexts.count..<outputs * (team + 1) / contexts.count
            let rows = weight.value.rows(range)
            let entries = Tensor(
                [range.count], storage: bias.value.storage, offset: bias.value.offset + range.lowerBound)
            let own = [
                Parameter(path: "\(weight.path)[\(range)]", kind: weight.kind, value: rows),
                Parameter(path: "\(bias.path)[\(range)]", kind: bias.kind, value: entries),
            ]
            let part = Classifier(
                input: input, layers: layers.map { if case .linear = $0 { .linear(range.count) } else { $0 } })
            parts.append(Part(try Tape(own, on: context), part, outputs: range))
        }
        self.parts = parts
        self.outputs = outputs
        self.dropoutsBefore = dropoutsBefore
        self.isFirst = isFirst
        context = contexts[0]
    }

    /// [rows, inputs] to [rows, outputs].
    func forward(_ x: Tensor, seed: UInt64, stream: UInt64, dropout: Bool) throws(KernelError) -> Tensor {
        try together { [dropoutsBefore, isFirst] part throws(KernelError) in
            let tape = part.tape
            try tape.begin(seed: seed, stream: stream, dropout: dropout, gradients: .replace)
            tape.skipDropouts(dropoutsBefore)
            let input = isFirst ? tape.constant(x) : tape.input(x)
            part.input = input
            part.output = try part.classifier.logits(input, on: tape)
        }
        let all = try Tensor([x.rows, outputs])
        for part in parts {
            if let own = part.output?.value { copy(own, into: all, columns: part.outputs) }
        }
        return all
    }

    /// Gradients of weight and bias into the whole network's; returns that of x, nil for the first layer.
    func backward(_ gradient: Tensor, weight: Tensor, bias: Tensor) throws(KernelError) -> Tensor? {
        try together { part throws(KernelError) in
            guard let output = part.output else { return }
            let own = try Tensor([gradient.rows, part.outputs.count])
            extract(part.outputs, of: gradient, into: own)
            try part.tape.seed(own, of: output)
            try part.tape.backward()
        }
        var sum: Tensor?
        for part in parts {
            weight.rows(part.outputs).copy(from: part.tape.gradients.tensors[0])
            Tensor([part.outputs.count], storage: bias.storage, offset: bias.offset + part.outputs.lowerBound)
                .copy(from: part.tape.gradients.tensors[1])
            guard !isFirst, let input = part.input, let own = part.tape.gradient(of: input) else { continue }
            if let sum {
                try accumulate(own.span, into: sum.mutableSpan, on: context)
            } else {
                sum = try own.copied()
            }
        }
        return sum
    }

    /// Every team does its part, at the same time.
    private func together(_ body: @Sendable (Part) throws(KernelError) -> Void) throws(KernelError) {
        let failure = Mutex<KernelError?>(nil)
        let parts = parts
        DispatchQueue.concurrentPerform(iterations: parts.count) { team in
            do throws(KernelError) { try body(parts[team]) } catch { failure.withLock { $0 = error } }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// Puts [rows, columns.count] into columns of a wider matrix.
private func copy(_ part: Tensor, into whole: Tensor, columns: Range<Int>) {
    for row in 0..<part.rows { stretch(whole, row, columns).copy(from: part.rows(row..<row + 1)) }
}

/// The way back.
private func extract(_ columns: Range<Int>, of whole: Tensor, into part: Tensor) {
    for row in 0..<part.rows { part.rows(row..<row + 1).copy(from: stretch(whole, row, columns)) }
}

private func stretch(_ whole: Tensor, _ row: Int, _ columns: Range<Int>) -> Tensor {
    Tensor([columns.count], storage: whole.storage, offset: whole.offset + row * whole.columns + columns.lowerBound)
}
