import Alambic
import Foundation

/// Every subcommand, in the order of the help. A new one is one line here.
let subcommands: [Subcommand] = [
    .demo, .tokenize, .train, .finetune, .distill, .cacheTeacher, .prune, .quantize, .compress, .inspect, .evaluate,
    .generate,
    .profile, .benchModel,
]

let overview = """
    usage: alambic COMMAND [options]

    Trains, distils, prunes, quantizes and runs transformer language models on CPUs.

    \(subcommands.map { "  \($0.name.padding(toLength: 13, withPad: " ", startingAt: 0))  \($0.summary)" }
        .joined(separator: "\n"))

    `alambic COMMAND --help` shows the options of a command, `alambic --version` the version.
    Start with `alambic demo`: the whole way on text that this machine already has.
    """

/// Runs one call and returns the exit code: 0 done, 1 failed, 64 usage, 130 interrupted.
func run(_ words: [String]) -> Int32 {
    do {
        switch words.first {
        case nil:
            Terminal.say(overview)
            return 64
        case "--help", "-h", "help":
            try Output.write(overview + "\n")
            return 0
        case "--version":
            try Output.write("alambic \(alambicVersion)\n")
            return 0
        case let name?:
            guard let command = subcommands.first(where: { $0.name == name }) else {
                let close = nearest(name, in: subcommands.map(\.name)).map { "did you mean '\($0)'? " } ?? ""
                throw CommandError.usage("unknown command '\(name)'; \(close)see `alambic --help`")
            }
            if words.contains("--help") || words.contains("-h") {
                try Output.write(command.help + "\n")
                return 0
            }
            try command.run(try Arguments(Array(words.dropFirst()), of: command))
            return 0
        }
    } catch CommandError.usage(let text) {
        Terminal.fail(text)
        return 64
    } catch CommandError.failed(let text) {
        Terminal.fail(text)
        return 1
    } catch CommandError.interrupted(let text) {
        Terminal.fail(text)
        return 130
    } catch let error as TrainingError {
        Terminal.fail(reason(error))
        switch error {
        case .cancelled, .evaluationCancelled, .quantizationCancelled, .pruningCancelled: return 130
        default: return 1
        }
    } catch is CancellationError {
        Terminal.fail("interrupted")
        return 130
    } catch {
        Terminal.fail(reason(error))
        return 1
    }
}

Interruption.install()
exit(run(Array(CommandLine.arguments.dropFirst())))
