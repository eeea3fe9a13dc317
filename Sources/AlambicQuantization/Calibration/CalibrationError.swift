/// Why data gives no range.
public enum CalibrationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nothing was observed.
    case empty(name: String)
    /// A value is NaN or infinite.
    case notFinite(name: String, place: Int, value: String)

    /// One line that names the values and says what to do.
    public var description: String {
        switch self {
        case .empty(let name): "\(name): no values were observed, so there is no range: calibrate on data first"
        case .notFinite(let name, let place, let value):
            "\(name): value \(place) is \(value), which no range contains: look for what made it"
        }
    }
}
