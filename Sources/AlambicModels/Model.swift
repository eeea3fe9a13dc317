import AlambicFiles
import AlambicKernels
import AlambicTensor
import AlambicTokenizers
import Foundation

/// A model: an architecture with its weights, in whichever forms, and a tokenizer if it has one. Immutable.
public struct Model: Sendable {
    /// What it is made of.
    public let architecture: any Architecture
    /// The weights in walk order.
    public let weights: [PackedWeight]
    /// What turns text into tokens and back.
    public let tokenizer: (any Tokenizer)?
    /// The keys of the `config.json` that it came from.
    private let original: ModelConfiguration
    /// Which form each sparse weight runs in, as the model's directory says, if it does.
    public internal(set) var forms: FormRecord?
    /// What is wrong with that record, in which case there is none: forms are measured again, and nothing is lost.
    public internal(set) var formsProblem: FileError?

    /// The `config.json`, with the architecture's own keys up to date.
    public var configuration: ModelConfiguration {
        var configuration = original
        architecture.write(into: &configuration)
        return configuration
    }

    /// A model with given weights, in walk order and of the architecture's shapes.
    public init(
        architecture: any Architecture, weights: [PackedWeight], tokenizer: (any Tokenizer)? = nil,
        configuration: ModelConfiguration? = nil
    ) {
        let expected = architecture.parameters.map(\.shape)
        precondition(
            weights.map(\.shape) == expected, "weights \(weights.map(\.shape)) for parameters \(expected)")
        self.architecture = architecture
        self.weights = weights
        self.tokenizer = tokenizer
        original = configuration ?? ModelConfiguration([:])
    }

    /// A model with random weights. Equal seeds give equal bits, on any machine of the same kind of kernels.
    ///
    /// - Parameters:
    ///   - configuration: `.gpt(…)`, a preset, or one from a file.
    ///   - seed: the key of all random numbers; parameter i draws from stream i.
    ///   - tokenizer: what the model's tokens mean; bytes by default for a vocabulary of 256.
    /// - Throws: `FileError` for a configuration that makes no sense, `KernelError` for a lack of memory.
    public init(
        _ configuration: ModelConfiguration, seed: UInt64, tokenizer: (any Tokenizer)? = nil,
        on context: Context = .default
    ) throws {
        let architecture = try ArchitectureRegistry.architecture(for: configuration)
        try Self.checkFits(architecture, in: context.machine.availableMemory)
        var weights: [PackedWeight] = []
        for (index, description) in architecture.parameters.enumerated() {
            let tensor = try Tensor(description.shape)
            switch description.initialization {
            case .zeros: break
            case .ones:
                var elements = tensor.mutableSpan
                for i in 0..<elements.count { elements[i] = 1 }
            case .normal(let deviation):
                try normal(
                    seed: seed, stream: UInt64(index), mean: 0, deviation: deviation, into: tensor.mutableSpan,
                    on: context)
            }
            weights.append(.f32(tensor))
        }
        self.init(
            architecture: architecture, weights: weights,
            tokenizer: tokenizer ?? (architecture.vocabulary == 256 ? ByteTokenizer() : nil),
            configuration: configuration)
    }

    /// Throws if the dense weights need more memory than is available: to be told is better than to be killed.
    static func checkFits(_ architecture: any Architecture, in available: Int?) throws(KernelError) {
        // In floating point, for sizes whose product is no integer of 64 bits.
        let needed = architecture.parameters.reduce(0.0) { sum, description in
            sum + description.shape.dimensions.reduce(4.0) { $0 * Double($1) }
        }
        guard let available, needed > Double(available) else { return }
        let megabytes = String(format: "%.0f MB", (needed / 1e6).rounded(.up))
        throw KernelError(
            .noMemory,
            "the model's weights need \(megabytes) and \(available / 1_000_000) MB are available: use a smaller model")
    }

    /// The same model with other weights, in walk order and of the same shapes.
    public func replacing(weights: [PackedWeight]) -> Model {
        Model(architecture: architecture, weights: weights, tokenizer: tokenizer, configuration: original)
    }

    /// A model of other sizes with the same tokenizer and the same other keys of `config.json`; weights in the walk order of
    /// the new architecture.
    public func replacing(architecture: any Architecture, weights: [PackedWeight]) -> Model {
        Model(architecture: architecture, weights: weights, tokenizer: tokenizer, configuration: original)
    }

    /// The same model with another tokenizer.
    public func replacing(tokenizer: (any Tokenizer)?) -> Model {
        Model(architecture: architecture, weights: weights, tokenizer: tokenizer, configuration: original)
    }

