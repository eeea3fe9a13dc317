import Alambic

/// What the runs of all seeds show.
struct JacobReport {
    let runs: [JacobRun]
    let recipe: JacobRecipe
    let speed: JacobSpeed

    func result(_ lab: Lab) -> PaperResult {
        let bits = lab.choose(JacobPaper.bits, quick: [8, 4])
        let fewer = lab.choose(JacobPaper.fewer, quick: [])
        return PaperResult(
            claims: [accuracy, fewBits(lab), identity],
            tables: [
                eightBits(lab),
                table("Trained for the bits: test error in percent, weights down, activations across", bits) {
                    trained($0)
                },
                table("Quantized after training: the same", bits) { after($0) },
                diagonal(bits + fewer),
            ],
            curves: [curve(bits + fewer)],
            differences: [
                "LeNet-5 on MNIST; the paper's tables are of MobileNets on photographs, which have batch normalisation to fold "
                    + "and far more to lose",
                "\(recipe.epochs) epochs from random weights, activations quantized after \(recipe.delay) steps (the paper: 50,000 to "
                    + "2 million); for each cell of the tables \(recipe.tuningEpochs) epoch more from the float network's weights, "
                    + "with activations after \(recipe.tuningDelay) steps",
                "the forward pass of training runs the deployed integer kernels, where the paper imitates them in floats; "
                    + "ranges of a step are the moving averages of the steps before it",
                "the second claim is about fewer bits than the paper's: LeNet-5 on MNIST survives 4 bits (the tables)",
                "weights share a scale in a layer, as in the paper, but for the row that says otherwise; 2 and 3 bits are not "
                    + "in the paper",
            ])
    }

    private var float: Statistics { Statistics(runs.map(\.float.error)) }
    private var scratch: Statistics { Statistics(runs.map(\.scratch.error)) }

    private func after(_ scheme: IntegerScheme, _ observer: String = "minmax") -> Statistics {
        Statistics(runs.compactMap { $0.after[JacobRun.key(scheme, observer)] })
    }
    private func trained(_ scheme: IntegerScheme) -> Statistics {
        Statistics(runs.compactMap { $0.trained[JacobRun.key(scheme)]?.error })
    }

    private var accuracy: PaperResult.Claim {
        let (after, trained) = (after(IntegerScheme()), scratch)
        let worst = max(after.mean, trained.mean) - float.mean
        return .init(
            text:
                "integer-only LeNet-5 of 8 bits within 0.1 % of float's test error, quantized after training and trained for it",
            paper: "within a few tenths to 2 % (ImageNet)",
            measured: "float \(float.text(2)) %, after training \(after.text(2)) %, trained \(trained.text(2)) %",
            isMet: worst <= 0.1)
    }

    private func fewBits(_ lab: Lab) -> PaperResult.Claim {
        let bits = lab.choose(JacobPaper.fewer, quick: [4])
        let pairs = bits.map { bits in
            let scheme = IntegerScheme(weightBits: bits, activationBits: bits)
            return (bits: bits, trained: trained(scheme), after: after(scheme))
        }
        let names = bits.map(String.init).joined(separator: " and ")
        return .init(
            text: "training for \(names) bits loses less than quantizing to them after training", paper: "section 3",
            measured: pairs.map { "\($0.bits) bits: \($0.trained.text(2)) % against \($0.after.text(2)) %" }
                .joined(separator: ", "),
            isMet: pairs.allSatisfy { $0.trained.mean < $0.after.mean })
    }

    private var identity: PaperResult.Claim {
        let all = runs.flatMap { [$0.scratch] + Array($0.trained.values) }
        let same = all.filter(\.isIdentical).count
        let logits = all.reduce(0) { $0 + $1.compared }
        return .init(
            text: "logits of saved and loaded networks are those of the last evaluation in training, bit for bit",
            paper: "simulated in floats", measured: "\(same) of \(all.count) networks, \(logits) logits",
            isMet: same == all.count && !all.isEmpty)
    }

    private func eightBits(_ lab: Lab) -> PaperResult.Table {
        let perChannel = IntegerScheme(weights: .perChannel)
        let time = { (rounds: [Double]) in decimal(rounds.sorted()[rounds.count / 2], 1) }
        let size = runs.first.map { "\($0.float.bytes / 1024) KiB" } ?? ""
        let small = runs.first.map { "\($0.scratch.bytes / 1024) KiB" } ?? ""
        return .init(
            title: "LeNet-5, 8 bits", columns: ["", "test error, %", "weights", "µs an image"],
            rows: [
                ["float", float.text(2), size, time(speed.float)],
                ["float, trained \(recipe.tuningEpochs) epoch more", Statistics(runs.map(\.longer)).text(2), size, ""],
                ["integers, after training", after(IntegerScheme()).text(2), small, ""],
                ["the same, a scale an output", after(perChannel).text(2), small, ""],
                ["integers, trained from float", trained(IntegerScheme()).text(2), small, ""],
                ["integers, trained from scratch", scratch.text(2), small, time(speed.integer)],
            ],
            note:
                "Times are of the test set in batches of \(JacobSpeed.rows) on \(lab.context.threads) threads, medians of \(speed.float.count) rounds in turn, floats in f32."
        )
    }

    private func table(_ title: String, _ bits: [Int], _ error: (IntegerScheme) -> Statistics) -> PaperResult.Table {
        .init(
            title: title, columns: ["bits"] + bits.map(String.init),
            rows: bits.map { weights in
                ["\(weights)"]
                    + bits.map { error(IntegerScheme(weightBits: weights, activationBits: $0)).text(2) }
            }, note: "Float: \(float.text(2)). A number without a deviation is of one seed.")
    }

    private func diagonal(_ bits: [Int]) -> PaperResult.Table {
        .init(
            title: "Test error in percent by bits of both",
            columns: ["bits", "trained", "min-max", "least squares", "per output"],
            rows: bits.map { bits in
                let scheme = IntegerScheme(weightBits: bits, activationBits: bits)
                let perChannel = IntegerScheme(weightBits: bits, activationBits: bits, weights: .perChannel)
                return [
                    "\(bits)", trained(scheme).text(2), after(scheme).text(2), after(scheme, "mse").text(2),
                    after(perChannel).text(2),
                ]
            },
            note:
                "Trained for the bits; quantized after training with ranges from the least value to the greatest, with those "
                + "of least square error, and with a scale for the weights of each output.")
    }

    private func curve(_ bits: [Int]) -> PaperResult.Curves {
        func line(_ name: String, _ error: (IntegerScheme) -> Statistics) -> PaperResult.Curves.Line {
            .init(
                name: name, x: bits.map(Double.init),
                y: bits.map { error(IntegerScheme(weightBits: $0, activationBits: $0)).mean })
        }
        return .init(
            title: "Test error by bits of weights and activations", x: "bits", y: "percent",
            lines: [
                line("trained for it", trained), line("after training") { after($0) },
                .init(name: "float", x: bits.map(Double.init), y: bits.map { _ in float.mean }),
            ])
    }
}
