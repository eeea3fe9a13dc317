/// What watches values go by and says which range of them integers should cover.
///
/// To add a kind, write one file with a type that conforms, and add it to ``RangeObservers/all``. Values beyond the range are
/// cut off. Whatever the range, ``AffineParameters`` widens it to contain 0.
public protocol RangeObserver: Sendable {
    /// The name by which the registry knows it.
    static var name: String { get }

    /// An observer at its default settings that has seen nothing.
    init()

    /// Takes notice of some values. `name` says whose they are, for errors.
    ///
    /// - Throws: `notFinite` for NaN and infinities; then nothing of these values is noticed.
    mutating func observe(_ values: Span<Float>, of name: String) throws(CalibrationError)

    /// The range to cover with integers of a form. Throws `empty` when nothing was observed.
    func range(for form: AffineForm, of name: String) throws(CalibrationError) -> ClosedRange<Float>
}

extension RangeObserver {
    /// The integers that stand for what was observed.
    public func parameters(_ form: AffineForm, of name: String = "values") throws(CalibrationError) -> AffineParameters
    {
        form.parameters(covering: try range(for: form, of: name))
    }

    /// Takes notice of values without a name.
    public mutating func observe(_ values: Span<Float>) throws(CalibrationError) {
        try observe(values, of: "values")
    }
}

/// The observers that can be asked for by name.
public enum RangeObservers {
    /// Every kind there is. A new one is one line here.
    public static let all: [any RangeObserver.Type] = [
        MinMaxObserver.self, MovingAverageObserver.self, PercentileObserver.self, MSEObserver.self,
        EntropyObserver.self,
    ]

    /// All names.
    public static var names: [String] { all.map { $0.name } }
}

/// The ends of some values; nil when there are none.
func ends(of values: Span<Float>, _ name: String) throws(CalibrationError) -> ClosedRange<Float>? {
    guard values.count > 0 else { return nil }
    var (least, greatest, sum) = (Float.infinity, -Float.infinity, Float(0))
    for i in 0..<values.count {
        let x = values[unchecked: i]
        least = min(least, x)
        greatest = max(greatest, x)
        // Stays 0 for finite values alone.
        sum += x * 0
    }
    guard sum == 0 else { throw notFinite(values, name) }
    return least...greatest
}

private func notFinite(_ values: Span<Float>, _ name: String) -> CalibrationError {
    var place = 0
    while values[place].isFinite { place += 1 }
    let value = values[place]
    return .notFinite(name: name, place: place, value: value.isNaN ? "not a number" : "\(value)")
}
