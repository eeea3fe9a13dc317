import Testing

@testable import AlambicTraining

@Suite struct PermutationTests {
    @Test(arguments: [1, 2, 3, 4, 5, 7, 16, 17, 100, 1023, 1024, 1025])
    func visitsEverythingOnce(count: Int) {
        for seed in [UInt64(0), 1, 12345] {
            let order = Permutation(count: count, seed: seed, stream: 3)
            #expect(Set((0..<count).map { order[$0] }) == Set(0..<count), "count \(count), seed \(seed)")
        }
    }

    @Test func dependsOnSeedAndStream() {
        func order(_ seed: UInt64, _ stream: UInt64) -> [Int] {
            let permutation = Permutation(count: 200, seed: seed, stream: stream)
            return (0..<200).map { permutation[$0] }
        }
        #expect(order(1, 0) == order(1, 0))
        #expect(order(1, 0) != order(2, 0))
        #expect(order(1, 0) != order(1, 1))
        #expect(order(1, 0) != Array(0..<200))
    }

    @Test func isNotNearTheIdentity() {
        // Of a random order of n elements about one stays in place, and neighbours end up n/3 apart on average.
        let count = 1000
        let order = Permutation(count: count, seed: 7, stream: 0)
        #expect((0..<count).count { order[$0] == $0 } < 10)
        let distance = (1..<count).map { abs(order[$0] - order[$0 - 1]) }.reduce(0, +) / (count - 1)
        #expect((count / 4..<count / 2).contains(distance), "mean distance \(distance)")
    }
}

@Suite struct BinaryCounterTests {
    private func sum(_ terms: some Sequence<String>) -> String {
        var counter = BinaryCounter<String>()
        for term in terms { counter.add(term) { "(\($0)\($1))" } }
        return counter.finish { "(\($0)\($1))" } ?? ""
    }

    @Test func drawsItsTree() {
        let letters = "abcdefgh".map(String.init)
        #expect(sum(letters[..<0]) == "")
        #expect(sum(letters[..<1]) == "a")
        #expect(sum(letters[..<2]) == "(ab)")
        #expect(sum(letters[..<3]) == "((ab)c)")
        #expect(sum(letters[..<5]) == "(((ab)(cd))e)")
        #expect(sum(letters[..<7]) == "(((ab)(cd))((ef)g))")
        #expect(sum(letters) == "(((ab)(cd))((ef)(gh)))")
    }

    @Test func alignedBlocksAreSubtrees() {
        let terms = (0..<24).map { "\($0)." }
        for block in [1, 2, 4, 8] {
            let blocks = stride(from: 0, to: 24, by: block).map { sum(terms[$0..<$0 + block]) }
            #expect(sum(blocks) == sum(terms), "blocks of \(block)")
        }
    }
}
