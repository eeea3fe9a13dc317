import Alambic

/// The figures: loss against gradients, against simulated time, and time against workers.
struct DeanCurves {
    let outcome: DeanOutcome
    let runs: DeanRuns
    private let first = DeanExperiment.clusters[0]

    init(_ outcome: DeanOutcome, runs: DeanRuns) { (self.outcome, self.runs) = (outcome, runs) }

    var all: [PaperResult.Curves] { [gradients, time, workers, faults] }

    private var gradients: PaperResult.Curves {
        .init(
            title: "Figure 3: loss against work", x: "mini-batch gradients", y: "training loss in nats",
            lines: DeanMethod.allCases.map { line($0.rawValue, outcome.curves[$0] ?? [], \.gradients) }
                + [
                    line("Sandblaster L-BFGS", outcome.sandblaster, \.gradients, until: Double(runs.budget(workers: 4)))
                ],
            note: note)
    }

    private var time: PaperResult.Curves {
        let step = outcome.steps[first]?[8] ?? .nan
        let slowest = Double(runs.budget(workers: 4)) * (runs.times.step + runs.times.update)
        var lines = [line("SGD, one machine", outcome.curves[.sgd] ?? [], \.seconds)]
        lines += DeanExperiment.workers.map { workers in
            line("Downpour with Adagrad, \(workers)", outcome.scaling[first]?[workers] ?? [], \.seconds)
        }
        let scaled = outcome.sandblaster.map { curve in
            var curve = curve
            curve.seconds = curve.seconds.map { $0 * step }
            return curve
        }
        lines.append(line("Sandblaster L-BFGS, 8", scaled, \.seconds, until: slowest))
        return .init(
            title: "Figure 4: loss against simulated time (\(first))", x: "seconds", y: "training loss in nats",
            lines: lines, note: note)
    }

    private var workers: PaperResult.Curves {
        let goal = Double(runs.goal)
        let lines = DeanExperiment.clusters.map { cluster in
            let points = DeanExperiment.workers.map { workers in
                let curves = outcome.scaling[cluster]?[workers] ?? []
                let seconds = curves.enumerated().compactMap { place, curve in
                    curve.reached(outcome.curves[.sgd]?[place].training(after: goal) ?? .nan)?.seconds
                }
                return (Double(workers), Statistics(seconds).mean)
            }.filter { $0.1.isFinite }
            return PaperResult.Curves.Line(name: cluster, x: points.map(\.0), y: points.map(\.1))
        }.filter { !$0.x.isEmpty }
        // Where nothing got that far, as in a quick run, there is still the time of the first gradients.
        let fallback = PaperResult.Curves.Line(
            name: first, x: DeanExperiment.workers.map(Double.init),
            y: DeanExperiment.workers.map { outcome.scaling[first]?[$0]?.first?.seconds.last ?? 0 })
        return .init(
            title: "Figure 5: simulated time to SGD's loss against workers", x: "workers", y: "seconds",
            lines: lines.isEmpty ? [fallback] : lines)
    }

    private var faults: PaperResult.Curves {
        .init(
            title: "Downpour with a slow and with a killed worker", x: "simulated seconds", y: "training loss in nats",
            lines: [
                line("all well", outcome.scaling[first]?[4] ?? [], \.seconds),
                line("one 10 times as slow", outcome.slow, \.seconds),
                line("one killed half way", outcome.killed, \.seconds),
            ], note: note)
    }

    private let note = "Means over seeds; losses above 1 are cut off."

    /// Means over seeds, place by place.
    private func line(
        _ name: String, _ curves: [DeanCurve], _ x: KeyPath<DeanCurve, [Double]>, until end: Double = .infinity
    ) -> PaperResult.Curves.Line {
        let count = curves.map(\.gradients.count).min() ?? 0
        func mean(_ place: Int, _ values: (DeanCurve) -> [Double]) -> Double {
            Statistics(curves.map { values($0)[place] }).mean
        }
        let points = (0..<count).map { place in
            (mean(place) { $0[keyPath: x] }, min(1, mean(place) { $0.training }))
        }.filter { $0.0 <= end }
        return .init(name: name, x: points.map(\.0), y: points.map(\.1))
    }
}
