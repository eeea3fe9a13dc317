import AlambicModels
import AlambicTensor
import AlambicTraining

/// What a structured method removes whole, so that matrices become smaller and any kernel faster.
public enum StructuredUnit: String, Sendable, CaseIterable {
    /// A hidden unit of a feed-forward block: a row of the first matrix and a column of the second.
    case neurons
    /// An attention head: its rows of queries, keys and values, and its columns of the output projection.
    case heads
    /// A whole block: the residual stream passes by.
    case layers
}

/// Where the units of a model are: for each unit the columns of the projections through which it adds to the residual stream.
///
/// All that a unit does, it does through these: a gate g on a unit's output, whose derivative tells what the unit is worth,
/// multiplies these weights, so that ∂L/∂g = Σ w ∂L/∂w over them.
struct UnitMap {
    let gpt: GPT

    init(_ architecture: any Architecture) throws(TrainingError) {
        guard let gpt = architecture as? GPT else {
            throw .badSetting("units of a \(type(of: architecture).modelType) cannot be removed: use a gpt2 model")
        }
        self.gpt = gpt
    }

    func heads(of layer: Int) -> Int { gpt.configuration.heads(of: layer) }

    /// How many units each layer has; for `layers` one.
    func count(_ unit: StructuredUnit, in layer: Int) -> Int {
        switch unit {
        case .neurons: gpt.inner
        case .heads: heads(of: layer)
        case .layers: 1
        }
    }

    /// Paths of the matrices through which units of a layer are heard.
    func outgoing(_ unit: StructuredUnit, in layer: Int) -> [String] {
        switch unit {
        case .neurons: ["h.\(layer).mlp.c_proj.weight"]
        case .heads: ["h.\(layer).attn.c_proj.weight"]
        case .layers: ["h.\(layer).attn.c_proj.weight", "h.\(layer).mlp.c_proj.weight"]
        }
    }

    /// Biases that a whole layer adds beside that.
    func biases(_ unit: StructuredUnit, in layer: Int) -> [String] {
        unit == .layers ? ["h.\(layer).attn.c_proj.bias", "h.\(layer).mlp.c_proj.bias"] : []
    }

    /// Columns of the outgoing matrix that belong to unit `number` of a layer.
    func columns(_ unit: StructuredUnit, _ number: Int, of inputs: Int) -> Range<Int> {
        switch unit {
        case .neurons: number..<number + 1
        case .heads: number * gpt.configuration.headWidth..<(number + 1) * gpt.configuration.headWidth
        case .layers: 0..<inputs
        }
    }
}
