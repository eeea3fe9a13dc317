import CKernels

/// What a matrix product multiplies: the element type of A, then that of B where it is another one.
///
/// Sums are f32, or exact 32-bit integers where both sides are integers. `docs/Numerics.md` says which chains of operations
/// make them.
public enum Product: Int32, Sendable, CaseIterable, CustomStringConvertible {
    /// f32 by f32.
    case f32
    /// bf16 by bf16, sums in f32.
    case bf16
    /// f16 by f16, multiplied and summed in f32.
    case f16
    /// int8 by int8, exact.
    case s8
    /// Unsigned by signed int8, exact.
    case u8s8
    /// f32 by int8 weights.
    case f32s8
    /// bf16 by int8 weights.
    case bf16s8
    /// int8 by 4-bit weights in groups of 32 with zero point 8.
    case s8s4g32
    /// int8 by 4-bit weights in groups of 128 with zero point 8.
    case s8s4g128
    /// int8 by 4-bit weights in groups of 32 with zero points of their own.
    case s8u4g32
    /// int8 by 4-bit weights in groups of 128 with zero points of their own.
    case s8u4g128
    /// bf16 by 4-bit weights in groups of 32 with zero point 8.
    case bf16s4g32
    /// bf16 by 4-bit weights in groups of 128 with zero point 8.
    case bf16s4g128
    /// bf16 by 4-bit weights in groups of 32 with zero points of their own.
    case bf16u4g32
    /// bf16 by 4-bit weights in groups of 128 with zero points of their own.
    case bf16u4g128

    /// Its name in CKernels and in result files, such as "s8s4g32".
    public var description: String { ck_product_name(raw).map { String(cString: $0) } ?? "\(rawValue)" }

    /// How many steps of K share a scale: 32 or 128 with 4-bit weights, else 1.
    public var group: Int { ck_product_group(raw) }

    /// Whether weights have 4 bits, and are packed ahead.
    public var hasFourBitWeights: Bool { group > 1 }

    /// Whether 4-bit weights have zero points of their own.
    public var hasZeroPoints: Bool {
        switch self {
        case .s8u4g32, .s8u4g128, .bf16u4g32, .bf16u4g128: true
        default: false
        }
    }

    /// The variants of this build, best first.
    public var variants: [Variant] { Variant.list { ck_matmul_variants(raw, $0) } }

    var raw: ck_product { ck_product(rawValue) }
}

/// An element type that operands and results of products may have. 16-bit floats are `UInt16`: their bits.
public protocol MatrixElement: BitwiseCopyable {
    /// The C type, given what a `UInt16` stands for.
    static func type(halves: HalfFormat) -> ElementType
}

/// The C type of an element.
public struct ElementType: Sendable {
    let raw: ck_type
}

extension HalfFormat {
    var raw: ck_type { self == .bf16 ? CK_BF16 : CK_F16 }
}
extension Float: MatrixElement {
    /// f32.
    public static func type(halves: HalfFormat) -> ElementType { ElementType(raw: CK_F32) }
}
extension UInt16: MatrixElement {
    /// bf16 or f16.
    public static func type(halves: HalfFormat) -> ElementType { ElementType(raw: halves.raw) }
}
extension Int8: MatrixElement {
    /// s8.
    public static func type(halves: HalfFormat) -> ElementType { ElementType(raw: CK_S8) }
}
extension UInt8: MatrixElement {
    /// u8.
    public static func type(halves: HalfFormat) -> ElementType { ElementType(raw: CK_U8) }
}
extension Int32: MatrixElement {
    /// s32.
    public static func type(halves: HalfFormat) -> ElementType { ElementType(raw: CK_S32) }
}
