import Foundation

/// A JSON value that loses nothing: numbers keep their text (so `UInt64` and `Double` survive a round trip), and
/// objects keep the order of their keys (so a file that is read and saved again keeps its look, and equal values give
/// equal bytes).
public enum JSON: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number, as its text.
    case number(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSON])
    /// An object.
    case object(JSONObject)

    /// An integer as a number.
    public static func number(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    /// A number by the shortest text that reads back as the same bits. JSON has no text for NaN and infinities:
    /// they become the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, which `double` reads back.
    public static func number(_ value: Double) -> JSON {
        if value.isNaN { return .string("NaN") }
        if value.isInfinite { return .string(value < 0 ? "-Infinity" : "Infinity") }
        return .number(value.description)
    }

    /// The same for `Float`, with a `Float`'s digits.
    public static func number(_ value: Float) -> JSON {
        value.isFinite ? .number(value.description) : .number(Double(value))
    }

    /// Whether this is `null`.
    public var isNull: Bool { self == .null }

    /// The truth value, if this is one.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The string, if this is one.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The array, if this is one.
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }

    /// The object, if this is one.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The integer, if this is a number with an integral value that fits (`12`, also `12.0` and `1e3`).
    public var int: Int? { integer() }

    /// The unsigned integer, likewise.
    public var uint64: UInt64? { integer() }

    private func integer<Integer: FixedWidthInteger>() -> Integer? {
        guard case .number(let text) = self else { return nil }
        if let exact = Integer(text) { return exact }
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }),
            let value = Double(text), value.magnitude < 0x1p53
        else { return nil }
        return Integer(exactly: value)
    }

    /// The number, if this is one or the string of a value that is not finite.
    public var double: Double? {
        switch self {
        case .number(let text): Double(text)
        case .string("NaN"): .nan
        case .string("Infinity"): .infinity
        case .string("-Infinity"): -.infinity
        default: nil
        }
    }

    /// The value of a key, if this is an object that has it.
    public subscript(key: String) -> JSON? { object?[key] }

    /// What kind of value this is, for messages.
    var kindName: String {
        switch self {
        case .null: "null"
        case .bool(let value): String(value)
        case .number(let text): FileError.excerpt(text, limit: 30)
        case .string(let text): "\"\(FileError.excerpt(text, limit: 40))\""
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// A JSON object whose keys keep their order. Setting an existing key keeps its place; setting nil removes it.
public struct JSONObject: Sendable {
    /// The keys in order.
    public private(set) var keys: [String] = []
    private var values: [String: JSON] = [:]

    /// An object without keys.
    public init() {}

    /// An object with these keys in this order; of equal keys the last counts.
    public init(_ pairs: [(String, JSON)]) {
        for (key, value) in pairs { self[key] = value }
    }

    /// The value of a key.
    public subscript(key: String) -> JSON? {
        get { values[key] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
            } else if values.removeValue(forKey: key) != nil {
                keys.removeAll { $0 == key }
            }
        }
    }

    /// The number of keys.
    public var count: Int { keys.count }

    /// Whether there are no keys.
    public var isEmpty: Bool { keys.isEmpty }

    /// Keys and values in order.
    public var pairs: [(key: String, value: JSON)] {
        keys.compactMap { key in values[key].map { (key, $0) } }
    }
}

extension JSONObject: Equatable {
    /// Equal keys with equal values; the order does not matter.
    public static func == (a: JSONObject, b: JSONObject) -> Bool { a.values == b.values }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByStringLiteral,
    ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// `null`.
    public init(nilLiteral: ()) { self = .null }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int) { self = .number(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object whose keys keep this order.
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// An object whose keys keep this order.
    public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}
