import Alambic

/// Dean et al. 2012, section 5: Downpour SGD with Adagrad and Sandblaster L-BFGS against plain SGD, on MNIST and a simulated
/// cluster.
struct DeanPaper: Paper {
    static let name = "dean"
    static let citation =
        "Dean, Corrado, Monga, Chen, Devin, Le, Mao, Ranzato, Senior, Tucker, Yang, Ng 2012, Large Scale Distributed Deep "
        + "Networks, NIPS 25, Figures 3 to 5"
    static let summary = "Downpour and Sandblaster, with slow and dead workers"

    func run(_ lab: Lab) throws -> PaperResult {
        let digits = try Digits(lab)
        let times = try lab.part("times", settings: lab.clock) {
            try DeanTimes.measure(digits, rows: DeanRuns.rows, pieces: DeanRuns.pieces)
        }
        let experiment = DeanExperiment(
            DeanRuns(lab: lab, digits: digits, times: times, interval: max(1, digits.train.count / DeanRuns.rows / 4)))
        let outcome = try experiment.run()
        return DeanReport(outcome, runs: experiment.runs).result
    }
}

/// A way to train, whose rate is searched for.
enum DeanMethod: String, CaseIterable {
    case sgd = "SGD", adagrad = "Adagrad", downpour = "Downpour + SGD", downpourAdagrad = "Downpour + Adagrad"
    case diLoCo = "DiLoCo"

    /// A factor of 2 apart for all.
    var rates: [Double] {
        switch self {
        case .sgd, .downpour: [0.1, 0.2, 0.4, 0.8]
        case .adagrad, .downpourAdagrad: [0.005, 0.01, 0.02, 0.04]
        case .diLoCo: [0.0005, 0.001, 0.002, 0.004]
        }
    }

    func optimizer(_ rate: Double) -> any Optimizer {
        switch self {
        case .sgd, .downpour: .sgd(rate: .constant(rate))
        case .adagrad, .downpourAdagrad, .diLoCo: .adagrad(rate: .constant(rate))
        }
    }
}

/// Everything that was run.
struct DeanOutcome {
    /// By method, with four workers where there are workers: a curve for each seed.
    var curves: [DeanMethod: [DeanCurve]] = [:]
    var rates: [DeanMethod: Double] = [:]
    /// The rate of Downpour with Adagrad and eight workers.
    var crowdedRate = 0.0
    /// Downpour with Adagrad by cluster and number of workers.
    var scaling: [String: [Int: [DeanCurve]]] = [:]
    /// The same with four workers, of which one is slow or killed.
    var slow: [DeanCurve] = []
    var killed: [DeanCurve] = []
    var sandblaster: [DeanCurve] = []
    /// Seconds of a Sandblaster step: by cluster and workers, all well.
    var steps: [String: [Int: Double]] = [:]
    /// The same of eight workers on the first cluster by kind of trouble and of dealing.
    var trouble: [(name: String, seconds: [PieceDealing: Double])] = []
}

/// Runs it, each part once.
struct DeanExperiment {
    static let workers = [1, 2, 4, 8]
    static let clusters = ["datacenter", "gigabit"]
    let runs: DeanRuns
    private var lab: Lab { runs.lab }

    init(_ runs: DeanRuns) { self.runs = runs }

    func run() throws -> DeanOutcome {
        var outcome = DeanOutcome()
        for method in DeanMethod.allCases {
            let rate = try best(method)
            outcome.rates[method] = rate
            outcome.curves[method] = try lab.seeds.map { try part(method, rate, seed: $0) }
        }
        let rate = outcome.rates[.downpourAdagrad] ?? 0.01
        // Gradients of more workers are staler, and want another rate.
        let crowded = try best(.downpourAdagrad, workers: 8)
        outcome.crowdedRate = crowded
        for cluster in Self.clusters {
            for workers in Self.workers {
                // The second cluster shows what a slower network does: one seed says it.
                let seeds = cluster == Self.clusters[0] ? lab.seeds : [lab.seeds[0]]
                outcome.scaling[cluster, default: [:]][workers] = try seeds.map {
                    try downpour(
                        .downpourAdagrad, workers > 4 ? crowded : rate, on: cluster, workers: workers, seed: $0)
                }
            }
        }
        outcome.slow = try lab.seeds.map {
            try downpour(.downpourAdagrad, rate, faults: [3: .slow(10)], named: "-slow", seed: $0)
        }
        // Half way through what would have been its share.
        let death = runs.goal / 8
        outcome.killed = try lab.seeds.map {
            try downpour(.downpourAdagrad, rate, faults: [2: .dies(atStep: death)], named: "-killed", seed: $0)
        }
        outcome.sandblaster = try lab.seeds.map { seed in
            let evaluations = lab.choose(120, quick: 8)
            return try lab.part("sandblaster", seed: seed, settings: settings(["evaluations": "\(evaluations)"])) {
                try runs.sandblaster(seed: seed, evaluations: evaluations)
            }
        }
        try schedules(&outcome)
        return outcome
    }

