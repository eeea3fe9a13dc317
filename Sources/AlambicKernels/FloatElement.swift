import CKernels

/// Elements of activations: f32 as `Float`, bf16 as its bits, `UInt16`. Arithmetic on either is in f32, and a result in bf16 is
/// rounded once, to nearest, ties to even.
public protocol FloatElement: MatrixElement {}
extension Float: FloatElement {}
extension UInt16: FloatElement {}

extension FloatElement {
    static var code: ck_type { type(halves: .bf16).raw }
}
