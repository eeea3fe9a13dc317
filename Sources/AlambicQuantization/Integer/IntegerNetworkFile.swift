import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import Foundation

/// What a file says about its network besides the integers.
private struct Description: Codable {
    var classifier: Classifier
    var scheme: IntegerScheme
    var activations: [AffineParameters]
    var logitScale: Float
}

/// Integer networks as one safetensors file: for each layer with weights `layers.<i>.weight` (I8, [outputs, inputs]), `.bias`,
/// `.multiplier`, `.shift`, `.zero_point` (I32, [outputs]) and `.scale` (F32, [outputs], which inference does not read), and
/// under `__metadata__` the network and the scales of activations.
extension IntegerNetwork {
    static let format = "alambic-integer-network"

    /// Writes the network, whole or not at all.
    public func save(to url: URL) throws {
        var entries: [SafeTensors.Entry] = []
        let layers = program.layers
        for (place, number) in numbers.enumerated() {
            let (layer, name) = (layers[place], "layers.\(number)")
            entries += [
                SafeTensors.Entry("\(name).weight", shape: [layer.outputs, layer.inputs], layer.weights.elements),
                SafeTensors.Entry("\(name).bias", shape: [layer.outputs], layer.bias),
                SafeTensors.Entry("\(name).multiplier", shape: [layer.outputs], layer.multipliers.map(\.mantissa)),
                SafeTensors.Entry("\(name).shift", shape: [layer.outputs], layer.multipliers.map(\.shift)),
                SafeTensors.Entry("\(name).zero_point", shape: [layer.outputs], layer.weightZeroPoints),
                SafeTensors.Entry("\(name).scale", shape: [layer.outputs], weightScales[place]),
            ]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = try encoder.encode(
            Description(classifier: classifier, scheme: scheme, activations: activations, logitScale: logitScale))
        try SafeTensors.write(
            entries, metadata: ["format": Self.format, "network": String(decoding: text, as: UTF8.self)], to: url)
    }

    /// Reads what ``save(to:)`` wrote. Everything is checked before anything runs.
    ///
    /// - Throws: `FileError` for what is not such a file; `KernelError` for integers whose sums could leave 32 bits.
    public init(contentsOf url: URL, on context: Context = .default) throws {
        let file = try SafeTensors(contentsOf: url)
        let description = try Self.description(file)
        let plan: IntegerPlan
        do {
            plan = try IntegerPlan(description.classifier)
        } catch {
            throw Self.malformed(file, "\(error)")
        }
        guard description.activations.count == plan.layers.count else {
            throw Self.malformed(
                file,
                "the network has \(plan.layers.count) layers with weights and \(description.activations.count) ranges")
        }
        var (layers, scales): ([IntegerLinear], [[Float]]) = ([], [])
        var known: Set<String> = []
        for (place, layer) in plan.layers.enumerated() {
            let name = "layers.\(layer.number)"
            known.formUnion(
                ["weight", "bias", "multiplier", "shift", "zero_point", "scale"].map { "\(name).\($0)" })
            scales.append(try Self.scales(file, name, layer))
            layers.append(try Self.layer(file, name, layer, description, place, on: context))
        }
        try file.requireNothingBut(known)
        self.init(
            description.classifier, description.scheme, description.activations, scales,
            logitScale: description.logitScale,
            IntegerProgram(plan, layers, inputs: description.classifier.input.count))
    }

    private var numbers: [Int] { classifier.layers.indices.filter { classifier.layers[$0].hasWeights } }

    private static func layer(
        _ file: SafeTensors, _ name: String, _ layer: IntegerPlan.Layer, _ description: Description, _ place: Int,
        on context: Context
    ) throws -> IntegerLinear {
        let (input, scheme) = (description.activations[place], description.scheme)
        let weights = try DenseTensor<Int8>([layer.outputs, layer.inputs])
        try file.read("\(name).weight", shape: [layer.outputs, layer.inputs], into: weights.mutableSpan)
        let zeroPoints = try integers(file, "\(name).zero_point", layer)
        let form = scheme.weightForm
        let levels = form.levels.lowest(bits: form.bits)...form.levels.highest(bits: form.bits)
        for q in weights.elements where !levels.contains(Int32(q)) {
            throw file.mismatch("\(name).weight", "a weight has too many bits", expected: "\(levels)", found: "\(q)")
        }
        for q in zeroPoints where !levels.contains(q) {
            throw file.mismatch("\(name).zero_point", "a zero point is no weight", expected: "\(levels)", found: "\(q)")
        }
        let multipliers = try zip(integers(file, "\(name).multiplier", layer), integers(file, "\(name).shift", layer))
            .map { mantissa, shift in
                guard FixedPointMultiplier.isValid(mantissa: mantissa, shift: shift) else {
                    throw file.mismatch(
                        "\(name).multiplier", "this is no fixed-point multiplier",
                        expected: "0 or 2^30 ..< 2^31, with a shift of -30 ... 31", found: "\(mantissa), \(shift)")
                }
                return FixedPointMultiplier(mantissa: mantissa, shift: shift)
            }
        return try IntegerLinear(
            weights: weights, weightZeroPoints: zeroPoints, inputZeroPoint: input.zeroPoint,
            inputLevels: input.lowest...input.highest, bias: integers(file, "\(name).bias", layer),
            multipliers: multipliers, output: output(description, place, layer), of: name, on: context)
    }

    private static func output(_ description: Description, _ place: Int, _ layer: IntegerPlan.Layer) -> IntegerOutput {
        guard place + 1 < description.activations.count else { return .logits }
        return .passing(description.activations[place + 1], isRectified: layer.isRectified)
    }

    private static func integers(
        _ file: SafeTensors, _ name: String, _ layer: IntegerPlan.Layer
    ) throws -> [Int32] {
        try file.array(name, of: Int32.self, shape: [layer.outputs])
    }

    private static func scales(_ file: SafeTensors, _ name: String, _ layer: IntegerPlan.Layer) throws -> [Float] {
        let scales = try file.array("\(name).scale", of: Float.self, shape: [layer.outputs])
        for scale in scales where !(scale > 0 && scale.isFinite) {
            throw file.mismatch("\(name).scale", "this is no scale", expected: "positive numbers", found: "\(scale)")
        }
        return scales
    }

    private static func description(_ file: SafeTensors) throws -> Description {
        guard file.metadata["format"] == format, let text = file.metadata["network"] else {
            throw FileError(
                .mismatched, path: file.path, "this is not an integer network",
                expected: "format '\(format)' under __metadata__",
                found: file.metadata["format"].map { "'\($0)'" } ?? "none",
                fix: "name a file that IntegerNetwork.save wrote")
        }
        let description: Description
        do {
            description = try JSONDecoder().decode(Description.self, from: Data(text.utf8))
        } catch {
            throw malformed(file, "it is not the description of a network")
        }
        if let problem = problem(description) { throw malformed(file, problem) }
        return description
    }

    private static func malformed(_ file: SafeTensors, _ problem: String) -> FileError {
        FileError(
            .malformed, path: file.path, "'network' under __metadata__: \(problem)",
            fix: "the file is damaged: save the network again")
    }

    /// What is wrong with a description, if anything: what was decoded has passed no initialiser.
    private static func problem(_ description: Description) -> String? {
        let (scheme, bits) = (description.scheme, IntegerScheme.bits)
        guard bits.contains(scheme.weightBits), bits.contains(scheme.activationBits) else {
            return "integers of \(scheme.weightBits) and \(scheme.activationBits) bits"
        }
        guard description.logitScale > 0, description.logitScale.isFinite else {
            return "a scale of logits of \(description.logitScale)"
        }
        for a in description.activations {
            guard a.bits == scheme.activationBits, a.levels == .unsigned, a.scale > 0, a.scale.isFinite,
                (a.lowest...a.highest).contains(a.zeroPoint)
            else { return "activations of \(a.bits) bits with scale \(a.scale) and zero point \(a.zeroPoint)" }
        }
        return problem(description.classifier)
    }

    private static func problem(_ classifier: Classifier) -> String? {
        let limit = 1 << 20
        var (h, w, c) = (classifier.input.height, classifier.input.width, classifier.input.channels)
        func fits() -> Bool {
            (1...limit).contains(h) && (1...limit).contains(w) && (1...limit).contains(c) && h * w <= limit
                && h * w * c <= 1 << 30
        }
        for (index, layer) in classifier.layers.enumerated() {
            guard fits() else { return "layer \(index) gets images of \(h) x \(w) x \(c)" }
            switch layer {
            case .linear(let outputs): (h, w, c) = (1, 1, outputs)
            case .convolution(let channels, let side):
                guard (1...min(h, w)).contains(side), side * side * c <= limit else {
                    return "layer \(index) has windows of \(side)"
                }
                (h, w, c) = (h - side + 1, w - side + 1, channels)
            case .maxPool(let side):
                guard side > 0, h.isMultiple(of: side), w.isMultiple(of: side) else {
                    return "layer \(index) has windows of \(side)"
                }
                (h, w) = (h / side, w / side)
            case .relu: break
            case .dropout(let rate):
                guard rate >= 0, rate < 1 else { return "layer \(index) drops \(rate)" }
            }
        }
        guard fits() else { return "there are \(c) logits" }
        return classifier.layers.contains(where: \.hasWeights) ? nil : "no layer has weights"
    }
}

extension IntegerProgram {
    /// The layers with weights.
    public var layers: [IntegerLinear] {
        steps.compactMap { step in
            if case .linear(let layer, _) = step { layer } else { nil }
        }
    }
}
