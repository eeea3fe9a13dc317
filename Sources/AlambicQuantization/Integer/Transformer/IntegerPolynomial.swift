/// a (x + b)² + c of integers (Kim et al. 2021, algorithm 1): with x = S q, the integer (q + ⌊b / S⌋)² + ⌊c / (a S²)⌋ in steps
/// of a S².
///
/// The constants become integers once, from the scale of the inputs; then there are integers alone. b is off by up to S, so
/// the scale has to be small against b: these functions take scales up to 1/16.
struct IntegerPolynomial: Sendable, Hashable {
    let b: Int64
    let c: Int64

    init(a: Double, b: Double, c: Double, scale: Double) {
        self.b = Int64((b / scale).rounded(.down))
        self.c = Int64((c / (a * scale * scale)).rounded(.down))
    }

    func callAsFunction(_ q: Int64) -> Int64 { (q + b) * (q + b) + c }
}

/// Scales that these functions of integers work for: coarse enough for sums of squares to fit 64 bits, fine enough for the
/// polynomials' constants.
func requireScale(_ scale: Double, _ what: String) {
    precondition(scale >= 0x1p-16 && scale <= 0x1p-4, "\(what) of integers in steps of \(scale): use 2^-16 to 1/16")
}

/// ⌊√n⌋ by Newton's iteration on integers (Kim et al. 2021, algorithm 4; Crandall and Pomerance 2005, algorithm 9.2.11).
/// Negative numbers have no root: the program stops.
public func integerSquareRoot(_ n: Int64) -> Int64 {
    precondition(n >= 0, "the square root of \(n)")
    guard n > 0 else { return 0 }
    // A power of two not below the root.
    var x = Int64(1) << Int64((64 - n.leadingZeroBitCount + 1) / 2)
    while true {
        let next = (x + n / x) >> 1
        if next >= x { return x }
        x = next
    }
}
