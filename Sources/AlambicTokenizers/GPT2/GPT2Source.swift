import Foundation

extension GPT2Vocabulary {
    /// What the files say, before it is understood.
    struct Source {
        let vocabularyPath: String
        let mergesPath: String
        private let numbers: [String: Int]
        private var added: Set<String> = []
        private(set) var merges: [(left: String, right: String)]

        init(_ files: TokenizerFiles) throws(TokenizerError) {
            let names =
                files.have("vocab.json", "merges.txt")
                ? ("vocab.json", "merges.txt")
                : files.have("encoder.json", "vocab.bpe") ? ("encoder.json", "vocab.bpe") : nil
            if let names {
                try self.init(files, vocabulary: names.0, merges: names.1)
            } else if files.have("tokenizer.json") {
                try self.init(tokenizerJSON: files)
            } else {
                throw .malformed(
                    path: files.path,
                    reason: "expected vocab.json and merges.txt, encoder.json and vocab.bpe, or tokenizer.json")
            }
        }

        private init(_ files: TokenizerFiles, vocabulary: String, merges: String) throws(TokenizerError) {
            vocabularyPath = files.path(of: vocabulary)
            mergesPath = files.path(of: merges)
            let json = Data(try files.required(vocabulary))
            guard let numbers = try? JSONDecoder().decode([String: Int].self, from: json), !numbers.isEmpty else {
                throw Self.notNumbers(vocabularyPath)
            }
            self.numbers = numbers
            self.merges = []
            var lines = try files.required(merges).split(separator: 0x0A)[...]
            if lines.first?.starts(with: "#version".utf8) == true { lines = lines.dropFirst() }
            self.merges.reserveCapacity(lines.count)
            for (index, line) in lines.enumerated() {
                let line = line.last == 0x0D ? line.dropLast() : line
                self.merges.append(
                    try Self.pair(String(decoding: line, as: UTF8.self), "merge \(index + 1)", path: mergesPath))
            }
        }

        /// The one file in which newer libraries write all of it. What it asks for must be what GPT-2 does.
        private init(tokenizerJSON files: TokenizerFiles) throws(TokenizerError) {
            let path = files.path(of: "tokenizer.json")
            let object = try files.object("tokenizer.json")
            func malformed(_ reason: String) -> TokenizerError { .malformed(path: path, reason: reason) }
            let cutter = object["pre_tokenizer"] as? [String: Any]
            guard let model = object["model"] as? [String: Any], model["type"] as? String ?? "BPE" == "BPE",
                cutter?["type"] as? String == "ByteLevel", cutter?["use_regex"] as? Bool ?? true,
                cutter?["add_prefix_space"] as? Bool == false, object["normalizer"].map({ $0 is NSNull }) ?? true
            else {
                throw .unsupported(
                    path: path, name: "of tokenizer.json", known: ["byte-level BPE that cuts as GPT-2 does"])
            }
            guard let vocabulary = model["vocab"] as? [String: Any], let merges = model["merges"] as? [Any] else {
                throw malformed("keys 'vocab' and 'merges' of 'model': expected an object and an array")
            }
            (vocabularyPath, mergesPath) = (path, path)
            guard var numbers = vocabulary as? [String: Int], !numbers.isEmpty else { throw Self.notNumbers(path) }
            for token in object["added_tokens"] as? [[String: Any]] ?? [] {
                guard let text = token["content"] as? String, let number = token["id"] as? Int else {
                    throw malformed("key 'added_tokens': expected objects with 'content' and 'id'")
                }
                numbers[text] = number
                added.insert(text)
            }
            self.numbers = numbers
            self.merges = []
            for (index, merge) in merges.enumerated() {
                if let parts = merge as? [String], parts.count == 2 {
                    self.merges.append((parts[0], parts[1]))
                } else {
                    self.merges.append(try Self.pair(merge as? String ?? "", "merge \(index + 1)", path: path))
                }
            }
        }

        /// Whether the file says that a token is none of the merged ones.
        func isAdded(_ text: String) -> Bool { added.contains(text) }

        /// The tokens' texts, by number.
        func tokensByNumber() throws(TokenizerError) -> [String] {
            var tokens = [String?](repeating: nil, count: numbers.count)
            for (text, number) in numbers {
                guard tokens.indices.contains(number), tokens[number] == nil else {
                    throw .malformed(
                        path: vocabularyPath,
                        reason: "expected \(numbers.count) tokens numbered from 0 on, each once; found number \(number)"
                    )
                }
                tokens[number] = text
            }
            return tokens.compactMap { $0 }
        }

        private static func notNumbers(_ path: String) -> TokenizerError {
            .malformed(path: path, reason: "this is not a JSON object of whole numbers by token")
        }

        private static func pair(
            _ line: String, _ name: String, path: String
        ) throws(TokenizerError) -> (left: String, right: String) {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw .malformed(path: path, reason: "\(name): expected two tokens and a space between them")
            }
            return (String(parts[0]), String(parts[1]))
        }
    }
}
