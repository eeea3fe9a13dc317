import Alambic

/// What simulated clocks go by: the shortest times measured on one core of this machine, in seconds.
struct DeanTimes: Codable {
    /// A gradient of a mini-batch.
    var step: Double
    /// An update of all weights with Adagrad.
    var update: Double
    /// A piece of the whole training set.
    var piece: Double
    /// Of all weights.
    var bytes: Int

    static func measure(_ digits: Digits, rows: Int, pieces: Int) throws -> DeanTimes {
        let context = try Machine.local.context(threads: 1)
        let start = try DeanRuns.network.initialized(seed: 1, on: context)
        let batches = try ClassifierReplica(
            DeanRuns.network, parameters: start, examples: digits.train, rows: rows, seed: 1, on: context)
        let parts = try ClassifierPieces(
            DeanRuns.network, parameters: start, examples: digits.train, pieces: pieces, on: context)
        let server = try ParameterServer(start, shards: 1, optimizer: .adagrad(rate: 0.01))
        let gradients = try batches.gradient(ofBatch: 0).gradients
        return DeanTimes(
            step: try shortest(40) { _ = try batches.gradient(ofBatch: $0) },
            update: try shortest(40) { _ in try server.push(gradients, from: 0, step: 0, on: context) },
            piece: try shortest(5) { _ = try parts.gradient(ofBatch: $0) }, bytes: server.bytes)
    }

    /// The run that was disturbed least.
    private static func shortest(_ count: Int, _ body: (Int) throws -> Void) throws -> Double {
        let clock = ContinuousClock()
        var times: [Double] = []
        for index in 0..<count {
            let start = clock.now
            try body(index)
            times.append((clock.now - start) / .seconds(1))
        }
        return times.min() ?? 0
    }
}
