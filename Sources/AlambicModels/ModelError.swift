/// A circumstance in which a model cannot do what was asked.
public enum ModelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no preset of this name.
    case unknownPreset(String, known: [String])
    /// A token is outside of the model's vocabulary.
    case tokenOutOfRange(Int32, vocabulary: Int)
    /// More tokens than the model has positions.
    case contextTooLong(tokens: Int, limit: Int)
    /// There is nothing to continue from or to evaluate.
    case noTokens
    /// The model came without a tokenizer, and text needs one.
    case noTokenizer
    /// A sampling setting that makes no sense.
    case badSampling(String)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .unknownPreset(let name, let known):
            "unknown model '\(name)': use \(known.joined(separator: ", ")), or the path of a config.json"
        case .tokenOutOfRange(let token, let vocabulary):
            "token \(token) is outside of the model's vocabulary of \(vocabulary): use the model's own tokenizer"
        case .contextTooLong(let tokens, let limit):
            "\(tokens) tokens are more than the model's context of \(limit): use fewer, or a model with a longer one"
        case .noTokens:
            "there are no tokens: give at least one to continue from, or two to predict"
        case .noTokenizer:
            "the model has no tokenizer: put tokenizer_config.json beside its config.json, or use token numbers"
        case .badSampling(let reason): reason
        }
    }
}
