import AlambicModels
import AlambicTensor
import AlambicTraining

extension Calibration {
    /// Throws unless a model can read the text.
    func check(for architecture: some Architecture) throws(TrainingError) { try tokens.check(for: architecture) }
}

extension Tokens {
    /// Throws unless a model can read the sequences.
    func check(for architecture: some Architecture) throws(TrainingError) {
        guard length <= architecture.context else {
            throw .contextTooLong(context: length, limit: architecture.context)
        }
        if let token = ids.first(where: { $0 < 0 || Int($0) >= architecture.vocabulary }) {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: architecture.vocabulary)
        }
    }
}
