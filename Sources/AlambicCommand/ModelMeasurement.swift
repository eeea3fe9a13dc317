import Alambic
import Foundation

/// A model that reads a prompt and then makes tokens one at a time: how long it takes, and where the time goes.
struct ModelMeasurement {
    private let parameters: Int
    private let form: String
    private let prompt: Int
    /// Of each time the prompt was read.
    private let prefillSeconds: [Double]
    /// Of each token.
    private let decodeSeconds: [Double]
    private let regions: Int
    /// Bytes that a token needs: weights, and keys and values of the tokens before it, on average.
    private let bytes: Double
    /// Bytes per second, the best of the run.
    private let bandwidth: Double
    /// Nanoseconds of one token by operation, from the slowest to the fastest.
    private let operations: [(name: String, calls: Int, nanoseconds: Double)]

    init(
        _ model: Model, forms: FormPolicy?, prompt: Int, tokens: Int, seed: UInt64, on context: Context
    ) throws {
        let subject = try Subject(model, forms, on: context)
        parameters = model.parameterCount
        form = model.weights[model.architecture.parameters.firstIndex { $0.kind == .matrix } ?? 0].formName
        self.prompt = prompt
        var random = RandomTokens(seed: seed, vocabulary: model.architecture.vocabulary)
        prefillSeconds = try (0..<4).map { _ in
            subject.cache.truncate(to: 0)
            let ids = random.next(prompt)
            return try timed { _ = try subject.next(ids) }.1
        }
        bytes = subject.byteCount(keys: Double(prompt) + Double(tokens + 1) / 2)
        let memory = try ReadLimit(bytes: bytes, on: context)
        // The first token is noted, and each limit is measured once before it counts.
        _ = try subject.next(random.next(1))
        subject.cache.truncate(to: prompt)
        var (seconds, regions) = ([Double](), 0)
        while seconds.count < tokens {
            if Interruption.isRequested { throw CommandError.interrupted("interrupted after \(seconds.count) tokens") }
            try memory.measure()
            for _ in 0..<min(16, tokens - seconds.count) {
                let token = random.next(1)
                let before = context.regionCount
                seconds.append(try timed { _ = try subject.next(token) }.1)
                regions = max(regions, context.regionCount - before)
            }
        }
        (decodeSeconds, self.regions, bandwidth) = (seconds, regions, memory.best)
        operations = try subject.profile(after: prompt, tokens: tokens) { random.next(1) }
    }

    private var median: Double { decodeSeconds.sorted()[decodeSeconds.count / 2] }
    private var best: Double { decodeSeconds.min() ?? 0 }
    private var perToken: Double { operations.reduce(0) { $0 + $1.nanoseconds } }
    private var products: Double {
        operations.reduce(0) { $0 + ($1.name.hasPrefix("linear") ? $1.nanoseconds : 0) }
    }

    /// For `--json`, and as lines.
    var pairs: [(String, Any)] {
        [
            ("parameters", parameters), ("form", form), ("prompt_tokens", prompt),
            ("prefill_tokens_per_s", Double(prompt) / (prefillSeconds.min() ?? 1)),
            ("decode_tokens", decodeSeconds.count), ("decode_tokens_per_s", 1 / median),
            ("decode_tokens_per_s_best", 1 / best), ("bytes_per_token", Int(bytes)),
            ("read_bytes_per_s", bandwidth), ("read_fraction", bytes / median / bandwidth),
            ("read_fraction_best", bytes / best / bandwidth), ("regions_per_token", regions),
            ("operations_per_token", operations.reduce(0) { $0 + $1.calls }),
            ("microseconds_of_products", products * 1e-3), ("microseconds_of_the_rest", (perToken - products) * 1e-3),
        ]
    }

    /// Where the time of a token goes, in 80 columns.
    var table: String {
        var text = "operation".padding(toLength: 34, withPad: " ", startingAt: 0) + "calls        us  share\n"
        for (name, calls, nanoseconds) in operations {
            text += name.padding(toLength: 34, withPad: " ", startingAt: 0)
            text += String(format: "%5d %9.1f %5.1f%%\n", calls, nanoseconds * 1e-3, nanoseconds / perToken * 100)
        }
        return text
    }
}

/// The model, ready to run.
private struct Subject {
    let cache: KeyValueCache
    private let architecture: any Architecture
    private let weights: [RunnableWeight]
    private let inference: Inference

    init(_ model: Model, _ forms: FormPolicy?, on context: Context) throws {
        architecture = model.architecture
        weights = try model.runnableWeights(forms: forms, on: context)
        cache = try KeyValueCache(
            widths: architecture.attentionWidths, capacity: architecture.context)
        inference = Inference(weights, cache: cache, on: context)
    }

    func next(_ tokens: [Int32]) throws -> Tensor {
        try inference.next(tokens, head: architecture.head) { tokens, graph throws(KernelError) in
            try architecture.hidden(tokens, on: graph)
        }
    }

    /// Bytes that a token needs which sees so many keys.
    func byteCount(keys: Double) -> Double {
        let products = weights.reduce(0) { $0 + $1.productByteCount }
        return Double(products) + 2 * Double(architecture.layers * architecture.width * 4) * keys
    }

    /// Means over at most 64 tokens.
    func profile(
        after prompt: Int, tokens: Int, _ token: () -> [Int32]
    ) throws -> [(name: String, calls: Int, nanoseconds: Double)] {
        cache.truncate(to: prompt)
        let runs = min(tokens, 64)
        var sums: [String: (calls: Int, nanoseconds: Double)] = [:]
        for _ in 0..<runs {
            let (_, times) = try inference.nextTimed(token(), head: architecture.head) {
                tokens, graph throws(KernelError) in try architecture.hidden(tokens, on: graph)
            }
            for time in times {
                sums[time.name, default: (0, 0)].calls += 1
                sums[time.name, default: (0, 0)].nanoseconds += Double(time.nanoseconds)
            }
        }
        return sums.map { ($0.key, $0.value.calls / runs, $0.value.nanoseconds / Double(runs)) }
            .sorted { ($1.nanoseconds, $0.name) < ($0.nanoseconds, $1.name) }
    }
}

/// How fast as many bytes as a token needs can be read, again and again, so that caches help as much as they help it.
private final class ReadLimit {
    private let probe: TrafficProbe
    private let context: Context
    private(set) var best = 0.0

    init(bytes: Double, on context: Context) throws {
        self.context = context
        probe = try TrafficProbe(count: max(1 << 14, Int(bytes / 16) / 64 * 64), on: context)
        try measure()
    }

    func measure() throws {
        for _ in 0..<2 {
            let (bytes, seconds) = try timed {
                try (0..<4).reduce(0) { $0 + (try probe.run(.read, turn: $1, on: context)) }
            }
            best = max(best, Double(bytes) / seconds)
        }
    }
}

/// Tokens that nobody can predict.
private struct RandomTokens {
    private var state: UInt64
    private let vocabulary: UInt64

    init(seed: UInt64, vocabulary: Int) { (state, self.vocabulary) = (seed, UInt64(vocabulary)) }

    mutating func next(_ count: Int) -> [Int32] {
        (0..<count).map { _ in
            // A linear congruential generator (Knuth's MMIX): which tokens these are does not matter.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int32(truncatingIfNeeded: (state >> 33) % vocabulary)
        }
    }
}
