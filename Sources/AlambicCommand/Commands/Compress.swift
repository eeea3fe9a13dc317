import Alambic
import Foundation

extension Subcommand {
    static let compress = Subcommand(
        name: "compress", summary: "store each weight in the form that is measured to run the fastest here",
        usage: "--model DIR --out DIR [options]",
        options: [
            .value("model", "DIR", "the model to compress"),
            .value("out", "DIR", "where the compressed model goes"),
            .value(
                "for", "PURPOSE", "\(FormPurpose.names): one token at a time, many at once (default decode)"),
            .value("quality", "X", "let weights change their type while the loss on --data grows by at most X nats"),
            .value("data", "FILE", "text, or tokens of alambic tokenize, that the model was not made from"),
        ],
        notes: """
            Without --quality no value changes, and the model says what it said, bit for bit. A form that is more than \
            10 % slower than dense for any number of rows is not used. Times and choices are recorded in \
            \(FormRecord.fileName); on another processor they are measured again.
            """,
        run: { arguments in
            let context = try arguments.context()
            let purpose = try arguments.choice("for", default: FormPurpose.decode)
            let quality = try arguments.double("quality", in: 0...100)
            try requireBoth(arguments)
            let path = try arguments.required("model", "the model to compress")
            let model = try arguments.model("model")
            let corpus = quality == nil ? nil : try arguments.corpus(for: model)
            let directory = try arguments.outputDirectory()
            let chooser = FormChooser(for: purpose)
            let compressor = Compressor(chooser, on: context) { step in
                if Interruption.isRequested { throw CommandError.interrupted("interrupted; nothing was written") }
                Terminal.working("compressing  \(step)")
            }
            var budget: QualityBudget?
            if let quality, let corpus {
                budget = QualityBudget(nats: quality) { model in
                    try model.evaluate(on: corpus, on: context, cancellation: Interruption.cancellation).loss
                }
            }
            let result = try compressor.compress(model, budget: budget)
            Terminal.working("")
            FormCache.user.store(chooser.measured, of: FormMachine(context))
            let before = Output.size(of: path)
            try result.model.save(to: directory)
            let report = Inspection(result.model, on: context)
            try Output.show(
                [("model", directory), ("bytes_before", before), ("bytes", Output.size(of: directory))]
                    + report.totals
                    + (result.loss.map {
                        [("changed_types", result.changed), ("loss_before", $0.before), ("loss", $0.after)]
                    } ?? []), as: arguments)
        })

    private static func requireBoth(_ arguments: Arguments) throws(CommandError) {
        switch (arguments.string("quality"), arguments.string("data")) {
        case (nil, .some): throw .usage("--data is for --quality: say how much the loss may grow")
        case (.some, nil): throw .usage("--data is needed: the text that --quality measures the loss on")
        default: break
        }
    }
}

extension FormPurpose {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
