import Alambic
import Foundation

/// What a pruned model is to become: as sparse as this, as small as this, or as fast as this.
enum PruningGoal {
    /// One sparsity for all matrices, or, with `.global`, one threshold for all of them.
    case sparsity(Sparsity, Distribution)
    /// At most this many bytes of files.
    case bytes(Double)
    /// At least this many decoded tokens a second on this machine.
    case tokensPerSecond(Double)

    /// How one sparsity is dealt out to the layers.
    enum Distribution: String, CaseIterable { case layer, global }

    static let options: [Option] = [
        .value(
            "sparsity", "S", "share of each matrix to remove, such as 0.8; N:M, such as 2:4; or blocks:0.75[:INPUTS]"),
        .value("distribution", "HOW", "layer: the same share of each; global: one threshold for all (default layer)"),
        .value("target-bytes", "X", "prune until the saved model is at most this large, such as 12MB"),
        .value("target-tokens-per-s", "X", "prune until the model decodes this fast on this machine"),
    ]

    /// Reads the one goal that is given.
    init(_ arguments: Arguments, form: ElementForm) throws {
        let names = ["sparsity", "target-bytes", "target-tokens-per-s"]
        let given = names.filter { arguments.string($0) != nil }
        guard given.count == 1, let name = given.first else {
            throw CommandError.usage(
                given.isEmpty
                    ? "--sparsity, --target-bytes or --target-tokens-per-s is needed; see `alambic prune --help`"
                    : "--\(given[0]) and --\(given[1]) exclude each other")
        }
        let distribution = try arguments.choice("distribution", default: Distribution.layer)
        if arguments.string("distribution") != nil, name != "sparsity" {
            throw CommandError.usage("--distribution belongs to --sparsity; --\(name) finds one itself")
        }
        switch name {
        case "sparsity":
            let text = try arguments.required("sparsity", "the share of weights to remove, such as 0.8")
            let sparsity: Sparsity
            do {
                sparsity = try Sparsity(text, blockInputs: form == .int8 ? 4 : 1)
            } catch {
                throw CommandError.usage("--sparsity \(text): \(reason(error))")
            }
            if case .pattern = sparsity, distribution == .global {
                throw CommandError.usage("--distribution global: \(sparsity) has the same share everywhere")
            }
            self = .sparsity(sparsity, distribution)
        case "target-bytes":
            self = .bytes(try Self.bytes(try arguments.required("target-bytes", "a size such as 12MB")))
        default:
            self = .tokensPerSecond(try arguments.double("target-tokens-per-s", in: 1e-3...1e9) ?? 0)
        }
    }

    /// `12000000`, `12000kB`, `12MB`, `0.5 GB`: decimal, as sizes of files are shown.
    static func bytes(_ text: String) throws -> Double {
        let upper = text.uppercased()
        let units: [(name: String, factor: Double)] = [("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1), ("", 1)]
        let unit = units.first { upper.hasSuffix($0.name) } ?? ("", 1)
        let number = upper.dropLast(unit.name.count).trimmingCharacters(in: .whitespaces)
        guard let value = Double(number), value.isFinite, value > 0 else {
            throw CommandError.usage("--target-bytes takes a size such as 800KB, 12MB or 1.5GB; found '\(text)'")
        }
        return value * unit.factor
    }
}
