/// The element types that tensors have in memory or in files. Raw values are safetensors' names.
public enum DType: String, Sendable, CaseIterable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case s8 = "I8"
    case u8 = "U8"
    case s32 = "I32"
    case s64 = "I64"

    /// Bytes per element.
    public var byteWidth: Int {
        switch self {
        case .s8, .u8: 1
        case .f16, .bf16: 2
        case .f32, .s32: 4
        case .s64: 8
        }
    }
}
