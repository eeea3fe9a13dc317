import AlambicTestSupport
import Testing

@testable import AlambicKernels

#if os(Linux)
    @Suite struct TopologyTests {
        @Test func nodesCoresAndThreads() throws {
            let machine = try Machine(
                synthetic: "package:2 numa:1 l3:1(size=33554432) l2:4(size=1048576) l1d:1(size=32768) core:1 pu:2")
            #expect(machine.packages == 2)
            #expect(machine.nodes == 2)
            #expect(machine.cores == 8)
            #expect(machine.units == 16)
            #expect(machine.defaultWorkers == 8)
            #expect(machine.quota == nil)
            #expect(machine.l3Bytes == 33_554_432)
            #expect(machine.l2Bytes == 1_048_576)
            #expect(machine.l1dBytes == 32768)
        }

        @Test func oneWorkerPerCoreInNodeOrderThenSecondThreads() throws {
            let plan = try Machine(synthetic: "numa:2 core:4 pu:2").plan(workers: 20)
            // Units are numbered through: core c has 2c and 2c + 1; node 0 has cores 0 ..< 4.
            #expect(plan.prefix(8).map(\.unit) == [0, 2, 4, 6, 8, 10, 12, 14])
            #expect(plan.prefix(8).map(\.node) == [0, 0, 0, 0, 1, 1, 1, 1])
            #expect(plan[8..<16].map(\.unit) == [1, 3, 5, 7, 9, 11, 13, 15])
            #expect(plan[8..<16].map(\.node) == [0, 0, 0, 0, 1, 1, 1, 1])
            // More workers than hardware threads: from the start again.
            #expect(plan[16..<20].map(\.unit) == [0, 2, 4, 6])
        }

        @Test func fewerCoresThanWorkers() throws {
            let machine = try Machine(synthetic: "core:1 pu:1")
            #expect(machine.defaultWorkers == 1)
            #expect(machine.plan(workers: 3).map(\.unit) == [0, 0, 0])
            #expect(machine.plan(workers: 0).isEmpty)
        }

        @Test func manyNodes() throws {
            let machine = try Machine(synthetic: "package:4 numa:2 core:16 pu:2")
            #expect(machine.nodes == 8)
            #expect(machine.cores == 128)
            let plan = machine.plan(workers: 128)
            #expect(Set(plan.map(\.unit)).count == 128)
            #expect(plan.map(\.node) == (0..<128).map { $0 / 16 })
        }

        @Test func aBadDescriptionIsAnError() {
            #expect { try Machine(synthetic: "numa:two") } throws: {
                guard let error = $0 as? KernelError else { return false }
                return error.code == .badArgument && error.description.contains("numa:two")
            }
        }

        @Test func memoryOnNodesThatDoNotExistHereStillWorks() throws {
            let machine = try Machine(synthetic: "numa:2 core:2 pu:1")
            for placement in [Placement.interleaved, .node(1)] {
                let memory = try Memory<Float>(count: 1 << 20, placement: placement, on: machine)
                var span = memory.mutableSpan
                for i in stride(from: 0, to: 1 << 20, by: 1024) { span[i] = 1 }
                let element = memory.span[1024]
                #expect(element == 1)
            }
            #expect(throws: KernelError.self) { try Memory<Float>(count: 1, placement: .node(2), on: machine) }
        }

        @Test func thisMachineMakesSense() {
            let machine = Machine.local
            #expect(machine.cores >= 1 && machine.units >= machine.cores && machine.nodes >= 1)
            #expect(machine.defaultWorkers <= machine.cores)
            #expect(!machine.name.isEmpty)
            let plan = machine.plan(workers: machine.units)
            #expect(Set(plan.map(\.unit)).count == machine.units)
        }
    }
#endif
