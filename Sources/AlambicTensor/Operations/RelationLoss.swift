import AlambicKernels

/// Which of queries, keys and values a relation compares with each other.
public enum AttentionRelation: String, Sendable, Hashable, CaseIterable {
    /// softmax(Q Kᵀ / √d): the attention distributions themselves (MiniLM, section 3.1).
    case queryKey = "query-key"
    /// softmax(V Vᵀ / √d) (MiniLM, section 3.2).
    case valueValue = "value-value"
    /// softmax(Q Qᵀ / √d) (MiniLMv2).
    case queryQuery = "query-query"
    /// softmax(K Kᵀ / √d) (MiniLMv2).
    case keyKey = "key-key"

    /// Which thirds of a row of qkv are multiplied.
    var parts: (left: Int, right: Int) {
        switch self {
        case .queryKey: (0, 1)
        case .valueValue: (2, 2)
        case .queryQuery: (0, 0)
        case .keyKey: (1, 1)
        }
    }
}

// L = Σ over relations r of 1 / (B A T) Σ over sequences, heads and positions t of KL(P_t || Q_t), with P the teacher's and Q
// the student's softmax of X Yᵀ / √d over the columns j <= t (Wang et al., MiniLM, 2020, sections 3.1 and 3.2; Wang et al.,
// MiniLMv2, 2021, section 3.1, where the heads of both models are joined and cut again into A relation heads).
//
// Backward, with S = X Yᵀ / √d: dS = (Q - P) / (B A T), dX = dS Y / √d, dY = dSᵀ X / √d; where Y is X, both add up.
//
// The attention kernels never have the distributions in memory, so the products are made again here, for one sequence at a
// time and head by head. They run at once.
extension Tape {
    /// How far the student's relations between positions are from the teacher's: the mean KL in nats, one for each relation.
    ///
    /// - Parameters:
    ///   - qkv: the student's queries, keys and values of one layer, [batch, length, 3 width].
    ///   - teacher: the teacher's, [batch, length, 3 times its own width].
    ///   - heads: relation heads A, which divide both widths; the widths of the heads may differ.
    ///   - relations: what to compare.
    ///   - scale: what to multiply the gradient with. Not the returned losses.
    public func relationLoss(
        qkv: Variable, teacher: Tensor, heads: Int, relations: [AttentionRelation], scale: Float = 1
    ) throws(KernelError) -> [Double] {
        let (shape, taught) = (qkv.shape, teacher.shape)
        precondition(
            shape.rank == 3 && taught.rank == 3 && shape[0] == taught[0] && shape[1] == taught[1]
                && shape[2].isMultiple(of: 3 * heads) && taught[2].isMultiple(of: 3 * heads),
            "relations of \(heads) heads between \(shape) and \(taught), which should be [batch, length, 3 width]")
        let qkv = try widened(qkv)
        let work = try RelationWork(length: shape[1], heads: heads, student: shape[2], teacher: taught[2], on: self)
        var losses = [Double](repeating: 0, count: relations.count)
        try addGradient(to: qkv.slot, Float.self) { target throws(KernelError) in
            try execution.finish()
            guard !execution.plans else { return }
            target.zero()
            let all = Double(shape[0] * shape[1] * heads)
            for sequence in 0..<shape[0] {
                let rows = sequence * shape[1]..<(sequence + 1) * shape[1]
                for (index, relation) in relations.enumerated() {
                    losses[index] +=
                        try work.add(
                            relation, student: qkv.value.rows(rows), teacher: teacher.rows(rows),
                            scale: scale / Float(all), to: target.rows(rows)) / all
                }
            }
        }
        return losses
    }
}

/// The memory of one sequence's relations, and the work on them.
private struct RelationWork {
    let length: Int
    let heads: Int
    /// Scores of all heads, [heads * length, length]: the student's, which become their gradient, and the teacher's.
    let own, theirs: Tensor
    /// X / √d and Y of one head, of the student and of the teacher, and the gradients of the student's.
    let left, right, leftGradient, rightGradient: Tensor
    let teacherLeft, teacherRight: Tensor
    let soft, hard: Tensor
    let context: Context

