import Alambic
import Foundation

extension Subcommand {
    static let inspect = Subcommand(
        name: "inspect", summary: "what a model's weights are stored as, and what they run as",
        usage: "--model DIR [--measure]",
        options: [
            .value("model", "DIR", "the model to look at"),
            .flag("measure", "measure every matrix here, instead of showing what is recorded"),
            .value("for", "PURPOSE", "\(FormPurpose.names): what --measure chooses for (default decode)"),
        ],
        notes: """
            Gains are against the fastest dense type that was measured, at M = 1. --measure changes no file of the \
            model; `alambic compress` records.
            """,
        run: { arguments in
            let context = try arguments.context()
            let purpose = try arguments.choice("for", default: FormPurpose.decode)
            guard arguments.has("measure") || arguments.string("for") == nil else {
                throw CommandError.usage("--for is what --measure chooses for: give both")
            }
            var model = try arguments.model("model")
            if arguments.has("measure") {
                let chooser = FormChooser(for: purpose)
                let progress = Progress("measuring", total: model.weights.count)
                let record = try model.measuredForms(with: chooser, fewest: 1, on: context) { done in
                    if Interruption.isRequested { throw CommandError.interrupted("interrupted after \(done) weights") }
                    progress.update(done)
                }
                progress.finish("\(chooser.measured.count) kinds of weights measured")
                FormCache.user.store(chooser.measured, of: FormMachine(context))
                model = model.recording(record)
            }
            let inspection = Inspection(model, on: context)
            if arguments.has("json") {
                try Output.show(inspection.object, as: arguments)
            } else {
                try Output.write(inspection.text)
            }
        })
}
