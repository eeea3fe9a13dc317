import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTokenizers
import AlambicTraining

/// What every objective with a teacher in memory asks of it.
struct Teacher: Sendable {
    let model: Model
    let digest: String

    init(_ model: Model) {
        self.model = model
        digest = model.digest
    }

    /// Refuses a student that cannot learn from it.
    func check(_ student: any Architecture) throws(TrainingError) {
        guard model.architecture.vocabulary == student.vocabulary else {
            throw .modelsDiffer(
                "the teacher has a vocabulary of \(model.architecture.vocabulary) tokens and the student of "
                    + "\(student.vocabulary): distillation needs the same tokens for both")
        }
        guard model.architecture.context >= student.context else {
            throw .modelsDiffer(
                "the teacher sees \(model.architecture.context) tokens and the student \(student.context): "
                    + "the student's context may not be longer")
        }
    }

    /// Refuses a student whose tokens mean something else, be there as many of them or not.
    func check(_ tokenizer: (any Tokenizer)?) throws(TrainingError) {
        guard let own = model.tokenizer, let tokenizer, own.digest != tokenizer.digest else { return }
        throw .modelsDiffer(
            "the teacher's tokenizer is \(described(own)) and the student's is \(described(tokenizer)): distillation "
                + "needs the same tokens for both, so use the teacher's tokenizer")
    }

    func inference(on context: Context) throws(TrainingError) -> Inference {
        do { return try model.makeInference(on: context) } catch { throw .kernel(error) }
    }
}

/// A tokenizer by name, size and hash, as messages give it.
func described(_ tokenizer: any Tokenizer) -> String {
    "\(tokenizer.name) (\(tokenizer.vocabularySize) tokens, hash \(String(tokenizer.digest, radix: 16)))"
}

/// Temperatures and mixings that make sense.
func checkedTerms(
    temperature: Double, mixing: Double, divergence: Divergence
) throws(TrainingError) -> DistillationTerms {
    guard temperature > 0, temperature.isFinite else {
        throw .badSetting("the temperature \(temperature) is not positive")
    }
    guard (0...1).contains(mixing) else {
        throw .badSetting("the mixing \(mixing) of soft and hard loss is outside of 0...1")
    }
    if case .jensenShannon(let beta) = divergence, !(beta > 0 && beta < 1) {
        throw .badSetting("the beta \(beta) of the Jensen-Shannon divergence is not between 0 and 1")
    }
    return DistillationTerms(temperature: Float(temperature), mixing: Float(mixing), divergence: divergence)
}
