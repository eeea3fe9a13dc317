import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicTensor

/// Relations of attention by their definition, in doubles.
@Suite struct RelationLossTests {
    private func relations(
        _ qkv: [Double], _ parts: (Int, Int), width: Int, heads: Int, length: Int
    ) -> [[Double]] {
        let size = width / heads
        func element(_ t: Int, _ part: Int, _ head: Int, _ j: Int) -> Double {
            qkv[t * 3 * width + part * width + head * size + j]
        }
        var all: [[Double]] = []
        for head in 0..<heads {
            for t in 0..<length {
                let scores = (0...t).map { s in
                    (0..<size).reduce(0.0) { $0 + element(t, parts.0, head, $1) * element(s, parts.1, head, $1) }
                        / Double(size).squareRoot()
                }
                let sum = scores.reduce(0) { $0 + exp($1) }
                all.append(scores.map { exp($0) / sum })
            }
        }
        return all
    }

    private func naive(
        _ student: [Double], _ teacher: [Double], _ relation: AttentionRelation, widths: (Int, Int), heads: Int,
        batch: Int, length: Int
    ) -> Double {
        let parts: [AttentionRelation: (Int, Int)] = [
            .queryKey: (0, 1), .valueValue: (2, 2), .queryQuery: (0, 0), .keyKey: (1, 1),
        ]
        let part = parts[relation] ?? (0, 0)
        var sum = 0.0
        for b in 0..<batch {
            let (s, t) = (3 * widths.0 * length, 3 * widths.1 * length)
            let q = relations(Array(student[b * s..<(b + 1) * s]), part, width: widths.0, heads: heads, length: length)
            let p = relations(Array(teacher[b * t..<(b + 1) * t]), part, width: widths.1, heads: heads, length: length)
            for (p, q) in zip(p, q) { sum += zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) } }
        }
        return sum / Double(batch * heads * length)
    }

    @Test(arguments: AttentionRelation.allCases, [(1, 1, 1), (2, 5, 2), (3, 17, 4)])
    func matchesTheDefinition(relation: AttentionRelation, sizes: (batch: Int, length: Int, heads: Int)) throws {
        let (batch, length, heads) = sizes
        let widths = (2 * heads, 3 * heads)
        var random = SplitMix(seed: UInt64(length))
        let student = random.floats(batch * length * 3 * widths.0, in: -2...2)
        let teacher = random.floats(batch * length * 3 * widths.1, in: -2...2)
        let tape = try Tape([], on: try Context(threads: 2))
        try tape.begin(seed: 0)
        let x = tape.place(try Tensor([batch, length, 3 * widths.0], student))
        let losses = try tape.relationLoss(
            qkv: x, teacher: try Tensor([batch, length, 3 * widths.1], teacher), heads: heads, relations: [relation],
            scale: 0.5)
        try tape.backward()
        let (values, fixed) = (student.map(Double.init), teacher.map(Double.init))
        func loss(_ x: [Double]) -> Double {
            naive(x, fixed, relation, widths: widths, heads: heads, batch: batch, length: length)
        }
        expectClose([Float(losses[0])], [loss(values)], depth: 4 * length, "\(relation) \(sizes)")
        expectClose(
            try #require(tape.gradient(of: x)).elements, finiteDifferences(values) { 0.5 * loss($0) },
            depth: 8 * length, "\(relation) \(sizes): gradient")
    }

    @Test func byHand() throws {
        // Two positions, one head of one column: the second row of the student's is softmax(0, 0), of the teacher's
        // softmax(0, log 3) = (1/4, 3/4). KL = log 2 + 1/4 log(1/4) + 3/4 log(3/4), over two positions.
        let tape = try Tape([], on: .default)
        try tape.begin(seed: 0)
        let x = tape.place(try Tensor([1, 2, 3], [0, 0, 0, 0, 0, 0]))
        let teacher = try Tensor([1, 2, 3], [0, 0, 0, 1, Float(log(3.0)), 0])
        let loss = try tape.relationLoss(qkv: x, teacher: teacher, heads: 1, relations: [.queryKey, .valueValue])
        #expect(abs(loss[0] - (log(2.0) + 0.25 * log(0.25) + 0.75 * log(0.75)) / 2) < 1e-6 && loss[1] == 0)
    }
}
