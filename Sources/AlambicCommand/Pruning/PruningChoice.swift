import Alambic

/// How a model is pruned: one of several kinds of methods.
enum PruningChoice {
    /// In rounds, by the weights alone, retrained after each.
    case rounds(any PruningMethod)
    /// In the course of training, by magnitude.
    case gradual
    /// In the course of training, by scores of its own.
    case movement
    /// At once, knowing what layers are given.
    case calibrated(any CalibratedPruningMethod)
    /// Whole units.
    case structured(StructuredUnit)

    static let names =
        PruningMethods.names + ["gradual", "movement"] + CalibratedPruningMethods.names
        + StructuredUnit.allCases.map(\.rawValue)

    static let options: [Option] = [
        .value("calibration-tokens", "N", "wanda, sparsegpt: tokens to read from the data (default 65536)"),
        .value("damping", "X", "sparsegpt: share of the mean diagonal added to Hessians (default 0.01)"),
        .value("mask-interval", "N", "gradual, movement: steps between masks (default a fiftieth of the steps)"),
        .value("score-rate", "X", "movement: learning rate of the scores (default 1)"),
        .value("score", "NAME", "neurons, heads, layers: taylor or magnitude (default taylor)"),
    ]

    /// Which methods an option belongs to.
    private static let owners: [(option: String, methods: [String])] = [
        ("rounds", PruningMethods.names), ("calibration-tokens", CalibratedPruningMethods.names),
        ("damping", [SparseGPT.name]), ("mask-interval", ["gradual", "movement"]), ("score-rate", ["movement"]),
        ("score", StructuredUnit.allCases.map(\.rawValue)),
        // Scores of movement learn from the gradients of weights that are hidden: its products are dense.
        ("products", names.filter { $0 != "movement" }),
    ]

    /// Options that only training reads.
    private static let retraining = [
        "teacher", "rate", "optimizer", "weight-decay", "dropout", "clip", "micro-batches", "dtype", "recompute",
        "products",
    ]

    init(_ arguments: Arguments) throws {
        let name = try arguments.choice("method", from: Self.names, default: "magnitude")
        for (option, methods) in Self.owners where arguments.string(option) != nil && !methods.contains(name) {
            throw CommandError.usage(
                "--\(option) is for --method \(methods.joined(separator: " or ")); found --method \(name)")
        }
        if name == "gradual" {
            self = .gradual
        } else if name == "movement" {
            self = .movement
        } else if let unit = StructuredUnit(rawValue: name) {
            self = .structured(unit)
        } else if name == SparseGPT.name {
            self = .calibrated(SparseGPT(damping: try arguments.double("damping", in: 1e-9...1e3) ?? 0.01))
        } else if let type = CalibratedPruningMethods.all.first(where: { $0.name == name }) {
            self = .calibrated(type.init())
        } else {
            self = .rounds(try PruningMethods.named(name))
        }
    }

    /// What the sensitivity scan and the rounds choose weights by.
    var method: any PruningMethod {
        if case .rounds(let method) = self { return method }
        return Magnitude()
    }

    /// Steps that training after, or in the course of, pruning has unless the user says so.
    var defaultSteps: Int {
        if case .calibrated = self { return 0 }
        return 400
    }

    /// Refuses what cannot be done in this many steps: options that only training reads where there is none, and masks so far
    /// apart that the first one to remove anything comes too late, or never.
    func check(steps: Int, _ arguments: Arguments) throws {
        if steps == 0, let option = Self.retraining.first(where: { arguments.string($0) != nil }) {
            throw CommandError.usage(
                "--\(option) is for retraining, and there is none: add --retrain-steps of at least 1")
        }
        // The last quarter of the steps trains with the last mask.
        let longest = max(1, steps * 3 / 4)
        if steps > 0, let interval = try arguments.int("mask-interval", in: 1...1_000_000), interval > longest {
            throw CommandError.usage(
                "--mask-interval \(interval) is longer than three quarters of --retrain-steps \(steps), in which all "
                    + "weights go: use at most \(longest)")
        }
    }

    /// The share or pattern asked for; refuses goals that the method does not have.
    func sparsity(_ goal: PruningGoal, _ arguments: Arguments) throws -> Sparsity {
        let name = arguments.string("method") ?? ""
        guard case .sparsity(let sparsity, let distribution) = goal else {
            throw CommandError.usage("--method \(name) takes --sparsity; targets are met by magnitude")
        }
        var isGradual = false
        if case .gradual = self { isGradual = true }
        guard distribution == .layer || isGradual else {
            throw CommandError.usage("--distribution global belongs to magnitude and gradual; found --method \(name)")
        }
        if case .calibrated(let method) = self {
            do { try method.check(sparsity) } catch { throw CommandError.usage(error.description) }
            return sparsity
        }
        guard case .unstructured = sparsity else {
            throw CommandError.usage("--method \(name) removes a share such as 0.5; found --sparsity \(sparsity)")
        }
        return sparsity
    }
}
