import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining

/// Symmetric 4-bit integers with an f16 scale for each group of 32 or 128 inputs of an output: w = (q - 8) * s. 4.5 or 4.125
/// bits a weight.
///
/// While the model runs, activations are quantized to 8 bits token by token, products of a group are exact sums of
/// integers, and groups are summed in f32.
public struct Int4Scheme: QuantizationScheme {
    /// The name by which the registry knows it.
    public static let name = "int4"
    /// How many inputs share a scale.
    public let group: Int
    /// How their scale is chosen.
    public let scales: GroupScales

    /// Groups of 32, none of whose weights is cut off.
    public init() { self.init(group: GroupedTensor.defaultGroup) }

    /// 4-bit integers in groups of 32 or 128.
    public init(group: Int, scales: GroupScales = .greatest) {
        self.group = group
        self.scales = scales
    }

    /// Throws unless groups of this size divide the weight's inputs.
    public func check(_ description: ParameterDescription) throws(TrainingError) {
        guard GroupedTensor.groups.contains(group) else {
            throw .badSetting("4-bit weights come in groups of 32 or 128, not of \(group)")
        }
        guard description.shape.columns.isMultiple(of: group) else {
            throw .badSetting(
                "4-bit weights come in groups of \(group), which do not divide the \(description.shape.columns) inputs of "
                    + "'\(description.path)': use another group, or leave the layer out with 'except'")
        }
    }

    /// Rounds the weights of each group to the nearest multiples of its scale.
    public func quantize(_ weight: PackedWeight, on context: Context) throws(KernelError) -> PackedWeight {
        if case .int4(let grouped) = weight, grouped.group == group { return weight }
        return .int4(try GroupedTensor(try weight.dense(), group: group, scales: scales, on: context))
    }
}

extension QuantizationScheme where Self == Int4Scheme {
    /// 4-bit integers in groups of 32 or 128.
    public static func int4(group: Int = GroupedTensor.defaultGroup, scales: GroupScales = .greatest) -> Int4Scheme {
        Int4Scheme(group: group, scales: scales)
    }
}