    /// The rate of the lowest training loss at the goal, of seed 1.
    private func best(_ method: DeanMethod, workers: Int = 4) throws -> Double {
        let rates = lab.choose(method.rates, quick: [method.rates[method == .sgd ? 2 : 1]])
        guard rates.count > 1 else { return rates[0] }
        let losses = try rates.map {
            try part(method, $0, workers: workers, seed: lab.seeds[0]).training(after: Double(runs.goal))
        }
        return zip(rates, losses).min { $0.1 < $1.1 }?.0 ?? rates[0]
    }

    private func settings(_ more: [String: String]) -> [String: String] {
        more.merging(["gradients": "\(runs.budget(workers: 4))", "rows": "\(DeanRuns.rows)"]) { given, _ in given }
    }

    private func part(
        _ method: DeanMethod, _ rate: Double, workers: Int = 4, seed: UInt64
    ) throws -> DeanCurve {
        switch method {
        case .sgd, .adagrad:
            try lab.part("\(method)-\(rate)", seed: seed, settings: settings(["times": "\(runs.times)"])) {
                try runs.serial(method.optimizer(rate), seed: seed, gradients: runs.budget(workers: 4))
            }
        case .downpour, .downpourAdagrad: try downpour(method, rate, workers: workers, seed: seed)
        case .diLoCo:
            try lab.part(
                "\(method)-\(rate)", seed: seed, settings: settings(["steps": "25", "times": "\(runs.times)"])
            ) {
                try runs.diLoCo(rate: rate, steps: 25, seed: seed, gradients: runs.budget(workers: 4))
            }
        }
    }

    private func downpour(
        _ method: DeanMethod, _ rate: Double, on name: String = clusters[0], workers: Int = 4,
        faults: [Int: Fault] = [:], named suffix: String = "", seed: UInt64
    ) throws -> DeanCurve {
        let cluster = try Cluster.published(name).using(workers: workers)
        let downpour = Downpour(warmStart: runs.warmStart(workers: workers), fetching: .awaited)
        let gradients = runs.budget(workers: workers)
        let all = settings([
            "gradients": "\(gradients)", "cluster": "\(cluster)", "downpour": "\(downpour)",
            "faults": "\(faults.sorted { $0.key < $1.key })",
            "times": "\(runs.times)",
        ])
        return try lab.part("\(method)-\(rate)-\(name)-\(workers)\(suffix)", seed: seed, settings: all) {
            try runs.downpour(
                downpour, method.optimizer(rate), on: cluster, faults: faults, seed: seed, gradients: gradients)
        }
    }

    /// Mean seconds of twenty steps, by the clock alone: what is computed does not depend on it.
    private func schedules(_ outcome: inout DeanOutcome) throws {
        func seconds(_ cluster: Cluster, _ dealing: PieceDealing, _ faults: [Int: Fault] = [:]) throws -> Double {
            var schedule = PieceSchedule(
                on: cluster, pieces: DeanRuns.pieces, pieceSeconds: runs.times.piece, bytes: runs.times.bytes,
                dealing: dealing, faults: faults)
            for _ in 0..<20 { _ = try schedule.run() }
            return schedule.seconds / 20
        }
        for name in Self.clusters {
            let cluster = try Cluster.published(name)
            for workers in Self.workers {
                outcome.steps[name, default: [:]][workers] = try seconds(cluster.using(workers: workers), .backups)
            }
        }
        let cluster = try Cluster.published(Self.clusters[0])
        for (name, faults) in [
            ("all well", [:]), ("one 10 times as slow", [3: Fault.slow(10)]),
            ("one killed in step 1", [3: .dies(atStep: 1)]),
        ] {
            var all: [PieceDealing: Double] = [:]
            for dealing in PieceDealing.allCases { all[dealing] = try seconds(cluster, dealing, faults) }
            outcome.trouble.append((name, all))
        }
    }
}
