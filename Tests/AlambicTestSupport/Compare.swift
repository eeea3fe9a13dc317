/// The first place where two sequences differ, bit for bit; nil when they are equal.
public func firstDifference(_ a: [Float], _ b: [Float]) -> String? {
    guard a.count == b.count else { return "\(a.count) elements against \(b.count)" }
    for (i, (x, y)) in zip(a, b).enumerated() where x.bitPattern != y.bitPattern { return "[\(i)] \(x) against \(y)" }
    return nil
}

/// The element that is furthest outside its tolerance; nil when all are within. Anything that is not a number where a number
/// is expected counts as outside.
public func worstExcess(
    _ actual: [Float], expected: [Double], tolerance: (_ index: Int) -> Double
) -> String? {
    guard actual.count == expected.count else { return "\(actual.count) elements against \(expected.count)" }
    var worst = 1.0
    var text: String?
    for (i, (x, y)) in zip(actual, expected).enumerated() {
        let ratio = abs(Double(x) - y) / tolerance(i)
        if (ratio > worst || ratio.isNaN) && !(Double(x) == y || (y.isNaN && x.isNaN)) {
            worst = ratio.isNaN ? .infinity : ratio
            text = "[\(i)] \(x), expected \(y), tolerance \(tolerance(i))"
        }
    }
    return text
}
