import AlambicKernels

/// Where times were measured: they mean nothing elsewhere.
public struct FormMachine: Hashable, Sendable {
    /// The processor's name.
    public let cpu: String
    /// The instruction sets that kernels used, such as `avx2+avx512`.
    public let isa: String
    /// Workers.
    public let threads: Int
    /// The library's version: kernels become faster.
    public let version: String

    /// A machine of these parts.
    public init(cpu: String, isa: String, threads: Int, version: String = alambicVersion) {
        (self.cpu, self.isa, self.threads, self.version) = (cpu, isa, threads, version)
    }

    /// What a context runs on.
    public init(_ context: Context) {
        self.init(cpu: context.machine.name, isa: context.isa.description, threads: context.threads)
    }

    /// 16 hexadecimal digits for file names (FNV-1a).
    var digest: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(cpu)\n\(isa)\n\(threads)\n\(version)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
