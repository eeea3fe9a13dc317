import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTraining
import Testing

@testable import AlambicPruning

private func values(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Few different values: many ties.
        return Float(Int64(bitPattern: state) >> 58)
    }
}

private func bits(_ mask: Mask) -> [Bool] {
    (0..<mask.rows * mask.columns).map { mask.keeps($0 / mask.columns, $0 % mask.columns) }
}

@Suite struct SelectionTests {
    @Test func smallestAreThoseOfASort() {
        var state: UInt64 = 3
        for count in [1, 2, 31, 1000] {
            let keys = (0..<count).map { index -> UInt32 in
                state = state &* 6_364_136_223_846_793_005 &+ 1
                // All over the range, and ties at both ends and across the halves of the key.
                return [UInt32(state >> 32), 0, .max, UInt32(state >> 62) << 16, 0xFFFF][index % 5]
            }
            let order = keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
            for removed in Set([0, 1, count / 3, count / 2, count - 1, count]) {
                let marks = Selection.smallest(removed, of: keys)
                let gone = Set(order[..<removed])
                #expect(keys.indices.allSatisfy { marks[$0] == gone.contains($0) }, "\(removed) of \(count)")
            }
        }
    }
}

@Suite struct PatternTests {
    @Test func twoOfFour() throws {
        let weights = try Tensor([2, 8], [1, -2, 3, -4, 0, 0, 5, 0, 1, 1, 1, 1, -9, 8, 7, 6])
        let mask = try Magnitude().mask(of: weights, to: .pattern(2, of: 4), after: nil)
        // Of equal magnitudes those that come first go.
        #expect(
            bits(mask).map { $0 ? 1 : 0 } == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0])
    }

    @Test(arguments: [(1, 4), (2, 4), (4, 8), (3, 3), (1, 2), (5, 7)])
    func everyGroupKeepsItsLargest(kept: Int, group: Int) throws {
        let (rows, columns) = (5, 3 * group)
        let elements = values(rows * columns, seed: UInt64(kept * 100 + group))
        let mask = try Magnitude().mask(
            of: try Tensor([rows, columns], elements), to: .pattern(kept, of: group), after: nil)
        let keeps = bits(mask)
        for start in stride(from: 0, to: rows * columns, by: group) {
            let range = start..<start + group
            #expect(range.count { keeps[$0] } == kept)
            let order = range.sorted { (abs(elements[$0]), $0) < (abs(elements[$1]), $1) }
            for (place, index) in order.enumerated() { #expect(keeps[index] == (place >= group - kept)) }
        }
    }

    @Test func whatIsGoneStaysGoneInEveryPattern() throws {
        let tensor = try Tensor([16, 8], values(128, seed: 9))
        let first = try Magnitude().mask(of: tensor, to: .unstructured(0.6), after: nil)
        for sparsity in [Sparsity.pattern(2, of: 4), .blocks(0.5, inputs: 2), .unstructured(0.7)] {
            let second = try Magnitude().mask(of: tensor, to: sparsity, after: first)
            for (a, b) in zip(bits(first), bits(second)) { #expect(a || !b, "\(sparsity)") }
        }
    }

    /// 33 outputs: two whole rows of blocks and one of a single output.
    @Test(arguments: [1, 2, 4], [16, 33, 7])
    func blocksGoWhole(inputs: Int, rows: Int) throws {
        let columns = 8
        let elements = values(rows * columns, seed: UInt64(rows + inputs)).map { $0 + 0.5 }
        let tensor = try Tensor([rows, columns], elements)
        let across = columns / inputs
        let down = (rows + 15) / 16
        for share in [0, 0.25, 0.5, 0.75, 1] {
            let keeps = bits(try Magnitude().mask(of: tensor, to: .blocks(share, inputs: inputs), after: nil))
            // Oracle: means of squares, block by block.
            func weights(_ block: Int) -> [Int] {
                let (top, left) = (block / across * 16, block % across * inputs)
                return (top..<min(top + 16, rows)).flatMap { row in
                    (left..<left + inputs).map { row * columns + $0 }
                }
            }
            let means = (0..<across * down).map { block -> Double in
                weights(block).reduce(0) { $0 + Double(elements[$1]) * Double(elements[$1]) }
                    / Double(weights(block).count)
            }
            let removed = Int((share * Double(means.count)).rounded())
            let gone = Set(means.indices.sorted { (means[$0], $0) < (means[$1], $1) }[..<removed])
            for block in means.indices {
                for index in weights(block) { #expect(keeps[index] == !gone.contains(block), "block \(block)") }
            }
        }
    }

    @Test func largeWeightsDoNotOverflow() throws {
        let tensor = try Tensor([1, 4], [1e30, 2e30, 3e30, 1e-30])
        let mask = try Magnitude().mask(of: tensor, to: .blocks(0.5), after: nil)
        #expect(bits(mask) == [false, true, true, false])
    }

    @Test func roundsLeadToThePattern() {
        let schedule = SparsitySchedule.cubic
        let target = Sparsity.pattern(2, of: 8)
        let rounds = (1...4).map { schedule.sparsity(round: $0, of: 4, target: target) }
        #expect(rounds == [.pattern(5, of: 8), .pattern(3, of: 8), .pattern(2, of: 8), target])
        #expect(schedule.sparsity(round: 1, of: 1, target: target) == target)
        guard case .blocks(let share, 4) = schedule.sparsity(round: 1, of: 2, target: .blocks(0.8, inputs: 4)) else {
            Issue.record("not blocks of 4")
            return
        }
        #expect(abs(share - 0.7) < 1e-12)
    }

    @Test func textsAreRead() throws {
        for (text, sparsity) in [
            ("0.8", Sparsity.unstructured(0.8)), ("2:4", .pattern(2, of: 4)), ("blocks:0.75", .blocks(0.75, inputs: 1)),
            ("blocks:0.75:4", .blocks(0.75, inputs: 4)), ("1", .unstructured(1)), ("4:4", .pattern(4, of: 4)),
        ] {
            #expect(try Sparsity(text) == sparsity)
            #expect(try Sparsity(sparsity.description) == sparsity)
        }
        #expect(try Sparsity("blocks:0.5", blockInputs: 4) == .blocks(0.5, inputs: 4))
    }

    @Test(arguments: [
        ("", "found ''"), ("x", "found 'x'"), ("5:4", "5:4"), ("0:4", "0:4"), ("1:1", "1:1"), ("1:65", "1:65"),
        ("2:", "'2:'"),
        ("1:2:3", "'1:2:3'"), ("blocks", "'blocks'"), ("blocks:", "'blocks:'"), ("blocks:2", "0...1"),
        ("blocks:0.5:3", "3 inputs"), ("blocks:0.5:x", "'blocks:0.5:x'"), ("1.5", "1.5"), ("nan", "nan"),
        ("-1:4", "-1:4"),
    ])
    func badTextsAreRefused(text: String, says: String) throws {
        let error = #expect(throws: TrainingError.self) { try Sparsity(text) }
        #expect("\(try #require(error))".contains(says), "\(String(describing: error))")
    }

    @Test func patternsMustTile() throws {
        let trainer = try trainer(width: 18)
        let pruner = Pruner(of: trainer, by: .magnitude)
        let before = trainer.parameters.map(\.value.elements)
        for (sparsity, says) in [
            (Sparsity.pattern(2, of: 4), "multiple of 4"), (.blocks(0.5, inputs: 4), "multiple of 4"),
        ] {
            let error = #expect(throws: TrainingError.self) { try pruner.prune(to: sparsity) }
            let text = "\(try #require(error))"
            #expect(text.contains(says) && text.contains("h.0.attn.c_attn.weight is [54, 18]"), "\(text)")
        }
        // The second matrix does not tile: the first is untouched.
        #expect(throws: TrainingError.self) {
            try pruner.prune(to: [
                "h.0.attn.c_attn.weight": .unstructured(0.5), "h.0.mlp.c_fc.weight": .pattern(2, of: 4),
            ])
        }
        #expect(trainer.parameters.map(\.value.elements) == before)
        try pruner.prune(to: .blocks(0.5, inputs: 2))
    }

    @Test func aDistributionPrunesWhatItNames() throws {
        let trainer = try trainer(width: 16)
        let pruner = Pruner(of: trainer, by: .magnitude)
        try pruner.prune(to: ["h.0.mlp.c_fc.weight": .unstructured(0.5), "h.1.attn.c_proj.weight": .pattern(1, of: 4)])
        for (path, sparsity) in pruner.measured {
            #expect(sparsity == ["h.0.mlp.c_fc.weight": 0.5, "h.1.attn.c_proj.weight": 0.75][path] ?? 0, "\(path)")
        }
        let error = #expect(throws: TrainingError.self) { try pruner.prune(to: ["wte.weight": .unstructured(0.5)]) }
        #expect("\(try #require(error))".contains("'wte.weight'"))
        let forms = try pruner.model().weights.filter { $0.formName == "bitmask-f32" }.count
        #expect(forms == 2)
    }

    @Test func oneThresholdForAll() throws {
        let model = try Model(.gpt(layers: 2, width: 16, heads: 2, context: 16), seed: 3)
        let shares = try model.globalMagnitude(.unstructured(0.6))
        let pruned = try model.pruned(to: shares)
        // Oracle: everything in one heap.
        let indices = model.weights.indices.filter { model.architecture.parameters[$0].kind == .matrix }
        let all = try indices.flatMap { try model.weights[$0].dense().elements.map(abs) }.sorted()
        let threshold = all[Int((0.6 * Double(all.count)).rounded()) - 1]
        for index in indices {
            let (old, new) = (try model.weights[index].dense().elements, try pruned.weights[index].dense().elements)
            for (a, b) in zip(old, new) { #expect(b == (abs(a) <= threshold ? 0 : a)) }
        }
        #expect(Set(shares.values).count > 1)
        #expect(try Set(model.globalMagnitude(.pattern(2, of: 4)).values) == [.pattern(2, of: 4)])
        let blocks = try model.globalMagnitude(.blocks(0.5, inputs: 4))
        let counts = indices.map { model.weights[$0].shape }.map { ($0.rows + 15) / 16 * ($0.columns / 4) }
        let gone = zip(indices, counts).reduce(0.0) {
            $0 + (blocks[model.architecture.parameters[$1.0].path]?.fraction ?? 0) * Double($1.1)
        }
        #expect(abs(gone - 0.5 * Double(counts.reduce(0, +))) < 1e-6)
    }

    @Test(arguments: [Sparsity.pattern(2, of: 4), .blocks(0.75, inputs: 4), .pattern(1, of: 4)])
    func patternsHoldThroughRetraining(sparsity: Sparsity) throws {
        let trainer = try trainer(width: 16)
        let text = Array("how much wood would a woodchuck chuck; ".utf8)
        let corpus = try Corpus(text: (0..<3000).map { text[$0 % text.count] }, tokenizer: .bytes)
        let pruned = try trainer.pruned(
            .magnitude, to: sparsity, rounds: 2, retraining: 6, on: corpus, rows: 4, context: 16)
        for (weight, description) in zip(pruned.weights, pruned.architecture.parameters)
        where description.kind == .matrix {
            let (elements, rows, columns) = (try weight.dense().elements, weight.shape.rows, weight.shape.columns)
            switch sparsity {
            case .pattern(let kept, let group):
                for start in stride(from: 0, to: elements.count, by: group) {
                    #expect(elements[start..<start + group].count { $0 != 0 } <= kept)
                }
            case .blocks(let share, let inputs):
                var empty = 0
                for top in stride(from: 0, to: rows, by: 16) {
                    for left in stride(from: 0, to: columns, by: inputs) {
                        let all = (top..<top + 16).flatMap { row in
                            (left..<left + inputs).map { elements[row * columns + $0] }
                        }
                        if all.allSatisfy({ $0 == 0 }) { empty += 1 }
                    }
                }
                #expect(empty == Int((share * Double(rows / 16 * columns / inputs)).rounded()))
            case .unstructured: break
            }
        }
    }
}

private func trainer(width: Int) throws -> Trainer {
    try Trainer(
        try Model(.gpt(layers: 2, width: width, heads: 2, context: 16), seed: 1), optimizer: .adamW(rate: 3e-3),
        on: try Context(threads: 2))
}
