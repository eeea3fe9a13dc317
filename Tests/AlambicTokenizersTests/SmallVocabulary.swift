import AlambicTestSupport
import Foundation

@testable import AlambicTokenizers

/// A byte-pair encoding that is learned here, the slow way, so that tests need no files of others.
struct SmallVocabulary {
    /// The tokens by number: bytes, then what merges make, then a special token.
    private(set) var tokens: [[UInt8]]
    private(set) var merges: [(left: [UInt8], right: [UInt8])] = []
    static let special = "<|endoftext|>"

    /// - Parameter mergeCount: how many of the most frequent pairs to merge.
    init(learnedFrom text: String, mergeCount: Int) {
        // As GPT-2 numbers bytes: visible ones first.
        let visible = (UInt8.min...UInt8.max).filter { (0x21...0x7E).contains($0) || ($0 >= 0xA1 && $0 != 0xAD) }
        tokens = (visible + (UInt8.min...UInt8.max).filter { !visible.contains($0) }).map { [$0] }
        var words = text.split(separator: " ").map { word in (" " + word).utf8.map { [$0] } }
        for _ in 0..<mergeCount {
            var counts: [[[UInt8]]: Int] = [:]
            for word in words { for (a, b) in zip(word, word.dropFirst()) { counts[[a, b], default: 0] += 1 } }
            let best = counts.max { ($0.value, "\($1.key)") < ($1.value, "\($0.key)") }
            guard let pair = best?.key, !tokens.contains(pair[0] + pair[1]) else { break }
            merges.append((pair[0], pair[1]))
            tokens.append(pair[0] + pair[1])
            words = words.map { Self.merging($0, pair[0], pair[1]) }
        }
    }

    private static func merging(_ word: [[UInt8]], _ left: [UInt8], _ right: [UInt8]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for part in word {
            if part == right, result.last == left {
                result[result.count - 1] = left + right
            } else {
                result.append(part)
            }
        }
        return result
    }

    /// What GPT-2's own code does, step by step: the regular expression, then all places of the lowest-ranked pair at a
    /// time. Shares nothing with the library.
    func naiveTokens(_ text: String) throws -> [Int32] {
        let pattern = try Regex(#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
            .matchingSemantics(.unicodeScalar)
        var numbers: [[UInt8]: Int32] = [:]
        for (number, token) in tokens.enumerated() { numbers[token] = Int32(number) }
        var result: [Int32] = []
        for match in text.matches(of: pattern) {
            var word = text[match.range].utf8.map { [$0] }
            while true {
                let pairs = Array(zip(word, word.dropFirst()))
                guard let next = merges.first(where: { merge in pairs.contains { $0 == merge } }) else { break }
                word = Self.merging(word, next.left, next.right)
            }
            result += word.compactMap { numbers[$0] }
        }
        return result
    }

    /// `vocab.json` and `merges.txt`, under these names.
    func files(_ vocabulary: String = "vocab.json", _ merges: String = "merges.txt") -> [(
        name: String, contents: [UInt8]
    )] {
        var lines = ["#version: 0.2"]
        for merge in self.merges { lines.append("\(Self.shown(merge.left)) \(Self.shown(merge.right))") }
        var numbers: [String: Int] = [:]
        for (number, token) in tokens.enumerated() { numbers[Self.shown(token)] = number }
        numbers[Self.special] = tokens.count
        let json = (try? JSONSerialization.data(withJSONObject: numbers)) ?? Data()
        return [(vocabulary, [UInt8](json)), (merges, Array((lines.joined(separator: "\n") + "\n").utf8))]
    }

    /// `tokenizer.json`, as newer libraries write it.
    func tokenizerJSON(pairs: Bool, prefixSpace: Bool = false) throws -> [UInt8] {
        var numbers: [String: Int] = [:]
        for (number, token) in tokens.enumerated() { numbers[Self.shown(token)] = number }
        let merges: [Any] = self.merges.map { merge in
            let (left, right) = (Self.shown(merge.left), Self.shown(merge.right))
            return pairs ? [left, right] : "\(left) \(right)"
        }
        let object: [String: Any] = [
            "normalizer": NSNull(), "added_tokens": [["content": Self.special, "id": tokens.count, "special": true]],
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": prefixSpace],
            "model": ["type": "BPE", "vocab": numbers, "merges": merges],
        ]
        return [UInt8](try JSONSerialization.data(withJSONObject: object))
    }

    private static func shown(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            let isVisible = (0x21...0x7E).contains(byte) || (byte >= 0xA1 && byte != 0xAD)
            // 33 bytes up to the space come first, then 0x7F to 0xA0, then 0xAD.
            let place = byte < 0x21 ? Int(byte) : byte < 0xA1 ? Int(byte) - 0x7F + 33 : 67
            if let scalar = UnicodeScalar(UInt32(isVisible ? Int(byte) : 0x100 + place)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

/// Text of many kinds of characters, with what the pattern looks for more often than chance would have it.
func drawnText(_ count: Int, seed: UInt64) -> String {
    var random = SplitMix(seed: seed)
    let frequent = [
        " ", " ", "  ", "\n", "\t", "\r\n", "'", "'s", "'re", "'ll", "'LL", "'d", "the", "low", "er", "newest", "7",
        "42",
        ".", ",", "<", "<|", "\u{A0}", "\u{2028}", "\u{3000}", "é", "Ⅷ", "½", "漢字", "🙂", "e\u{301}", "\u{200B}",
        "\u{1D7D8}",
    ]
    var text = ""
    for _ in 0..<count {
        if Int.random(in: 0..<8, using: &random) == 0,
            let scalar = UnicodeScalar(UInt32.random(in: 1..<0x3100, using: &random)),
            scalar.properties.generalCategory != .unassigned
        {
            text.unicodeScalars.append(scalar)
        } else {
            text += frequent[Int.random(in: 0..<frequent.count, using: &random)]
        }
    }
    return text
}
