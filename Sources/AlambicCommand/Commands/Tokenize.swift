import Alambic
import Foundation

extension Subcommand {
    static let tokenize = Subcommand(
        name: "tokenize", summary: "turn text into a file of tokens that training maps into memory",
        usage: "--data FILE… --tokenizer NAME|DIR --out FILE.tokens [options]",
        options: [
            .list("data", "FILE…", "text files, and directories of such, one after the other"),
            .value("tokenizer", "NAME", "\(TokenizerChoice.help) (default bytes)"),
            .value("vocab", "DIR", "the directory of gpt2's files, where --tokenizer gpt2 does not name it"),
            .value("out", "FILE", "the file to write, such as input.tokens"),
        ],
        notes: """
            The file holds the tokens in 2 or 4 bytes each, the tokenizer and a hash of it, and replaces text as the
            --data of train, distill, prune and evaluate. Example: alambic tokenize --data input.txt --tokenizer
            characters --out input.tokens
            """,
        run: { arguments in
            let paths = arguments.list("data")
            guard !paths.isEmpty else {
                throw CommandError.usage("--data is needed: text files; see `alambic tokenize --help`")
            }
            // The work is that of one thread; the option is checked all the same.
            _ = try arguments.int("threads", in: 1...1024)
            let out = try arguments.required("out", "the file to write")
            let choice = try TokenizerChoice(arguments) ?? .bytes
            try Output.prepareFile(out)
            let name = paths.count == 1 ? paths[0] : "\(paths[0]) and \(paths.count - 1) more"
            let text = try TextFile.read(paths.map { URL(fileURLWithPath: $0) }).bytes
            let tokenizer = try choice.tokenizer(for: text, named: name)
            let (tokens, seconds) = try timed { try encode(text, tokenizer, name) }
            try TokenFile.write(
                tokens, textBytes: text.count, vocabulary: tokenizer.vocabularySize,
                tokenizer: (tokenizer.name, tokenizer.digest, tokenizer.files), to: URL(fileURLWithPath: out))
            let file = try TokenFile(URL(fileURLWithPath: out))
            try Output.show(
                [
                    ("file", out), ("tokenizer", tokenizer.name),
                    ("tokenizer_hash", String(tokenizer.digest, radix: 16)), ("vocabulary", file.vocabulary),
                    ("tokens", file.count), ("bytes_per_token", Double(text.count) / Double(file.count)),
                    ("bytes_of_a_token", file.tokenBytes), ("text_bytes", text.count),
                    ("text_bytes_per_s", Double(text.count) / max(seconds, 1e-9)),
                ], as: arguments)
        })

    /// The tokens of a text, with a progress bar; Ctrl-C ends it before anything is written.
    private static func encode(_ text: [UInt8], _ tokenizer: any Tokenizer, _ name: String) throws -> [Int32] {
        let progress = Progress("tokenizing", total: text.count, unit: "MB")
        let started = ContinuousClock.now
        do {
            let tokens = try tokenizer.encode(text, partSize: 4 << 20) { done in
                guard !Interruption.isRequested else {
                    throw CommandError.interrupted(
                        "interrupted after \(done) of \(text.count) bytes; nothing is written")
                }
                progress.update(done, rate: Double(done) / 1e6 / max((ContinuousClock.now - started).inSeconds, 1e-9))
            }
            progress.finish("\(tokens.count) tokens of \(text.count) bytes")
            return tokens
        } catch let error as TokenizerError {
            throw CorpusError.tokens(name, error)
        }
    }
}
