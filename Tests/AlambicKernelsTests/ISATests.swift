import AlambicKernels
import Testing

@Suite struct ISATests {
    @Test func impliedSetsComeAlong() {
        for (name, isa) in ISA.known {
            #expect(ISA(names: name) == isa)
            #expect(isa.isSubset(of: .all), "\(name)")
        }
        #if arch(x86_64)
            #expect(ISA.avx512vnni.isSuperset(of: [.avx2, .avx512]))
            #expect(!ISA.detected.isSuperset(of: .neon))
            #expect(ISA(names: "avx512vnni,avx512bf16") == [.avx512vnni, .avx512bf16])
        #endif
        #expect(ISA(names: "avx9000") == nil)
        #expect(ISA.portable.description == "portable")
    }

    @Test func contextsUseNoMoreThanAllowed() throws {
        for (name, isa) in ISA.known where ISA.detected.isSuperset(of: isa) {
            #expect(try Context(threads: 1, allowing: isa).isa == isa, "\(name)")
        }
        #expect(try Context(threads: 1).isa == .detected)
        #if arch(x86_64)
            // AVX-512 without the AVX2 that it implies names nothing that can run.
            let broken = ISA(rawValue: ISA.avx512.rawValue & ~ISA.avx2.rawValue)
            #expect(try Context(threads: 1, allowing: broken).isa == .portable)
        #endif
    }
}
