extension SafeTensors {
    /// The element types of the safetensors format, in its own order (ascending alignment), which is also the reverse
    /// of the order in which the reference implementation lays tensors out.
    /// Source: github.com/huggingface/safetensors, safetensors/src/tensor.rs, `Dtype`.
    public enum DType: String, Sendable, CaseIterable, CustomStringConvertible {
        /// One byte per truth value.
        case bool = "BOOL"
        /// Four bits (OCP MXFP4).
        case f4 = "F4"
        /// Six bits, E2M3 (OCP MXFP6).
        case f6e2m3 = "F6_E2M3"
        /// Six bits, E3M2 (OCP MXFP6).
        case f6e3m2 = "F6_E3M2"
        /// Unsigned 8-bit integer.
        case u8 = "U8"
        /// Signed 8-bit integer.
        case i8 = "I8"
        /// 8-bit float, E5M2.
        case f8e5m2 = "F8_E5M2"
        /// 8-bit float, E4M3.
        case f8e4m3 = "F8_E4M3"
        /// 8-bit exponent (OCP MX scale).
        case f8e8m0 = "F8_E8M0"
        /// 8-bit float, E4M3 without negative zero.
        case f8e4m3fnuz = "F8_E4M3FNUZ"
        /// 8-bit float, E5M2 without negative zero.
        case f8e5m2fnuz = "F8_E5M2FNUZ"
        /// Signed 16-bit integer.
        case i16 = "I16"
        /// Unsigned 16-bit integer.
        case u16 = "U16"
        /// IEEE half precision.
        case f16 = "F16"
        /// The upper half of an f32.
        case bf16 = "BF16"
        /// Signed 32-bit integer.
        case i32 = "I32"
        /// Unsigned 32-bit integer.
        case u32 = "U32"
        /// IEEE single precision.
        case f32 = "F32"
        /// Complex of two f32.
        case c64 = "C64"
        /// IEEE double precision.
        case f64 = "F64"
        /// Signed 64-bit integer.
        case i64 = "I64"
        /// Unsigned 64-bit integer.
        case u64 = "U64"

        /// Bits per element; elements below a byte are packed.
        public var bits: Int {
            switch self {
            case .f4: 4
            case .f6e2m3, .f6e3m2: 6
            case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
            case .i16, .u16, .f16, .bf16: 16
            case .i32, .u32, .f32: 32
            case .c64, .f64, .i64, .u64: 64
            }
        }

        /// The name in the file, as `F32`.
        public var description: String { rawValue }

        /// Bytes of a tensor of this shape; nil if the product does not fit an `Int` or is not a whole number of bytes.
        public func byteCount(shape: [Int]) -> Int? {
            // A zero anywhere makes the tensor empty, but the other sizes must still multiply without overflow.
            var product = bits
            for size in shape {
                let (next, overflow) = product.multipliedReportingOverflow(by: size)
                if overflow || size < 0 { return nil }
                product = next
            }
            return product.isMultiple(of: 8) ? product / 8 : nil
        }
    }
}

/// A Swift type whose values stand in a safetensors file as they stand in memory (little-endian).
public protocol TensorElement: BitwiseCopyable, Sendable {
    /// The element type in the file.
    static var dtype: SafeTensors.DType { get }
}

extension Float: TensorElement {
    /// `F32`.
    public static var dtype: SafeTensors.DType { .f32 }
}
extension Double: TensorElement {
    /// `F64`.
    public static var dtype: SafeTensors.DType { .f64 }
}
extension Int8: TensorElement {
    /// `I8`.
    public static var dtype: SafeTensors.DType { .i8 }
}
extension UInt8: TensorElement {
    /// `U8`.
    public static var dtype: SafeTensors.DType { .u8 }
}
extension Int16: TensorElement {
    /// `I16`.
    public static var dtype: SafeTensors.DType { .i16 }
}
extension UInt16: TensorElement {
    /// `U16`.
    public static var dtype: SafeTensors.DType { .u16 }
}
extension Int32: TensorElement {
    /// `I32`.
    public static var dtype: SafeTensors.DType { .i32 }
}
extension UInt32: TensorElement {
    /// `U32`.
    public static var dtype: SafeTensors.DType { .u32 }
}
extension Int64: TensorElement {
    /// `I64`.
    public static var dtype: SafeTensors.DType { .i64 }
}
extension UInt64: TensorElement {
    /// `U64`.
    public static var dtype: SafeTensors.DType { .u64 }
}
