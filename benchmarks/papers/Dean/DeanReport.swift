import Alambic

/// What the runs show: claims, tables and curves.
struct DeanReport {
    let outcome: DeanOutcome
    let runs: DeanRuns
    private let first = DeanExperiment.clusters[0]

    init(_ outcome: DeanOutcome, runs: DeanRuns) { (self.outcome, self.runs) = (outcome, runs) }

    var result: PaperResult {
        PaperResult(
            claims: [gradients, time, trouble, backups], tables: [methods, scaling, faults, steps],
            curves: DeanCurves(outcome, runs: runs).all,
            differences: [
                "MNIST and a network of 784-300-100-10 (paper: speech with 42 million weights, images with 1.7 billion)",
                "the cluster is simulated: gradients are computed here in the order that a clock gives, which goes by measured "
                    + "times of a step (\(milliseconds(runs.times.step)) ms), an update (\(milliseconds(runs.times.update)) "
                    + "ms) and a piece (\(milliseconds(runs.times.piece)) ms) on one core, and by the published cluster's "
                    + "bandwidth and latency",
                "mini-batches of \(DeanRuns.rows) are dealt to whoever asks next, so that a dead worker's data is not lost; in the "
                    + "paper every replica has its own part of the data",
                "each method at the best of four rates by training loss of seed 1 (Downpour with four workers, and again with "
                    + "eight: \(outcome.crowdedRate)); n_fetch = n_push = 1 as in the paper, a warm "
                    + "start of an eighth of an epoch for each worker; workers wait for the weights that they ask for",
                "the claim on time is about up to four workers: with eight, gradients are staler, and more of them are needed",
                "loss against gradients computed, and against simulated time; the paper's figures have frame accuracy against hours",
            ])
    }

    // MARK: claims

    /// SGD's loss at the goal, by seed.
    private func target(_ place: Int) -> Double {
        outcome.curves[.sgd]?[place].training(after: Double(runs.goal)) ?? .nan
    }

    /// What each seed needed to get down to SGD's loss of that seed; nil where one did not.
    private func needed(
        _ curves: [DeanCurve], _ pick: (_ reached: (gradients: Double, seconds: Double)) -> Double
    ) -> Statistics? {
        let values = curves.enumerated().compactMap { $1.reached(target($0)).map(pick) }
        return values.count == curves.count && !values.isEmpty ? Statistics(values) : nil
    }

    private var gradients: PaperResult.Claim {
        let ratio = needed(outcome.curves[.downpourAdagrad] ?? []) { $0.gradients / Double(runs.goal) }
        return .init(
            text:
                "Downpour with Adagrad and 4 workers needs at most 1.5 times SGD's gradients to reach SGD's training loss",
            paper: "fewer than SGD (Figure 3)",
            measured: ratio.map { "\($0.text(2)) times the \(runs.goal) gradients of SGD" } ?? "not reached",
            isMet: ratio.map { $0.mean <= 1.5 } ?? false)
    }

    private func seconds(_ cluster: String, _ workers: Int) -> Statistics? {
        needed(outcome.scaling[cluster]?[workers] ?? []) { $0.seconds }
    }

    private var time: PaperResult.Claim {
        let all = DeanExperiment.workers.map { seconds(first, $0) }
        let means = all.compactMap { $0?.mean }
        let falls = means.count == all.count && zip(means, means.dropFirst()).prefix(2).allSatisfy { $0 > $1 }
        return .init(
            text: "simulated time to SGD's loss is there for 1, 2, 4 and 8 workers, and falls from 1 to 2 to 4",
            paper: "falls with machines until communication takes over (Figure 5)",
            measured: zip(DeanExperiment.workers, all).map { workers, seconds in
                "\(workers): \(seconds.map { $0.text(2) + " s" } ?? "not reached")"
            }.joined(separator: ", "), isMet: falls)
    }

    private func final(_ curves: [DeanCurve]) -> Statistics {
        Statistics(curves.map { $0.training(after: Double(runs.goal)) })
    }

    private var trouble: PaperResult.Claim {
        let (well, slow, killed) = (
            final(outcome.scaling[first]?[4] ?? []), final(outcome.slow), final(outcome.killed)
        )
        // The bound is the undisturbed runs' own scatter: a trouble that makes runs erratic must not widen it.
        let isMet = [slow, killed].allSatisfy { $0.mean.isFinite && abs($0.mean - well.mean) <= well.deviation }
        return .init(
            text: "a worker 10 times as slow, or killed half way, changes the time and not the training loss after "
                + "\(runs.goal) gradients (within the deviation over seeds)",
            paper: "robust to failures and to machines of different speed (section 4.1)",
            measured: "well \(well.text(4)), slow \(slow.text(4)), killed \(killed.text(4))", isMet: isMet)
    }

