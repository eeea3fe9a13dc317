import AlambicModels
import AlambicTraining

extension Calibration {
    /// Throws unless a model can read the text.
    func check(for architecture: some Architecture) throws(TrainingError) {
        guard tokens.length <= architecture.context else {
            throw .contextTooLong(context: tokens.length, limit: architecture.context)
        }
        if let token = tokens.ids.first(where: { $0 < 0 || Int($0) >= architecture.vocabulary }) {
            throw .vocabularyTooSmall(token: Int(token), vocabulary: architecture.vocabulary)
        }
    }
}