    init(length: Int, heads: Int, student: Int, teacher: Int, on tape: Tape) throws(KernelError) {
        (self.length, self.heads) = (length, heads)
        // Not the tape's noting context: all of this runs as it is called.
        context = tape.execution.base
        own = try tape.floats([heads * length, length])
        theirs = try tape.floats([heads * length, length])
        let (width, teacherWidth) = (student / 3 / heads, teacher / 3 / heads)
        left = try tape.floats([length, width])
        right = try tape.floats([length, width])
        leftGradient = try tape.floats([length, width])
        rightGradient = try tape.floats([length, width])
        teacherLeft = try tape.floats([length, teacherWidth])
        teacherRight = try tape.floats([length, teacherWidth])
        soft = try tape.floats([heads * length])
        hard = try tape.floats([heads * length])
    }

    /// Adds the gradient of one relation of one sequence, and returns the sum of its divergences.
    func add(
        _ relation: AttentionRelation, student: Tensor, teacher: Tensor, scale: Float, to gradient: Tensor
    ) throws(KernelError) -> Double {
        let parts = relation.parts
        for head in 0..<heads {
            try scores(of: student, parts, head, left, right, into: own)
            try scores(of: teacher, parts, head, teacherLeft, teacherRight, into: theirs)
        }
        try distillationCrossEntropy(
            own.mutableSpan, teacher: theirs.span, targets: nil, rows: heads * length, vocabulary: length,
            temperature: 1, mixing: 1, gradientScale: scale, soft: soft.mutableSpan, hard: hard.mutableSpan, on: context
        )
        for head in 0..<heads { try pull(student, parts, head, into: gradient) }
        return soft.sum()
    }

    /// S = X Yᵀ / √d of a head, minus infinity above the diagonal.
    private func scores(
        of qkv: Tensor, _ parts: (left: Int, right: Int), _ head: Int, _ x: Tensor, _ y: Tensor, into all: Tensor
    ) throws(KernelError) {
        take(qkv, parts.left, head, into: x, times: 1 / Float(x.columns).squareRoot())
        take(qkv, parts.right, head, into: y, times: 1)
        let result = all.rows(head * length..<(head + 1) * length)
        try matmul(
            M: length, N: length, K: x.columns, x.span, .asIs, y.span, .transposed, into: result.mutableSpan,
            on: context)
        var scores = result.mutableSpan
        for t in 0..<length {
            for j in t + 1..<max(t + 1, length) { scores[t * length + j] = -.infinity }
        }
    }

    /// Adds dX and dY of a head to the gradient of qkv.
    private func pull(
        _ qkv: Tensor, _ parts: (left: Int, right: Int), _ head: Int, into gradient: Tensor
    ) throws(KernelError) {
        let factor = 1 / Float(left.columns).squareRoot()
        take(qkv, parts.left, head, into: left, times: factor)
        take(qkv, parts.right, head, into: right, times: factor)
        let slope = own.rows(head * length..<(head + 1) * length)
        try matmul(
            M: length, N: left.columns, K: length, slope.span, .asIs, right.span, .asIs,
            into: leftGradient.mutableSpan, on: context)
        try matmul(
            M: length, N: left.columns, K: length, slope.span, .transposed, left.span, .asIs,
            into: rightGradient.mutableSpan, on: context)
        put(leftGradient, parts.left, head, into: gradient)
        put(rightGradient, parts.right, head, into: gradient)
    }

    /// The columns of a head in a third of qkv.
    private func take(_ qkv: Tensor, _ part: Int, _ head: Int, into x: Tensor, times factor: Float) {
        let (columns, width) = (qkv.columns, x.columns)
        let first = part * columns / 3 + head * width
        let source = qkv.span
        var target = x.mutableSpan
        for t in 0..<length {
            for j in 0..<width { target[t * width + j] = factor * source[t * columns + first + j] }
        }
    }

    private func put(_ x: Tensor, _ part: Int, _ head: Int, into qkv: Tensor) {
        let (columns, width) = (qkv.columns, x.columns)
        let first = part * columns / 3 + head * width
        let source = x.span
        var target = qkv.mutableSpan
        for t in 0..<length {
            for j in 0..<width { target[t * columns + first + j] += source[t * width + j] }
        }
    }
}
