/// bf16 of the tests: written from the format's definition, without the code under test.
func bf16(_ value: Float) -> UInt16 {
    guard !value.isNaN else { return UInt16(value.bitPattern >> 16) | 0x40 }
    let low = value.bitPattern & 0xffff, kept = UInt16(value.bitPattern >> 16)
    return low > 0x8000 || (low == 0x8000 && kept & 1 == 1) ? kept + 1 : kept
}

func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// Half a unit in the last place of 1 in bf16, whose numbers have 8 bits: the relative error of one rounding.
let halfRoundoff = 0x1p-8

func nearestBF16(_ x: [Float]) -> [UInt16] { x.map(bf16) }

/// The numbers rounded to bf16 and widened again.
func roundedToBF16(_ x: [Float]) -> [Float] { x.map { float(bf16($0)) } }
