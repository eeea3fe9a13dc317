/// SplitMix64 (Steele, Lea and Flood 2014): a small generator for tests, whose seed a failing case prints.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator whose numbers are a function of the seed alone.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Numbers evenly spread over a range.
    public mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in
            let unit = Float(next() >> 40) * 0x1p-24
            return range.lowerBound + unit * (range.upperBound - range.lowerBound)
        }
    }

    /// Numbers close to normally distributed: the sum of twelve even ones.
    public mutating func normals(_ count: Int, deviation: Float = 1) -> [Float] {
        (0..<count).map { _ in
            var sum: Float = -6
            for _ in 0..<12 { sum += Float(next() >> 40) * 0x1p-24 }
            return sum * deviation
        }
    }

    /// Whole numbers evenly spread over a range.
    public mutating func integers<T: FixedWidthInteger>(_ count: Int, in range: ClosedRange<T>) -> [T] {
        (0..<count).map { _ in T.random(in: range, using: &self) }
    }
}
