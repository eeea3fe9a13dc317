import Alambic
import Foundation

/// The training runs of the paper on Downpour and Sandblaster, all from the same weights for a seed.
struct DeanRuns {
    let lab: Lab
    let digits: Digits
    let times: DeanTimes
    let classifier = DeanRuns.network
    /// Images in a mini-batch.
    static let rows = 100
    static let network = Classifier.leNet300
    /// Pieces of the whole training set: three for each of eight workers.
    static let pieces = 24

    /// Mini-batches in an epoch.
    var epoch: Int { digits.train.count / Self.rows }
    /// Gradients after which plain SGD's loss is what the others are to reach.
    var goal: Int { epoch * lab.choose(5, quick: 1) }
    /// Gradients that runs get: enough to see by how much a method misses the goal.
    /// Eight workers need more of their staler ones.
    func budget(workers: Int) -> Int { workers > 4 ? goal * 4 : goal * 2 }
    /// Gradients that one worker computes before the others join: half an epoch for four, and more for more, since so many
    /// stale gradients then come at Adagrad's largest rates.
    func warmStart(workers: Int) -> Int { epoch * workers / 8 }
    /// Gradients between measurements.
    let interval: Int

    /// One worker, one machine: no server.
    func serial(_ optimizer: any Optimizer, seed: UInt64, gradients: Int) throws -> DeanCurve {
        let trainer = try ClassifierTrainer(classifier, optimizer: optimizer, seed: seed, on: try Context(threads: 1))
        let gauge = try DeanGauge(classifier, digits, on: trainer.context)
        var batches = try ImageBatches(of: digits.train, rows: Self.rows, seed: seed, on: trainer.context)
        var curve = DeanCurve()
        try gauge.note(trainer.parameters, gradients: 0, seconds: 0, in: &curve)
        do {
            for step in 0..<gradients {
                let (images, labels) = try batches.batch(step)
                try trainer.step(images: images, labels: labels)
                guard (step + 1) % interval == 0 || step + 1 == gradients else { continue }
                let seconds = Double(step + 1) * (times.step + times.update)
                try gauge.note(trainer.parameters, gradients: Double(step + 1), seconds: seconds, in: &curve)
            }
        } catch TrainingError.notFinite {
            curve.diverge(at: Double(trainer.state.step))
        }
        return curve
    }

    /// Downpour SGD on a simulated cluster.
    func downpour(
        _ settings: Downpour, _ optimizer: any Optimizer, on cluster: Cluster, faults: [Int: Fault] = [:],
        seed: UInt64, gradients: Int
    ) throws -> DeanCurve {
        // Small operations, many runs: the callers' own threads do them without handing anything over.
        let context = try Machine.local.context(threads: 1)
        let start = try classifier.initialized(seed: seed, on: context)
        let server = try Self.server(start, cluster.parameterServers, optimizer)
        let replicas = try cluster.workers.map { _ in
            try ClassifierReplica(
                classifier, parameters: start, examples: digits.train, rows: Self.rows, seed: seed, on: context)
        }
        let run = try SimulatedDownpour(
            settings, on: cluster, times: .init(step: times.step, update: times.update), server: server,
            replicas: replicas, faults: faults)
        let gauge = try DeanGauge(classifier, digits, on: context)
        let weights = try classifier.initialized(seed: seed, on: context)
        var curve = DeanCurve()
        try gauge.note(weights, gradients: 0, seconds: 0, in: &curve)
        var (done, stale) = (0, 0.0)
        do {
            while done < gradients {
                let report = try run.run(gradients: min(interval, gradients - done))
                done += report.gradients
                stale += report.staleness * Double(report.gradients)
                curve.events += report.events.map(\.description)
                server.fetch(into: weights)
                try gauge.note(weights, gradients: Double(done), seconds: run.seconds, in: &curve)
            }
        } catch ParallelError.noWorkersLeft {
            curve.diverge(at: Double(done))
        }
        curve.staleness = stale / Double(max(done, 1))
        return curve
    }

    private static func server(_ start: [Parameter], _ shards: Int, _ rule: some Optimizer) throws -> ParameterServer {
        try ParameterServer(start, shards: shards, optimizer: rule)
    }

    /// Sandblaster L-BFGS on the whole training set. Seconds are those of one evaluation times their number, to be
    /// scaled: what is computed does not depend on the cluster.
    func sandblaster(seed: UInt64, evaluations: Int) throws -> DeanCurve {
        let start = try classifier.initialized(seed: seed, on: lab.context)
        let replica = try ClassifierPieces(
            classifier, parameters: start, examples: digits.train, pieces: Self.pieces, on: lab.context)
        let gradient = SimulatedSandblaster(
            replica: replica, pieces: Self.pieces,
            schedule: PieceSchedule(
                on: .alone, pieces: Self.pieces, pieceSeconds: times.piece, bytes: times.bytes, dealing: .onDemand))
        let run = try SandblasterLBFGS(from: start, gradient: gradient, shards: 4, on: lab.context)
        let gauge = try DeanGauge(classifier, digits, on: lab.context)
        var curve = DeanCurve()
        try gauge.note(run.parameters, gradients: 0, seconds: 0, in: &curve)
        while run.optimizer.evaluations < evaluations {
            let report = try run.step()
            let count = Double(run.optimizer.evaluations)
            try gauge.note(
                run.parameters, gradients: count * Double(epoch), seconds: count, in: &curve)
            guard report.moved else { break }
        }
        return curve
    }

    /// Local SGD with DiLoCo's optimizers, four workers.
    func diLoCo(rate: Double, steps: Int, seed: UInt64, gradients: Int) throws -> DeanCurve {
        let start = try classifier.initialized(seed: seed, on: lab.context)
        let replicas = try (0..<4).map {
            try ClassifierReplica(
                classifier, parameters: start, examples: digits.train, rows: Self.rows, seed: seed,
                on: try Machine.local.context(threads: 1, firstCore: $0))
        }
        let run = try LocalSGD(
            from: start, replicas: replicas, inner: .adamW(rate: .constant(rate), weightDecay: 0.1),
            outer: .nesterov(rate: 0.7, momentum: 0.9), steps: steps, on: lab.context)
        let gauge = try DeanGauge(classifier, digits, on: lab.context)
        var curve = DeanCurve()
        try gauge.note(run.parameters, gradients: 0, seconds: 0, in: &curve)
        var (done, rounds) = (0, 0)
        while done < gradients {
            done += try run.run().gradients
            rounds += 1
            try gauge.note(
                run.parameters, gradients: Double(done), seconds: Double(rounds) * Double(steps) * times.step,
                in: &curve)
        }
        return curve
    }
}

extension Cluster {
    /// One machine by itself.
    static let alone = Cluster(
        name: "alone", bandwidthGigabitsPerSecond: 1e9, latencyMicroseconds: 0, parameterServers: 1,
        workers: [Worker(name: "worker-0", speed: 1)])

    /// One of those that are published with the papers.
    static func published(_ name: String) throws -> Cluster {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try Cluster(contentsOf: folder.appendingPathComponent("Clusters/\(name).json"))
    }
}
