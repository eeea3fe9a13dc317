import AlambicKernels

// L = mean over rows of 1 - cos(x, y) (Sanh et al., DistilBERT, 2019, section 3: the student's hidden states keep
// the direction of the teacher's).
//
// Backward: with c = x·y / (|x| |y|), dL/dx = -(y / (|x| |y|) - c x / |x|²) / n.
extension Tape {
    /// One minus the cosine between the rows of `hidden` and of `teacher`, on average.
    ///
    /// - Parameters:
    ///   - hidden: [batch, length, width].
    ///   - teacher: as many elements; a row of zeros has the cosine 0.
    ///   - scale: what to multiply the gradient with. Not the returned loss.
    public func cosineLoss(hidden: Variable, teacher: Tensor, scale: Float = 1) throws(KernelError) -> Double {
        precondition(
            teacher.count == hidden.shape.count && teacher.columns == hidden.shape.columns,
            "cosine of \(hidden.shape) and \(teacher.shape)")
        let hidden = try widened(hidden)
        // Swift reads and writes here: what has been noted comes first.
        try execution.finish()
        guard !execution.plans else { return 0 }
        let (rows, columns) = (hidden.value.rows, hidden.value.columns)
        var loss = 0.0
        try addGradient(to: hidden.slot, Float.self) { target throws(KernelError) in
            let (x, y) = (hidden.value.span, teacher.span)
            var gradient = target.mutableSpan
            for row in 0..<rows {
                let start = row * columns
                var (xx, yy, xy) = (0.0, 0.0, 0.0)
                for i in start..<start + columns {
                    let (a, b) = (Double(x[i]), Double(y[i]))
                    xx += a * a
                    yy += b * b
                    xy += a * b
                }
                let norms = (xx * yy).squareRoot()
                let cosine = norms > 0 ? xy / norms : 0
                loss += 1 - cosine
                let factor = norms > 0 ? -Double(scale) / (Double(rows) * norms) : 0
                let back = xx > 0 ? cosine * norms / xx : 0
                for i in start..<start + columns {
                    gradient[i] = Float(factor * (Double(y[i]) - back * Double(x[i])))
                }
            }
        }
        return rows > 0 ? loss / Double(rows) : 0
    }
}
