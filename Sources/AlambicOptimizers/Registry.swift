import Foundation

/// The optimizers that can be asked for by name.
public enum Optimizers {
    /// Every optimizer there is. A new one is one line here.
    public static let all: [any Optimizer.Type] = [
        SGD.self, Momentum.self, Nesterov.self, Adagrad.self, RMSProp.self, Adam.self, AdamUncorrected.self,
        AdaMax.self,
        AdamW.self, AdamW8bit.self, LAMB.self, Adafactor.self, AdafactorRelative.self, Lion.self, Muon.self,
    ]

    /// All names, in the order of ``all``.
    public static var names: [String] { all.map { $0.name } }

    /// The optimizer called `name` at learning rate `rate`, with some of its other settings changed by name, such as
    /// `["weightDecay": 0.1]`.
    public static func named(_ name: String, rate: Schedule, settings: [String: Double] = [:]) throws(OptimizerError)
        -> any Optimizer
    {
        guard let type = all.first(where: { $0.name == name }) else {
            throw .unknownOptimizer(name, known: names)
        }
        return try configured(type.init(rate: rate), settings)
    }

    private static func configured<O: Optimizer>(_ optimizer: O, _ settings: [String: Double]) throws(OptimizerError)
        -> O
    {
        if settings.isEmpty { return optimizer }
        var all = self.settings(of: optimizer)
        for (key, value) in settings {
            guard all[key] is NSNumber else {
                let known = all.keys.filter { $0 != "rate" }.sorted()
                throw .unknownSetting(key, of: O.name, known: known)
            }
            all[key] = NSNumber(value: value)
        }
        do {
            return try JSONDecoder().decode(O.self, from: JSONSerialization.data(withJSONObject: all))
        } catch {
            throw .badSettings(of: O.name, "\(error)")
        }
    }

    /// Name and settings of an optimizer as text by dotted name, such as `rate.cosine.peak`: what checkpoints compare.
    public static func description(of optimizer: any Optimizer) -> [String: String] {
        var flat = ["name": type(of: optimizer).name]
        flatten(settings(of: optimizer), into: &flat, prefix: "")
        return flat
    }

    private static func flatten(_ object: [String: Any], into flat: inout [String: String], prefix: String) {
        for (key, value) in object {
            if let inner = value as? [String: Any] {
                flatten(inner, into: &flat, prefix: "\(prefix)\(key).")
            } else {
                flat[prefix + key] = "\(value)"
            }
        }
    }

    /// Every setting of an optimizer by name, as JSON objects.
    private static func settings<O: Optimizer>(of optimizer: O) -> [String: Any] {
        guard let data = try? JSONEncoder().encode(optimizer),
            let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return [:] }
        return object
    }
}

/// What can go wrong when an optimizer is asked for by name or restored from a checkpoint.
public enum OptimizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No optimizer has this name.
    case unknownOptimizer(String, known: [String])
    /// The optimizer has no setting of this name.
    case unknownSetting(String, of: String, known: [String])
    /// The settings do not fit together.
    case badSettings(of: String, String)
    /// A saved state lacks a tensor.
    case missingState(String)
    /// A saved tensor has another number of elements than the parameter.
    case wrongState(String, expected: Int, found: Int)

    /// One line that says what is wrong and what to do.
    public var description: String {
        switch self {
        case .unknownOptimizer(let name, let known):
            "unknown optimizer '\(name)': use one of \(known.joined(separator: ", "))"
        case .unknownSetting(let key, let name, let known):
            "optimizer '\(name)' has no setting '\(key)': it has \(known.joined(separator: ", "))"
        case .badSettings(let name, let text): "settings of optimizer '\(name)' cannot be used: \(text)"
        case .missingState(let name): "the optimizer's saved state lacks '\(name)'"
        case .wrongState(let name, let expected, let found):
            "the optimizer's saved state '\(name)' has \(found) elements, expected \(expected)"
        }
    }
}
