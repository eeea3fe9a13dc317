import Foundation

extension JSON {
    /// Parses UTF-8 text.
    /// - Parameter path: the file it came from, for messages.
    public init(parsing text: some Collection<UInt8>, path: String) throws(FileError) {
        self = try JSONParser.parse(text, path: path)
    }

    /// Reads a file (of at most 256 MB: a longer one is not a configuration).
    public init(contentsOf url: URL) throws(FileError) {
        let path = filePath(url)
        let bytes = try readWholeFile(path, limit: 256 << 20)
        guard !bytes.isEmpty else {
            throw FileError(.empty, path: path, "the file is empty", expected: "JSON", fix: "make the file again")
        }
        self = try JSONParser.parse(bytes, path: path)
    }

    /// Writes the value to a file, whole or not at all.
    public func write(to url: URL) throws(FileError) {
        try AtomicFile.write(Array((text + "\n").utf8), to: url)
    }

    /// The value as text, two spaces per level, arrays of plain values on one line.
    public var text: String {
        var out = ""
        append(to: &out, indent: 0)
        return out
    }

    /// The value as one line without spaces, for JSON Lines.
    public var line: String {
        var out = ""
        append(to: &out, indent: nil)
        return out
    }

    private var isPlain: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }

    private func append(to out: inout String, indent: Int?) {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .number(let text): out += text
        case .string(let text): Self.append(quoted: text, to: &out)
        case .array(let elements):
            let inner = elements.allSatisfy(\.isPlain) ? nil : indent.map { $0 + 1 }
            out += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { out += inner == nil && indent != nil ? ", " : "," }
                Self.newLine(inner, to: &out)
                element.append(to: &out, indent: inner)
            }
            if !elements.isEmpty && inner != nil { Self.newLine(indent, to: &out) }
            out += "]"
        case .object(let object):
            let inner = indent.map { $0 + 1 }
            out += "{"
            for (index, pair) in object.pairs.enumerated() {
                if index > 0 { out += "," }
                Self.newLine(inner, to: &out)
                Self.append(quoted: pair.key, to: &out)
                out += indent == nil ? ":" : ": "
                pair.value.append(to: &out, indent: inner)
            }
            if !object.isEmpty { Self.newLine(indent, to: &out) }
            out += "}"
        }
    }

    private static func newLine(_ indent: Int?, to out: inout String) {
        guard let indent else { return }
        out += "\n" + String(repeating: "  ", count: indent)
    }

    private static func append(quoted text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\u{0}"..<"\u{20}", "\u{7f}":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}

/// A JSON object together with the file it came from: reads typed values, and says which key of which file is wrong.
public struct JSONReader: Sendable {
    /// The object.
    public var object: JSONObject
    /// The file, for messages.
    public let path: String
    /// Where in the file the object stands, as in `weights.`; empty for the whole file.
    let prefix: String

    /// Reads a file that holds one object.
    public init(contentsOf url: URL) throws(FileError) {
        try self.init(try JSON(contentsOf: url), path: filePath(url))
    }

    /// An object from elsewhere.
    /// - Parameter path: the file or other name that messages use.
    public init(_ json: JSON, path: String) throws(FileError) {
        guard case .object(let object) = json else {
            throw FileError(
                .malformed, path: path, "the file does not hold a JSON object", expected: "an object",
                found: json.kindName, fix: "check that it is the right file")
        }
        self.init(object, path: path, prefix: "")
    }

    init(_ object: JSONObject, path: String, prefix: String) {
        self.object = object
        self.path = path
        self.prefix = prefix
    }

    /// Whether the key is there and not null.
    public func has(_ key: String) -> Bool { object[key].map { !$0.isNull } ?? false }

    /// An error about one key.
    public func failure(_ key: String, expected: String, fix: String? = nil) -> FileError {
        let found = object[key].map(\.kindName) ?? "no such key"
        return FileError(
            .mismatched, path: path, "key '\(prefix)\(key)'", expected: expected, found: found,
            fix: fix ?? (object[key] == nil ? "add it to the file" : "correct it in the file"))
    }

    private func value<Value>(
        _ key: String, _ expected: String, _ fallback: Value?, _ read: (JSON) -> Value?
    ) throws(FileError) -> Value {
        if let json = object[key], !json.isNull {
            if let value = read(json) { return value }
        } else if let fallback {
            return fallback
        }
        throw failure(key, expected: expected)
    }

    /// An integer in a range. A missing or null key gives `fallback`, if there is one.
    public func integer(_ key: String, default fallback: Int? = nil, in range: ClosedRange<Int>? = nil)
        throws(FileError) -> Int
    {
        let limits: String =
            if let range {
                range.upperBound == .max
                    ? "an integer of at least \(range.lowerBound)"
                    : "an integer from \(range.lowerBound) to \(range.upperBound)"
            } else {
                "an integer"
            }
        return try value(key, limits, fallback) { json in
            json.int.flatMap { (range?.contains($0) ?? true) ? $0 : nil }
        }
    }

    /// An unsigned integer of 64 bits.
    public func unsigned(_ key: String, default fallback: UInt64? = nil) throws(FileError) -> UInt64 {
        try value(key, "an integer from 0 to 2^64 - 1", fallback, \.uint64)
    }

    /// A number; NaN and infinities only where `finite` is false.
    public func double(_ key: String, default fallback: Double? = nil, finite: Bool = true) throws(FileError) -> Double
    {
        try value(key, finite ? "a finite number" : "a number", fallback) { json in
            json.double.flatMap { $0.isFinite || !finite ? $0 : nil }
        }
    }

    /// A string.
    public func string(_ key: String, default fallback: String? = nil) throws(FileError) -> String {
        try value(key, "a string", fallback, \.string)
    }

    /// A truth value.
    public func bool(_ key: String, default fallback: Bool? = nil) throws(FileError) -> Bool {
        try value(key, "true or false", fallback, \.bool)
    }

    /// An array.
    public func array(_ key: String, default fallback: [JSON]? = nil) throws(FileError) -> [JSON] {
        try value(key, "an array", fallback, \.array)
    }

    /// An array of strings.
    public func strings(_ key: String, default fallback: [String]? = nil) throws(FileError) -> [String] {
        try value(key, "an array of strings", fallback) { json in
            guard let elements = json.array else { return nil }
            let strings = elements.compactMap(\.string)
            return strings.count == elements.count ? strings : nil
        }
    }

    /// An array of numbers.
    public func doubles(_ key: String, default fallback: [Double]? = nil) throws(FileError) -> [Double] {
        try value(key, "an array of numbers", fallback) { json in
            guard let elements = json.array else { return nil }
            let numbers = elements.compactMap(\.double)
            return numbers.count == elements.count ? numbers : nil
        }
    }

    /// The object under a key.
    public func reader(_ key: String) throws(FileError) -> JSONReader {
        let object = try value(key, "an object", nil, \.object)
        return JSONReader(object, path: path, prefix: "\(prefix)\(key).")
    }
}