    private var backups: PaperResult.Claim {
        let slow = outcome.trouble[1].seconds
        let (without, with) = (slow[.onDemand] ?? .nan, slow[.backups] ?? .nan)
        return .init(
            text: "backup copies at least halve Sandblaster's step with one of 8 workers 10 times as slow",
            paper: "copies of the slowest portions at the end of a batch (section 4.2)",
            measured: "\(milliseconds(without)) ms without, \(milliseconds(with)) ms with them",
            isMet: with * 2 <= without)
    }

    // MARK: tables

    private var methods: PaperResult.Table {
        var rows = DeanMethod.allCases.map { method in
            row(
                method.rawValue, rate: "\(outcome.rates[method] ?? .nan)", outcome.curves[method] ?? [],
                at: Double(runs.goal))
        }
        rows.append(
            row(
                "Sandblaster L-BFGS", rate: "-", outcome.sandblaster,
                at: outcome.sandblaster.compactMap(\.gradients.last).min() ?? 0))
        return .init(
            title: "Training loss after \(runs.goal) gradients (L-BFGS: at its end)",
            columns: ["method", "rate", "loss", "errors %", "gradients"], rows: rows,
            note:
                "Gradients to get down to SGD's loss; 4 workers where there are workers. One L-BFGS evaluation counts as the \(runs.epoch) gradients of an epoch."
        )
    }

    private func row(_ name: String, rate: String, _ curves: [DeanCurve], at count: Double) -> [String] {
        let errors = curves.map { curve in
            curve.errors[curve.gradients.lastIndex { $0 <= count } ?? 0]
        }
        return [
            name, rate, Statistics(curves.map { $0.training(after: count) }).text(4), Statistics(errors).text(2),
            needed(curves) { $0.gradients }?.text(0) ?? "not reached",
        ]
    }

    private var scaling: PaperResult.Table {
        var rows: [[String]] = []
        for cluster in DeanExperiment.clusters {
            for workers in DeanExperiment.workers {
                let curves = outcome.scaling[cluster]?[workers] ?? []
                let base = seconds(cluster, 1)?.mean ?? .nan
                let time = seconds(cluster, workers)
                rows.append([
                    cluster, "\(workers)", time?.text(2) ?? "-", time.map { decimal(base / $0.mean, 2) } ?? "-",
                    Statistics(curves.map(\.staleness)).text(1), sandblasterSeconds(cluster, workers)?.text(1) ?? "-",
                ])
            }
        }
        return .init(
            title: "Simulated seconds to SGD's loss",
            columns: ["cluster", "workers", "Downpour", "speedup", "staleness", "L-BFGS"], rows: rows,
            note:
                "Plain SGD on one machine: \(decimal(Double(runs.goal) * (runs.times.step + runs.times.update), 2)) s. "
                + "Staleness: updates between fetch and push. The second cluster: seed 1.")
    }

    private func sandblasterSeconds(_ cluster: String, _ workers: Int) -> Statistics? {
        let step = outcome.steps[cluster]?[workers] ?? .nan
        return needed(outcome.sandblaster) { $0.seconds * step }
    }

    private var faults: PaperResult.Table {
        let all = [
            ("all well", outcome.scaling[first]?[4] ?? []), ("one 10 times as slow", outcome.slow),
            ("one killed half way", outcome.killed),
        ]
        return .init(
            title: "Downpour with 4 workers in trouble, after \(runs.goal) gradients",
            columns: ["workers", "training", "test loss", "errors %", "seconds"],
            rows: all.map { name, curves in
                let values = row(name, rate: "", curves, at: Double(runs.goal))
                let seconds = curves.map { curve in
                    curve.seconds[curve.gradients.firstIndex { $0 >= Double(runs.goal) } ?? curve.seconds.count - 1]
                }
                let test = Statistics(curves.map { $0.test(after: Double(runs.goal)) })
                return [name, values[2], test.text(4), values[3], Statistics(seconds).text(2)]
            })
    }

    private var steps: PaperResult.Table {
        .init(
            title: "Milliseconds of a Sandblaster step, 8 workers",
            columns: ["workers"] + PieceDealing.allCases.map(\.rawValue),
            rows: outcome.trouble.map { name, seconds in
                [name] + PieceDealing.allCases.map { milliseconds(seconds[$0] ?? .nan) }
            }, note: "\(DeanRuns.pieces) pieces of the training set; means of 20 steps.")
    }

    private func milliseconds(_ seconds: Double) -> String { decimal(seconds * 1000, seconds < 0.1 ? 2 : 0) }
}
