/// The last few steps and changes of the gradient, and the product with the inverse Hessian that they stand for
/// (Nocedal and Wright 2006, Algorithm 7.4).
struct LBFGSHistory<Vector: LBFGSVector> {
    private struct Pair {
        let s: Vector
        let y: Vector
        var sy: Double
        var yy: Double
    }

    /// How many pairs are kept.
    let capacity: Int
    private var pairs: [Pair] = []
    /// A pair whose memory is free, once there was one.
    private var spare: [(s: Vector, y: Vector)] = []

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { pairs.count }

    /// Takes a step and the change of the gradient over it, unless the curvature along it is not positive: with
    /// `sᵀy <= 1e-10 ‖s‖ ‖y‖` the matrix would no longer be positive definite.
    ///
    /// - Returns: whether it was taken.
    mutating func take(step s: Vector, change y: Vector) throws -> Bool {
        let (sy, ss, yy) = (try s.dot(y), try s.dot(s), try y.dot(y))
        guard sy > 1e-10 * (ss * yy).squareRoot(), yy > 0, sy.isFinite, yy.isFinite else { return false }
        if pairs.count == capacity {
            let oldest = pairs.removeFirst()
            spare.append((oldest.s, oldest.y))
        }
        if let (oldS, oldY) = spare.popLast() {
            try oldS.copy(from: s)
            try oldY.copy(from: y)
            pairs.append(Pair(s: oldS, y: oldY, sy: sy, yy: yy))
        } else {
            pairs.append(Pair(s: try s.copied(), y: try y.copied(), sy: sy, yy: yy))
        }
        return true
    }

    /// Forgets everything: the matrix is the identity again.
    mutating func clear() {
        for pair in pairs { spare.append((pair.s, pair.y)) }
        pairs.removeAll(keepingCapacity: true)
    }

    /// q = H q by the two loops; H starts as `sᵀy / yᵀy` of the newest pair times the identity (equation 7.20).
    func multiply(into q: Vector) throws {
        guard let newest = pairs.last else { return }
        var alphas = [Double](repeating: 0, count: pairs.count)
        for i in pairs.indices.reversed() {
            let pair = pairs[i]
            alphas[i] = try pair.s.dot(q) / pair.sy
            try q.accumulate(pair.y, times: -alphas[i])
        }
        try q.scale(by: newest.sy / newest.yy)
        for i in pairs.indices {
            let pair = pairs[i]
            let beta = try pair.y.dot(q) / pair.sy
            try q.accumulate(pair.s, times: alphas[i] - beta)
        }
    }
}
