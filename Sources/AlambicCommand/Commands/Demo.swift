import Alambic
import Foundation

extension Subcommand {
    static let demo = Subcommand(
        name: "demo", summary: "the whole way at small size: train, distil, prune, quantize, report",
        usage: "[--data FILE] [--out DIR] [options]",
        options: [
            .value("data", "FILE", "plain text (default: the licence texts in \(Demo.defaultCorpus))"),
            .value("out", "DIR", "where models, report.html and report.json go (default out/demo)"),
            .value("steps", "N", "steps of each student, half of the teacher's (default \(Demo.Plan().steps))"),
            .value("retrain-steps", "N", "retraining steps while pruning (default \(Demo.Plan().retrainSteps))"),
        ],
        notes: """
            Trains a teacher, then a student of half its depth twice: from scratch and distilled from the teacher.
            Prunes the distilled student to 80 % in rounds, trains an unpruned twin for as many steps as a fair
            control, and runs the pruned one in int8.
            """,
        run: { arguments in
            var plan = Demo.Plan()
            plan.steps = try arguments.int("steps", in: 1...1_000_000) ?? plan.steps
            plan.retrainSteps = try arguments.int("retrain-steps", in: 1...1_000_000) ?? plan.retrainSteps
            plan.seed = try arguments.seed()
            let context = try arguments.context()
            let text = try Demo.text(arguments.string("data"))
            let directory = try arguments.outputDirectory(default: "out/demo")
            let demo = try Demo(plan: plan, text: text, directory: directory, on: context)
            let report = try demo.run()
            if arguments.has("json") {
                try Output.write(String(decoding: try report.json(), as: UTF8.self))
            } else {
                try Output.write("\n\(report.table())\n")
                try Output.write("prefill and decode in tokens per second, bits per byte on held-out text\n\n")
                for finding in report.findings() {
                    try Output.write(wrapped(finding, width: 80).joined(separator: "\n") + "\n")
                }
                try Output.write("\n\(directory)/report.html\n\(directory)/report.json\n")
            }
        })
}
