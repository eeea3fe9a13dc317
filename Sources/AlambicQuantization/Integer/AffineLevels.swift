/// Which integers there are and which of them stands for 0: ``AffineParameters`` without what a step is worth, so that
/// what computes with them holds no float.
public struct AffineLevels: Sendable, Hashable {
    /// The integer that stands for 0.
    public let zeroPoint: Int32
    /// The least integer.
    public let lowest: Int32
    /// The greatest integer.
    public let highest: Int32

    /// The integers of these parameters.
    public init(_ parameters: AffineParameters) {
        (zeroPoint, lowest, highest) = (parameters.zeroPoint, parameters.lowest, parameters.highest)
    }

    /// The integer that is so many steps from 0, cut off at the ends. `steps` is no sum that is near the ends of 64 bits.
    func level(_ steps: Int64) -> Int32 {
        Int32(min(max(steps + Int64(zeroPoint), Int64(lowest)), Int64(highest)))
    }
}

extension AffineParameters {
    /// Stops the program unless the integers are 0 ... 255 or fewer.
    func requireBytes(_ what: String) {
        precondition(
            levels == .unsigned && bits <= 8, "\(what) \(levels) integers of \(bits) bits: use bytes from 0 on")
    }
}
