import AlambicKernels
import Foundation
import Testing

@testable import bench

@Suite struct ArgumentTests {
    @Test("shapes as sets, lists and files")
    func shapes() throws {
        guard case .list(let gpt2, true) = try ShapeChoice("gpt2-124m") else {
            Issue.record("not a set")
            return
        }
        #expect(gpt2.map(\.description).contains("1024x50257x768") && gpt2.count == 5)
        #expect(
            try ShapeChoice("8x4096x11008,1x2")
                == .list([BenchShape(8, 4096, 11008), BenchShape(1, 2)], areProducts: false))
        let path = try temporaryFile("# decode\n1x4096x4096\n\n 2x3x4 # small\n1x4096x4096\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(try ShapeChoice(path) == .list([BenchShape(1, 4096, 4096), BenchShape(2, 3, 4)], areProducts: false))
    }

    @Test(
        "shapes that are none",
        arguments: [
            ("0x5x3", "at least 1"), ("1x-2x3", "not a shape"), ("1xx3", "not a shape"),
            ("5x9999999999999999999x2", "too large"),
            ("1x2x3x4x5", "5 extents"), ("1024x1024x1024,", "not a shape"), ("gpt3", "unknown shape set"),
        ])
    func badShapes(text: String, part: String) {
        let error = complaint { _ = try ShapeChoice(text) }
        #expect(error.usage && error.text.contains(part) && !error.text.contains("\n"), "\(error.text)")
    }

    @Test("a file of shapes is refused with its line")
    func badFiles() throws {
        let path = try temporaryFile("1x2x3\n4x5xsix\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(complaint { _ = try ShapeChoice(path) }.text.contains(":2: "))
        let missing = complaint { _ = try ShapeChoice("no/such/file.txt") }
        #expect(!missing.usage && missing.text.contains("no such file"))
        let empty = try temporaryFile("# nothing\n")
        defer { try? FileManager.default.removeItem(atPath: empty) }
        #expect(complaint { _ = try ShapeChoice(empty) }.text.contains("no shape"))
    }

    @Test(
        "words that mean nothing",
        arguments: [
            (["--threads", "0"], "at least 1"), (["--threads", "two"], "at least 1"),
            (["--threads", "1,,2"], "at least 1"),
            (["--repetitions", "0"], "1 to 10000"), (["--output", "xml"], "md, json, jsonl or csv"),
            (["--frobnicate"], "unknown option"), (["--isa"], "needs a value"),
        ])
    func badWords(words: [String], part: String) {
        let error = complaint { _ = try BenchArguments(words) }
        #expect(error.usage && error.text.contains(part), "\(error.text)")
    }

    @Test("cases, thread counts and instruction sets that are not there")
    func notHere() throws {
        let arguments = try BenchArguments(["matmulx"])
        #expect(complaint { _ = try arguments.selected(from: allCases) }.text.contains("unknown case 'matmulx'"))
        let typed = try BenchArguments(["matmul-packed", "--dtype", "f32,s8"])
        #expect(try typed.selected(from: allCases).map(\.dtype) == ["f32", "s8"])
        let untyped = try BenchArguments(["matmul-packed", "--dtype", "f64"])
        #expect(complaint { _ = try untyped.selected(from: allCases) }.text.contains("the type 'f64'"))
        let many = try BenchArguments(["--threads", "1000000"])
        #expect(complaint { _ = try many.workerCounts(on: .local) }.usage)
        let unknown = try BenchArguments(["--isa", "sse9"])
        #expect(complaint { try unknown.checkISA(allCases) }.text.contains("unknown instruction set 'sse9'"))
        let lacking = try BenchArguments(["--isa", ISA.known.last?.name ?? ""])
        let error = complaint { try lacking.checkISA(allCases, detected: .portable) }
        #expect(error.usage && error.text.contains("lacks"))
    }

    @Test("a shape that cannot fit is refused before anything is allocated")
    func enormous() throws {
        let arguments = try BenchArguments(["matmul-packed", "--shapes", "2000000000x2000000000x2000000000"])
        let error = complaint {
            _ = try BenchRun(arguments, cases: arguments.selected(from: allCases), on: .local)
        }
        #expect(!error.usage && error.text.contains("smaller --shapes"), "\(error.text)")
        let nothing = try BenchArguments(["dropout", "--shapes", "gpt2-124m"])
        #expect(
            complaint { _ = try BenchRun(nothing, cases: nothing.selected(from: allCases), on: .local) }.text
                .contains("nothing to run"))
    }

    @Test("shapes that nobody named are left out when they do not fit, and the rest is run")
    func leftOut() throws {
        func run(_ words: [String], available: Int) throws -> BenchRun {
            let arguments = try BenchArguments(words + ["--threads", "1"])
            return try BenchRun(
                arguments, cases: arguments.selected(from: allCases), on: .local, available: available)
        }
        let all = try run(["matmul"], available: 1 << 45)
        #expect(all.leftOut.isEmpty)
        let probes = BenchRun.limitCounts([1], on: .local).count * Limits.bytes(on: .local)
        let some = try run(["matmul"], available: probes + 40 << 20)
        #expect(!some.leftOut.isEmpty && !some.items.isEmpty && some.items.count < all.items.count)
        #expect(some.leftOut.allSatisfy { $0.contains("needs about") && !$0.contains("\n") })
        let none = complaint { _ = try run(["matmul"], available: 0) }
        #expect(!none.usage && none.text.contains("nothing to run"), "\(none.text)")
        // A shape that was asked for is not passed over.
        let named = complaint {
            _ = try run(["matmul", "--shapes", "64x64x64,8192x8192x8192"], available: probes + 40 << 20)
        }
        #expect(!named.usage && named.text.contains("8192x8192x8192"), "\(named.text)")
    }

    @Test("limits of one and of all workers are measured, whatever is asked for")
    func limitCounts() {
        let all = Machine.local.defaultWorkers
        #expect(Set(BenchRun.limitCounts([3], on: .local)) == Set([1, 3, all]))
        #expect(BenchRun.limitCounts([1], on: .local).count == Set([1, all]).count)
    }

    @Test("every case names its work once, has shapes and portable variants")
    func cases() {
        let keys = allCases.map { "\($0.name) \($0.dtype) \($0.summary)" }
        #expect(Set(keys).count == keys.count)
        for benchCase in allCases {
            #expect(
                !benchCase.shapes.isEmpty && benchCase.variants.contains { $0.needs == .portable }, "\(benchCase.name)")
        }
    }

    @Test("every case takes the shapes that it brings along, and knows what memory shapes take")
    func memory() throws {
        for benchCase in allCases {
            let name = "\(benchCase.name) \(benchCase.dtype)"
            for shape in benchCase.shapes {
                #expect(benchCase.accepts?(shape) ?? true, "\(name) \(shape)")
                #expect(try #require(benchCase.memoryNeeded(shape, on: .local)) > 0, "\(name) \(shape)")
            }
            // Two such extents are more than any memory, and three more than an integer.
            guard let count = benchCase.shapes.first?.extents.count, count > 1 else { continue }
            let enormous = BenchShape(extents: [Int](repeating: 2_000_000_000, count: count))
            guard benchCase.accepts?(enormous) ?? true else { continue }
            #expect(benchCase.memoryNeeded(enormous, on: .local) == nil, "\(name)")
        }
    }
}
