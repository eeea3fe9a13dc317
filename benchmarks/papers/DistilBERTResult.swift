extension DistilBERTPaper {
    /// The tables of what was trained.
    func result(
        _ recipe: Recipe, _ teacher: Outcome, _ outcomes: [Student: [Outcome]], _ long: Outcome, _ speed: Speed,
        _ integers: IntegerTeacher, _ rates: [Bool: Double], _ lab: Lab
    ) throws -> PaperResult {
        let scratch = outcomes[.scratch] ?? [], distilled = outcomes[.distilled] ?? []
        let closed = Statistics(
            zip(scratch, distilled).map { ($0.loss - $1.loss) / ($0.loss - teacher.loss) })
        // Without a gap there is nothing to close.
        let hasGap = scratch.allSatisfy { $0.loss > teacher.loss }
        let kept = Statistics(distilled.map { 100 * $0.accuracy / max(1e-9, teacher.accuracy) })
        let faster = "\(decimal(speed.ratio, 2))x"
        return PaperResult(
            claims: [
                .init(
                    text:
                        "the student of half the layers closes at least 0.5 of the gap in held-out loss between the same "
                        + "student from scratch, at as many steps, and the teacher",
                    paper: "97 % of the teacher's GLUE score", measured: closed.text(2),
                    isMet: hasGap && closed.mean >= 0.5)
            ],
            tables: [
                quality(recipe, teacher, scratch, distilled, long, kept),
                .init(
                    title: "Size and speed, one sequence at a time", columns: ["", "paper", "here"],
                    rows: [
                        ["speed of the student over the teacher's", "1.63x", faster],
                        [
                            "parameters of the student over the teacher's", "0.60",
                            decimal(Double(distilled.first?.parameters ?? 0) / Double(teacher.parameters), 2),
                        ],
                    ]),
                ablation(outcomes),
                integers.table,
            ],
            curves: [
                .init(
                    title: "Held-out loss on the way, first seed", x: "steps", y: "nats per character",
                    lines: [Student.scratch, .random, .layersAlone, .distilled].compactMap { student in
                        outcomes[student]?.first.map { .init(name: student.rawValue, x: $0.steps, y: $0.losses) }
                    })
            ],
            differences: [
                "the teacher is no BERT but a causal model of \(recipe.layers) layers of width \(recipe.width), \(recipe.heads) "
                    + "heads, context \(recipe.context), trained here for \(recipe.teacherSteps) steps of \(recipe.rows) "
                    + "sequences of characters (one teacher for all seeds); the text's loss is that of the next character",
                "students have \(recipe.half) layers and \(recipe.steps) steps: few steps favour what starts from the teacher's "
                    + "layers; the last row of the first table has the student from scratch at the teacher's steps",
                "quality is the loss on the held-out tenth of tiny Shakespeare, not GLUE",
                "AdamW with warm-up and cosine for all; rates are the best of \(recipe.rates) on the first seed by that loss: "
                    + "\(rates[false] ?? 0) from random weights (by the student from scratch), \(rates[true] ?? 0) from layers",
                "products in training are \(lab.dtype.rawValue); the held-out loss and the speed are measured in f32; weights of "
                    + "the losses 5, 2, 1 and T = 2 as published",
            ])
    }

    private func quality(
        _ recipe: Recipe, _ teacher: Outcome, _ scratch: [Outcome], _ distilled: [Outcome], _ long: Outcome,
        _ kept: Statistics
    ) -> PaperResult.Table {
        func row(_ name: String, _ steps: Int, _ outcomes: [Outcome]) -> [String] {
            [
                name, "\(steps)", Statistics(outcomes.map(\.loss)).text(3),
                Statistics(outcomes.map { 100 * $0.accuracy }).text(1),
            ]
        }
        return .init(
            title: "Held-out loss (nats per character) and next characters right (%)",
            columns: ["model", "steps", "loss", "right"],
            rows: [
                row("teacher, \(recipe.layers) layers", recipe.teacherSteps, [teacher]),
                row("student, \(recipe.half) layers, distilled", recipe.steps, distilled),
                row("student, \(recipe.half) layers, scratch", recipe.steps, scratch),
                row("student, \(recipe.half) layers, scratch, longer", recipe.teacherSteps, [long]),
            ],
            note:
                "The distilled student keeps \(kept.text(1)) % of the teacher's share of right characters (the paper: 97 % "
                + "of the GLUE score).")
    }

    private func ablation(_ outcomes: [Student: [Outcome]]) -> PaperResult.Table {
        let whole = outcomes[.distilled] ?? []
        let rows: [[String]] = Student.allCases.compactMap { student in
            guard let ablation = student.ablation, let found = outcomes[student] else { return nil }
            let worse = Statistics(zip(found, whole).map { $0.loss - $1.loss })
            return [ablation.label, ablation.paper, (worse.mean >= 0 ? "+" : "") + worse.text(4)]
        }
        return .init(
            title: "Ablation (Table 4): the change when something is left out",
            columns: ["left out", "paper: GLUE score", "here: loss"], rows: rows,
            note: "Down is worse for the score, up for the loss. Differences of the same seed.")
    }
}
