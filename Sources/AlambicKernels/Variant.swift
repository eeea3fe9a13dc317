import CKernels

/// One implementation of an operation. Tests and benchmarks go through all of them; kernels choose the best by themselves.
public struct Variant: Sendable, Hashable, CustomStringConvertible {
    /// Its name in CKernels' list of the operation, such as "avx512vnni".
    public let name: String
    /// The instruction sets without which it cannot run.
    public let needs: ISA

    /// Whether this machine has what it needs.
    public var runsHere: Bool { ISA.detected.isSuperset(of: needs) }

    /// Its name.
    public var description: String { name }

    /// A context that allows exactly what this variant needs, so that kernels choose it.
    public func context(threads: Int? = nil) throws(KernelError) -> Context {
        try Machine.local.context(threads: threads, allowing: needs)
    }

    /// The same variant with an instruction set that parts of it use where it is there, such as VBMI2 for bit masks, on
    /// machines that have it beside what the variant needs.
    public func with(_ isa: ISA, beside base: ISA) -> Variant {
        let all = needs.union(isa)
        return needs.isSuperset(of: base) && ISA.detected.isSuperset(of: all) ? Variant(name: name, needs: all) : self
    }

    /// The variants that a `ck_<operation>_variants` function lists, best first.
    static func list(_ of: (UnsafeMutablePointer<Int>?) -> UnsafePointer<ck_variant>?) -> [Variant] {
        var count = 0
        let start = of(&count)
        return UnsafeBufferPointer(start: start, count: count).map {
            Variant(name: String(cString: $0.name), needs: ISA(rawValue: $0.needs))
        }
    }
}

/// The variants of every operation, best first: `Kernels.softmax`. Each operation's file adds its own.
public enum Kernels {}
