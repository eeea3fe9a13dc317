import Alambic
import Foundation

/// What `--tokenizer` names.
enum TokenizerChoice {
    case bytes
    /// The characters of the text at hand.
    case characters
    case loaded(any Tokenizer)

    static let help = "bytes, characters, gpt2:DIR (with vocab.bpe and encoder.json), or a model's DIR"

    /// Nil where the option is not given.
    init?(_ arguments: Arguments) throws {
        let vocabulary = arguments.string("vocab")
        guard let name = arguments.string("tokenizer") else {
            guard vocabulary == nil else { throw CommandError.usage("--vocab belongs to --tokenizer gpt2") }
            return nil
        }
        if vocabulary != nil && name != "gpt2" {
            throw CommandError.usage("--vocab belongs to --tokenizer gpt2; found --tokenizer \(name)")
        }
        switch name {
        case "bytes": self = .bytes
        case "characters": self = .characters
        case "gpt2":
            guard let vocabulary else {
                throw CommandError.usage(
                    "--tokenizer gpt2 needs the directory of its files: gpt2:DIR, with vocab.bpe and encoder.json")
            }
            self = .loaded(try GPT2Tokenizer(directory: try Self.directory(vocabulary)))
        case _ where name.hasPrefix("gpt2:"):
            self = .loaded(try GPT2Tokenizer(directory: try Self.directory(String(name.dropFirst("gpt2:".count)))))
        default:
            guard FileManager.default.fileExists(atPath: name) else {
                throw CommandError.usage("unknown tokenizer '\(name)'; known: \(Self.help)")
            }
            self = .loaded(try Tokenizers.load(modelDirectory: try Self.directory(name)))
        }
    }

    /// The tokenizer, once there is a text.
    func tokenizer(for text: [UInt8], named name: String) throws -> any Tokenizer {
        switch self {
        case .bytes: return ByteTokenizer()
        case .characters:
            do { return try CharacterTokenizer(of: text) } catch { throw CorpusError.tokens(name, error) }
        case .loaded(let tokenizer): return tokenizer
        }
    }

    /// Opens a tokenized corpus that must have been made with it. One of characters has characters of its own.
    func corpus(mapping path: String) throws -> Corpus {
        switch self {
        case .bytes: return try Corpus(mapping: path, tokenizer: ByteTokenizer())
        case .loaded(let tokenizer): return try Corpus(mapping: path, tokenizer: tokenizer)
        case .characters:
            let corpus = try Corpus(mapping: path)
            guard corpus.tokenizer is CharacterTokenizer else {
                throw CorpusError.otherTokenizer(path, made: corpus.tokenizer.name, given: CharacterTokenizer.className)
            }
            return corpus
        }
    }

    private static func directory(_ path: String) throws -> URL {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw CommandError.failed("no tokenizer in '\(path)': it is no directory; name the one with its files")
        }
        return URL(fileURLWithPath: path, isDirectory: true)
    }
}

extension Arguments {
    /// What `--data` names: tokens as they are, or text in the tokens of `--tokenizer`, else of a model, else in bytes.
    ///
    /// - Parameter model: the model that is to read it.
    func corpus(for model: Model? = nil) throws -> Corpus {
        let path = try required("data", "a text file, or one made by alambic tokenize")
        try Output.requireFile(path)
        let corpus = try read(path, TokenizerChoice(self), model)
        if let model { try requireVocabulary(of: model, for: corpus) }
        return corpus
    }

    private func read(_ path: String, _ choice: TokenizerChoice?, _ model: Model?) throws -> Corpus {
        if Corpus.isTokenized(path) {
            return try choice?.corpus(mapping: path) ?? Corpus(mapping: path, tokenizer: model?.tokenizer)
        }
        let tokenizer: any Tokenizer
        if let choice {
            // Only characters depend on the text, but a text that cannot be read is named first in any case.
            let text = try TextFile.read(URL(fileURLWithPath: path))
            return try Corpus(text: text, tokenizer: choice.tokenizer(for: text.bytes, named: path), name: path)
        } else if let model {
            guard let own = model.tokenizer else { throw ModelError.noTokenizer }
            tokenizer = own
        } else {
            tokenizer = ByteTokenizer()
        }
        return try Corpus(contentsOf: path, tokenizer: tokenizer)
    }

    /// Every token of a corpus must be one of the model's.
    func requireVocabulary(of model: Model, for corpus: Corpus) throws {
        let vocabulary = model.architecture.vocabulary
        guard corpus.vocabulary <= vocabulary else {
            throw CommandError.failed(
                "the model's vocabulary of \(vocabulary) is smaller than the \(corpus.vocabulary) tokens of "
                    + "\(corpus.tokenizer.name) for '\(corpus.name)': use a model with a vocab_size of at least "
                    + "\(corpus.vocabulary), or another tokenizer")
        }
    }
}
