import AlambicTestSupport
import Testing

@testable import AlambicKernels

@Suite struct MemoryTests {
    @Test(arguments: [Placement.default, .interleaved, .node(0)])
    func isAlignedZeroedAndWritable(placement: Placement) throws {
        for bytes in [0, 1, 63, 64, 65, 4096, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 21) - 1, 1 << 21, 5_000_001]
        {
            let memory = try Memory<UInt8>(count: bytes, placement: placement)
            #expect(Int(bitPattern: memory.start) % 64 == 0)
            let count = memory.span.count
            #expect(count == bytes)
            var span = memory.mutableSpan
            var zeros = true
            for i in 0..<bytes {
                zeros = zeros && span[i] == 0
                span[i] = 0xff
            }
            #expect(zeros, "\(bytes) bytes")
        }
    }

    @Test func refusesWhatCannotBe() throws {
        #expect { try Memory<Double>(count: .max) } throws: { ($0 as? KernelError)?.code == .noMemory }
        #expect { try Memory<UInt8>(count: .max) } throws: { ($0 as? KernelError)?.code == .noMemory }
        #expect { try Memory<UInt8>(count: 1 << 62) } throws: { ($0 as? KernelError)?.code == .noMemory }
        #expect { try Memory<UInt8>(count: 8, placement: .node(1000)) } throws: {
            ($0 as? KernelError)?.code == .badArgument
        }
        if let available = Machine.local.availableMemory { #expect(available > 1 << 20) }
    }

    @Test func lendsParts() throws {
        let memory = try Memory<Int32>(count: 100)
        var part = memory.mutableSpan(10..<20)
        for i in 0..<10 { part[i] = Int32(i) }
        let whole = memory.span[15]
        let read = memory.span(15..<17)
        let (count, second) = (read.count, read[1])
        let empty = memory.span(100..<100).isEmpty
        #expect(whole == 5 && count == 2 && second == 6 && empty)
    }

    @Test func emptySpansHaveAnAddress() {
        let none: [Float] = []
        let nowhere = Int(bitPattern: none.span.base)
        #expect(nowhere != 0)
        let some: [Float] = [1, 2]
        let second = some.span.base[1]
        #expect(second == 2)
        let missing = base(Span<Float>?.none)
        #expect(missing == nil)
    }
}
