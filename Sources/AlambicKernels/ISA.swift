import CKernels

/// A set of instruction sets that kernels may use. Each member brings along what it implies: `.avx512` contains `.avx2`.
public struct ISA: OptionSet, Hashable, Sendable, CustomStringConvertible {
    /// The bits of CKernels' list, `runtime/isa.inc.h`.
    public let rawValue: UInt32

    /// A set with these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// No extension: plain C, which every machine runs.
    public static let portable: ISA = []
    /// AVX2, FMA, F16C, BMI1 and BMI2.
    public static let avx2 = ISA.listed("avx2")
    /// AVX-512 F, BW, VL, DQ and CD.
    public static let avx512 = ISA.listed("avx512")
    /// AVX-512 VNNI: int8 and int16 dot products.
    public static let avx512vnni = ISA.listed("avx512vnni")
    /// AVX-512 BF16: bfloat16 dot products.
    public static let avx512bf16 = ISA.listed("avx512bf16")
    /// AVX-512 VBMI and VBMI2: byte permutations, compress and expand of bytes and words.
    public static let avx512vbmi2 = ISA.listed("avx512vbmi2")
    /// AMX int8: products of whole tiles of int8.
    public static let amxint8 = ISA.listed("amxint8")
    /// AMX bf16: products of whole tiles of bfloat16.
    public static let amxbf16 = ISA.listed("amxbf16")
    /// Arm Advanced SIMD.
    public static let neon = ISA.listed("neon")
    /// Arm int8 dot products.
    public static let dotprod = ISA.listed("dotprod")
    /// Arm int8 matrix products.
    public static let i8mm = ISA.listed("i8mm")
    /// Arm half-precision arithmetic.
    public static let fp16 = ISA.listed("fp16")
    /// Arm bfloat16 products.
    public static let bf16 = ISA.listed("bf16")

    /// Everything; what the machine lacks is left out wherever it is used.
    public static let all = ISA(rawValue: ~unknown)

    /// What this processor has and this operating system lets programs use.
    public static let detected = ISA(rawValue: ck_isa_detected())

    /// Every instruction set that this build knows, weakest first, `portable` included.
    public static let known: [(name: String, isa: ISA)] = {
        var count = 0
        let entries = UnsafeBufferPointer(start: ck_isa_list(&count), count: count)
        return entries.map { (String(cString: $0.name), ISA(rawValue: $0.bits)) }
    }()

    /// The names of its members joined by "+", or "portable".
    public var description: String {
        let names = ISA.known.filter { !$0.isa.isEmpty && isSuperset(of: $0.isa) }.map(\.name)
        return names.isEmpty ? "portable" : names.joined(separator: "+")
    }

    /// The set that names such as "avx2", or "avx512vnni,avx512bf16" joined by commas or plus signs, stand for; nil if one
    /// of them is unknown to this build.
    public init?(names: some StringProtocol) {
        var set = ISA.portable
        for name in names.split(whereSeparator: { $0 == "," || $0 == "+" || $0 == " " }) {
            guard let entry = ISA.known.first(where: { $0.name == name.lowercased() }) else { return nil }
            set.formUnion(entry.isa)
        }
        self = set
    }

    /// Stands for instruction sets of other architectures, so that nothing here ever contains them.
    private static let unknown: UInt32 = 1 << 31

    private static func listed(_ name: String) -> ISA {
        known.first { $0.name == name }?.isa ?? ISA(rawValue: unknown)
    }
}
