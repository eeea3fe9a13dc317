// swift-format-ignore-file: AlwaysUseLowerCamelCase
// M, N and K are the names that the field uses.

import AlambicKernels
import Foundation

/// `bench sparse`: packs every candidate, then times all of them in turn, round after round.
struct SparseRun {
    let arguments: SparseArguments
    let machine: Machine
    let copies: Int

    /// - Parameter available: bytes that may be allocated; nil: what the machine says.
    init(_ arguments: SparseArguments, on machine: Machine, available: Int? = nil) throws(BenchError) {
        (self.arguments, self.machine) = (arguments, machine)
        let (packed, sources) = SparseCandidates.bytes(arguments.types, N: arguments.N, K: arguments.K)
        // Between two turns of a copy all the others are read: together eight times the last-level cache.
        let wanted = 8 * Double(max(machine.l3Bytes, machine.l2Bytes, 8 << 20))
        let copies = max((wanted / max(packed, 1)).rounded(.up), 1)
        let rows = Double(SparseTable.rows.reduce(0, +)) * 4 * Double(arguments.N + arguments.K)
        let needed = packed * copies + sources + rows * Double(arguments.types.count)
        let free = available ?? machine.availableMemory ?? .max
        guard needed < Double(free) else {
            let size = needed < 1e18 ? Report.bytes(Int(needed)) : "2^60 bytes or more"
            throw BenchError.failed(
                "sparse \(arguments.N)x\(arguments.K) needs about \(size), \(Report.bytes(free)) are free; "
                    + "take a smaller --shape or fewer --dtype")
        }
        self.copies = Int(copies)
    }

    static func main(_ words: [String]) throws -> Int32 {
        if words.contains("--help") || words.contains("-h") {
            print(SparseArguments.help)
            return 0
        }
        let machine = Machine.local
        if let problem = machine.environmentProblem { throw BenchError.usage(problem) }
        let arguments = try SparseArguments(words, on: machine)
        if let path = arguments.outPath { try checkWritable(path) }
        let run = try SparseRun(arguments, on: machine)
        stopOnInterrupt()
        let timings = try run.measure()
        guard let rounds = timings.map(\.samplesNs.count).min(), rounds > 0 else {
            complain("interrupted before the first round was whole")
            return 130
        }
        let report = SparseReport(
            table: SparseTable(timings: timings), N: arguments.N, K: arguments.K, threads: arguments.threads)
        let record = MachineRecord(machine, limits: [], threads: arguments.threads)
        let text =
            arguments.isJSON
            ? try Report.jsonLine(SparseDocument(report, machine: record)) + "\n"
            : Report.markdown(record) + "\n" + report.text()
        try write(text, to: arguments.outPath)
        return interrupted.load(ordering: .relaxed) ? 130 : 0
    }

    /// Every candidate with every number of rows in a round; the first round is not counted.
    func measure() throws -> [SparseTiming] {
        let (N, K) = (arguments.N, arguments.K)
        let context = try machine.context(threads: arguments.threads)
        let packing = SparseCandidates(
            N: N, K: K, copies: copies, context: try machine.context(threads: machine.defaultWorkers))
        let progress = Progress(total: arguments.rounds + 1)
        var candidates: [SparseCandidate] = []
        for type in arguments.types {
            progress.note("packing \(type) weights")
            candidates += try packing.make(type)
            if type == "s8" && K.isMultiple(of: 32) { candidates.append(try packing.makeFourBits()) }
        }
        var groups: [[SparseTask]] = []
        for M in SparseTable.rows {
            let operands = try SparseOperands(arguments.types, M: M, N: N, K: K, on: context)
            groups.append(
                try candidates.filter { $0.dtype != SparseTable.fourBits || M == 1 }.map { candidate in
                    try SparseTask(candidate, operands)
                })
        }
        // In another order each round: what always came first of its type would always find A and C in memory, and the
        // others in a cache.
        var random = SplitMix(state: 1)
        for round in 0...arguments.rounds where !interrupted.load(ordering: .relaxed) {
            progress.begin("round \(round) of sparse products")
            for task in groups.flatMap({ $0.shuffled(using: &random) }) {
                if interrupted.load(ordering: .relaxed) { break }
                try task.run(isCounted: round > 0)
            }
            progress.end()
        }
        progress.clear()
        return groups.joined().map(\.timing)
    }
}

/// A's and C's of one number of rows, shared by the candidates of a type.
struct SparseOperands {
    let M: Int
    let multiplyPacked: [String: (PackedMatrix) throws -> Void]
    let multiplyRows: [String: (SparseMatrix) throws -> Void]

    init(_ types: [String], M: Int, N: Int, K: Int, on context: Context) throws {
        self.M = M
        var packed: [String: (PackedMatrix) throws -> Void] = [:]
        for product in Product.allCases {
            guard types.contains("\(product)") || product == .s8s4g32 && types.contains("s8") && M == 1 else {
                continue
            }
            let operands = MatmulOperands(product: product, shape: BenchShape(M, N, K), context: context)
            packed["\(product)"] = try operands.multiplication()
        }
        let c = try Memory<Float>(count: M * N)
        let (floats, bf16) = (try ramp(M * K), try halves(M * K, .bf16))
        (multiplyPacked, self.multiplyRows) = (
            packed,
            [
                "f32": { try matmul(M: M, floats.span, $0, into: c.mutableSpan, on: context) },
                "bf16": {
                    try matmul(M: M, bf16.span, $0, into: c.mutableSpan, epilogue: Epilogue(), on: context)
                },
            ]
        )
    }
}

/// A candidate with a number of rows, and its samples so far.
final class SparseTask {
    private let candidate: SparseCandidate
    private let rows: Int
    private let run: (_ turn: Int) throws -> Void
    private var turn = 0
    private var samples: [Int] = []

    init(_ candidate: SparseCandidate, _ operands: SparseOperands) throws(BenchError) {
        (self.candidate, rows) = (candidate, operands.M)
        switch candidate.weights {
        case .packed(let copies):
            guard let multiply = operands.multiplyPacked[candidate.dtype] else {
                throw .failed("no operands for \(candidate.dtype)")
            }
            run = { try multiply(copies[$0 % copies.count]) }
        case .rows(let copies):
            guard let multiply = operands.multiplyRows[candidate.dtype] else {
                throw .failed("no operands for \(candidate.dtype)")
            }
            run = { try multiply(copies[$0 % copies.count]) }
        }
    }

    func run(isCounted: Bool) throws {
        let before = ContinuousClock.now
        try run(turn)
        let duration = ContinuousClock.now - before
        turn += 1
        if isCounted { samples.append(max(1, Int(duration / .nanoseconds(1)))) }
    }

    var timing: SparseTiming {
        SparseTiming(
            dtype: candidate.dtype, form: candidate.form, percent: candidate.percent, rows: rows,
            bytes: candidate.bytes, samplesNs: samples)
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