    /// The same weights with another dropout rate for training.
    public func withDropout(_ rate: Double) -> Model {
        Model(
            architecture: architecture.withDropout(rate), weights: weights, tokenizer: tokenizer,
            configuration: original)
    }

    /// Dropout rate of the residual branches while training.
    public var dropout: Double { architecture.dropout }
    /// Number of weights, zeros included.
    public var parameterCount: Int { weights.reduce(0) { $0 + $1.count } }
    /// Number of weights that are not zero.
    public var nonzeroCount: Int { weights.reduce(0) { $0 + $1.nonzeroCount } }
    /// Bytes of all tensors when saved; headers, `config.json` and tokenizer come on top.
    public var byteCount: Int { weights.reduce(0) { $0 + $1.byteCount } }

    /// A fingerprint of the weights as stored, 16 hexadecimal digits (FNV-1a over 8 bytes at a time).
    public var digest: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
        func add(_ bytes: UnsafeRawBufferPointer) {
            add(UInt64(bytes.count))
            let whole = bytes.count / 8
            for i in 0..<whole { add(bytes.loadUnaligned(fromByteOffset: i * 8, as: UInt64.self)) }
            for byte in bytes[(whole * 8)...] { add(UInt64(byte)) }
        }
        for (weight, description) in zip(weights, architecture.parameters) {
            if case .f32(let tensor) = weight {
                // As it would be stored, without the copy.
                tensor.withUnsafeBytes(add)
            } else {
                for tensor in weight.stored(as: description.path) { tensor.bytes.withUnsafeBytes(add) }
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Trainable copies of the weights, dense, in walk order.
    public func trainableParameters() throws(KernelError) -> [Parameter] {
        var parameters: [Parameter] = []
        for (weight, description) in zip(weights, architecture.parameters) {
            let value = try weight.dense().copied()
            parameters.append(
                Parameter(
                    path: description.path, kind: description.kind, decays: description.decays, value: value))
        }
        return parameters
    }

    /// The weights made ready to run on a context, to be shared by any number of inferences there.
    ///
    /// - Parameter policy: which form sparse weights run in, which changes their speed alone. By default it is what the
    ///   model's record says, if that was made on such a machine; else what is measured, once for each processor and
    ///   kind of weight.
    public func runnableWeights(
        forms policy: FormPolicy? = nil, on context: Context
    ) throws(KernelError) -> [RunnableWeight] {
        let forms = packedForms(policy, on: context)
        var runnable: [RunnableWeight] = []
        for (index, description) in architecture.parameters.enumerated() {
            let isHead = index == architecture.head.index
            runnable.append(
                try RunnableWeight(
                    weights[index], gathers: description.kind != .matrix,
                    multiplies: isHead || description.kind == .matrix, form: forms[index], on: context))
        }
        return runnable
    }

    /// The forward pass over whole batches, without gradients. See ``runnableWeights(forms:on:)``.
    public func makeInference(forms: FormPolicy? = nil, on context: Context) throws(KernelError) -> Inference {
        Inference(try runnableWeights(forms: forms, on: context), on: context)
    }

    /// The mean cross-entropy in nats of each token given those before it in the same stretch of `context` tokens.
    ///
    /// - Parameters:
    ///   - tokens: at least two.
    ///   - context: tokens per stretch; all that the model can see by default.
    ///   - rows: stretches at a time; this does not change the result.
    public func loss(
        on tokens: [Int32], context: Int? = nil, rows: Int = 16, machineContext: Context = .default
    ) throws -> Double {
        let length = context ?? architecture.context
        guard length > 0, length <= architecture.context else {
            throw ModelError.contextTooLong(tokens: length, limit: architecture.context)
        }
        guard tokens.count > 1 else { throw ModelError.noTokens }
        try check(tokens)
        let inference = try makeInference(on: machineContext)
        let predicted = tokens.count - 1
        var (sum, done) = (0.0, 0)
        while done < predicted {
            let stretch = min(length, predicted - done)
            let batch = max(1, min(rows, (predicted - done) / stretch))
            let end = done + batch * stretch
            let input = Tokens(ids: Array(tokens[done..<end]), batch: batch, length: stretch)
            let hidden = try architecture.hidden(input, on: inference)
            let targets = Array(tokens[done + 1..<end + 1])
            for loss in try inference.losses(hidden, head: architecture.head, targets: targets) { sum += Double(loss) }
            done = end
        }
        return sum / Double(predicted)
    }

    /// Checks that all tokens are in the vocabulary.
    public func check(_ tokens: [Int32]) throws(ModelError) {
        for token in tokens where token < 0 || Int(token) >= architecture.vocabulary {
            throw .tokenOutOfRange(token, vocabulary: architecture.vocabulary)
        }
    }
}
