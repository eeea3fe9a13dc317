import Foundation

/// A strict parser of RFC 8259, for files that strangers wrote: it never reads out of range, bounds its recursion,
/// and refuses what other parsers silently mend (repeated keys, invalid UTF-8, half surrogates, trailing bytes).
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let path: String
    private let base: Int
    private var at = 0

    /// Deeper nesting is an attack, not a configuration.
    static let depthLimit = 128

    /// - Parameters:
    ///   - path: the file, for messages.
    ///   - base: where in the file `bytes` begin, for messages.
    static func parse(_ bytes: some Collection<UInt8>, path: String, base: Int = 0) throws(FileError) -> JSON {
        let copy = ContiguousArray(bytes)
        var result: Result<JSON, FileError> = .success(.null)
        copy.withUnsafeBufferPointer { buffer in
            var parser = JSONParser(bytes: buffer, path: path, base: base)
            do throws(FileError) {
                result = .success(try parser.document())
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, path: String, base: Int) {
        self.bytes = bytes
        self.path = path
        self.base = base
    }

    private func failure(_ problem: String, at place: Int? = nil) -> FileError {
        let place = place ?? at
        let found: String =
            if place >= bytes.count {
                "the end"
            } else if bytes[place] > 0x20 && bytes[place] < 0x7f {
                "'\(Character(UnicodeScalar(bytes[place])))'"
            } else {
                "byte 0x" + String(bytes[place], radix: 16)
            }
        return FileError(
            place >= bytes.count ? .truncated : .malformed, path: path, offset: UInt64(base + place),
            "this is not valid JSON", expected: problem, found: found,
            fix: "the file is damaged or of another kind: copy or make it again")
    }

    private mutating func document() throws(FileError) -> JSON {
        let value = try value(depth: 0)
        skipSpace()
        if at < bytes.count { throw failure("the end of the JSON") }
        return value
    }

    private mutating func skipSpace() {
        while at < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[at]) { at += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == byte else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(FileError) -> JSON {
        skipSpace()
        guard at < bytes.count else { throw failure("a value") }
        guard depth < Self.depthLimit else { throw failure("at most \(Self.depthLimit) levels of nesting") }
        switch bytes[at] {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        // Python's json module writes these three, against the standard; they occur in trainer states.
        case UInt8(ascii: "N"): return try word("NaN", .string("NaN"))
        case UInt8(ascii: "I"): return try word("Infinity", .string("Infinity"))
        default: throw failure("a value")
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSON) throws(FileError) -> JSON {
        let end = at + text.utf8CodeUnitCount
        let word = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard end <= bytes.count, bytes[at..<end].elementsEqual(word) else {
            throw failure("\(text)")
        }
        at = end
        return value
    }

    private mutating func object(depth: Int) throws(FileError) -> JSONObject {
        at += 1
        var result = JSONObject()
        skipSpace()
        if take(UInt8(ascii: "}")) { return result }
        while true {
            skipSpace()
            let place = at
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure("a key in quotes") }
            let key = try string()
            guard result[key] == nil else {
                throw FileError(
                    .malformed, path: path, offset: UInt64(base + place),
                    "the key '\(FileError.excerpt(key))' occurs twice in one object",
                    fix: "the file is damaged or malicious: make it again")
            }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure("':'") }
            result[key] = try value(depth: depth + 1)
            skipSpace()
            if take(UInt8(ascii: "}")) { return result }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or '}'") }
        }
    }

    private mutating func array(depth: Int) throws(FileError) -> [JSON] {
        at += 1
        var result: [JSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return result }
        while true {
            result.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return result }
            guard take(UInt8(ascii: ",")) else { throw failure("',' or ']'") }
        }
    }

    private mutating func digits() throws(FileError) {
        guard at < bytes.count, (0x30...0x39).contains(bytes[at]) else { throw failure("a digit") }
        while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
    }

    private mutating func number() throws(FileError) -> String {
        let start = at
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func string() throws(FileError) -> String {
        at += 1
        var text: [UInt8] = []
        var start = at
        let opening = at - 1
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                text += bytes[start..<at]
                at += 1
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw failure("a string in UTF-8", at: opening)
                }
                return result
            case UInt8(ascii: "\\"):
                text += bytes[start..<at]
                at += 1
                text += String(try escape()).utf8
                start = at
            case 0..<0x20: throw failure("no control character in a string")
            default: at += 1
            }
        }
        throw failure("the end of the string")
    }

    private mutating func escape() throws(FileError) -> UnicodeScalar {
        guard at < bytes.count else { throw failure("an escape sequence") }
        at += 1
        switch bytes[at - 1] {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let start = at
            let first = try hexadecimal()
            if let scalar = UnicodeScalar(first) { return scalar }
            // A high surrogate must be followed by a low one.
            guard first < 0xdc00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
                throw failure("a pair of surrogates", at: start)
            }
            let second = try hexadecimal()
            guard (0xdc00..<0xe000).contains(second),
                let scalar = UnicodeScalar(
                    0x10000 + (UInt32(first) - 0xd800) << 10 + UInt32(second) - 0xdc00)
            else { throw failure("a pair of surrogates", at: start) }
            return scalar
        default: throw failure("an escape sequence", at: at - 1)
        }
    }

    private mutating func hexadecimal() throws(FileError) -> UInt16 {
        var result: UInt16 = 0
        for _ in 0..<4 {
            guard at < bytes.count, let digit = Character(UnicodeScalar(bytes[at])).hexDigitValue else {
                throw failure("four hexadecimal digits")
            }
            result = result << 4 | UInt16(digit)
            at += 1
        }
        return result
    }
}
