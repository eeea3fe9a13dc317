import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicFiles

/// The length of Huffman's code by Huffman's algorithm: join the two rarest until one is left; each join costs a bit for
/// all below it.
private func huffmanBits(_ frequencies: [Int]) -> Int {
    var trees = frequencies.filter { $0 > 0 }.sorted(by: >)
    guard trees.count > 1 else { return trees.first ?? 0 }
    var bits = 0
    while trees.count > 1 {
        let joined = trees.removeLast() + trees.removeLast()
        bits += joined
        let place = trees.firstIndex { $0 < joined } ?? trees.count
        trees.insert(joined, at: place)
    }
    return bits
}

/// The shortest code with no codeword above `limit`, by trying every way in which leaves can lie on the levels of a tree.
private func shortestBits(_ frequencies: [Int], limit: Int) -> Int {
    let sorted = frequencies.filter { $0 > 0 }.sorted(by: >)
    func search(_ first: Int, nodes: Int, level: Int) -> Int {
        let left = sorted.count - first
        if left == 0 { return nodes == 0 ? 0 : .max }
        if level > limit || nodes > left { return .max }
        var best = Int.max
        for leaves in 0...min(nodes, left) {
            let rest = search(first + leaves, nodes: 2 * (nodes - leaves), level: level + 1)
            guard rest < .max else { continue }
            best = min(best, rest + level * sorted[first..<first + leaves].reduce(0, +))
        }
        return best
    }
    return search(0, nodes: 1, level: 0)
}

private func kraft(_ code: HuffmanCode) -> Double { code.lengths.reduce(0) { $0 + ($1 > 0 ? pow(2, -Double($1)) : 0) } }

private func entropyBits(_ frequencies: [Int]) -> Double {
    let total = Double(frequencies.reduce(0, +))
    return frequencies.reduce(0) { $0 + ($1 > 0 ? Double($1) * log2(total / Double($1)) : 0) }
}

private func streamError(_ body: () throws -> Void) -> StreamError? {
    do { try body() } catch { return error as? StreamError }
    return nil
}

@Suite struct HuffmanTests {
    /// Cormen, Leiserson, Rivest and Stein, figure 16.5: 224 bits for each 100 characters.
    @Test func textbook() {
        let frequencies = [45, 13, 12, 16, 9, 5]
        let code = HuffmanCode(frequencies: frequencies)
        #expect(code.lengths == [1, 3, 3, 3, 4, 4])
        #expect(code.codewords == [0b0, 0b100, 0b101, 0b110, 0b1110, 0b1111])
        #expect(code.bits(frequencies: frequencies) == 224)
        // f a c e = 1111 0 101 1110
        #expect(code.encode([5, 0, 2, 4]) == [0b1111_0101, 0b1110_0000])
    }

    @Test func fewSymbols() throws {
        #expect(HuffmanCode(frequencies: []).lengths == [])
        #expect(HuffmanCode(frequencies: [0, 0]).lengths == [0, 0])
        #expect(HuffmanCode(frequencies: [0, 7]).lengths == [0, 1])
        #expect(HuffmanCode(frequencies: [3, 0, 9]).lengths == [1, 0, 1])
        #expect(try HuffmanCode(lengths: [0, 0]).decode(0, from: []) == [])
        #expect(try HuffmanCode(lengths: [0, 1]).decode(9, from: [0, 0]) == [UInt8](repeating: 1, count: 9))
    }

    @Test func optimalAndWithinABitOfTheEntropy() throws {
        var random = SplitMix(seed: 1)
        for trial in 0..<200 {
            let count = 2 + Int(random.next() % 254)
            let skew = 1 + Double(random.next() % 4)
            let frequencies = (0..<count).map { _ in
                let part = Double(random.next() % 1000) / 1000
                return part < 0.1 ? 0 : Int(pow(part, skew) * 1000) + 1
            }
            let code = HuffmanCode(frequencies: frequencies)
            let used = frequencies.count { $0 > 0 }
            guard used > 1 else { continue }
            #expect(zip(frequencies, code.lengths).allSatisfy { ($0 > 0) == ($1 > 0) }, "trial \(trial)")
            #expect(kraft(code) == 1, "trial \(trial)")
            let bits = code.bits(frequencies: frequencies)
            let total = frequencies.reduce(0, +)
            // The limit costs something only where it is reached.
            #expect(bits >= huffmanBits(frequencies), "trial \(trial)")
            #expect(bits == huffmanBits(frequencies) || code.lengths.max() == 15, "trial \(trial)")
            #expect(Double(bits) >= entropyBits(frequencies) * (1 - 1e-12), "trial \(trial)")
            #expect(Double(bits) < entropyBits(frequencies) + Double(total), "trial \(trial)")
            #expect(try HuffmanCode(lengths: code.lengths) == code)
        }
    }

    /// Fibonacci's numbers make the deepest codes: 17 bits for 18 symbols, unless the depth is limited.
    @Test func keepsTheLimitAtTheLeastCost() {
        var fibonacci = [1, 1]
        while fibonacci.count < 18 { fibonacci.append(fibonacci[fibonacci.count - 1] + fibonacci[fibonacci.count - 2]) }
        for count in 14...18 {
            let frequencies = Array(fibonacci[..<count])
            let code = HuffmanCode(frequencies: frequencies)
            #expect(code.lengths.max() == UInt8(min(count - 1, 15)))
            #expect(kraft(code) == 1)
            #expect(code.bits(frequencies: frequencies) == shortestBits(frequencies, limit: 15), "\(count)")
            #expect((code.bits(frequencies: frequencies) == huffmanBits(frequencies)) == (count <= 16))
        }
    }

    @Test func roundTrips() throws {
        var random = SplitMix(seed: 2)
        for count in [1, 2, 7, 8, 9, 100, 5000] {
            for alphabet in [1, 2, 3, 17, 256] {
                let symbols = (0..<count).map { _ in
                    UInt8(min(random.next() % UInt64(alphabet), random.next() % UInt64(alphabet)))
                }
                var frequencies = [Int](repeating: 0, count: alphabet)
                for symbol in symbols { frequencies[Int(symbol)] += 1 }
                let code = HuffmanCode(frequencies: frequencies)
                let bytes = code.encode(symbols)
                #expect(bytes.count == (code.bits(frequencies: frequencies) + 7) / 8)
                #expect(try code.decode(count, from: bytes[...]) == symbols, "\(count) of \(alphabet)")
                #expect(throws: StreamError.self) { try code.decode(count, from: bytes.dropLast()) }
                #expect(throws: StreamError.self) { try code.decode(count, from: (bytes + [0])[...]) }
            }
        }
    }

    @Test func refusesTablesThatAreNoCodes() {
        func problem(_ lengths: [UInt8]) -> String? { streamError { _ = try HuffmanCode(lengths: lengths) }?.problem }
        #expect(problem([1, 1, 1]) == "the Huffman table is over-subscribed")
        #expect(problem([1, 2, 2, 15]) == "the Huffman table is over-subscribed")
        #expect(problem([1, 2]) == "the Huffman table is incomplete")
        #expect(problem([2]) == "the Huffman table is incomplete")
        #expect(problem([1, 16]) == "a codeword is too long")
        #expect(problem([1, 2, 2]) == nil && problem([1]) == nil && problem([0]) == nil)
    }

    @Test func refusesStreamsThatDoNotDecode() throws {
        let lone = HuffmanCode(frequencies: [4])
        #expect(streamError { _ = try lone.decode(4, from: [0b0010_0000]) }?.problem == "a codeword without a symbol")
        let two = HuffmanCode(frequencies: [1, 1])
        #expect(
            streamError { _ = try two.decode(4, from: [0b0000_0001]) }?.problem.hasPrefix("there is something") == true)
        #expect(
            streamError { _ = try two.decode(1 << 40, from: [0]) }
                == StreamError("the bit stream is cut off", expected: "\(1 << 40) symbols", found: "1 bytes"))
        #expect(
            streamError { _ = try HuffmanCode(lengths: [0]).decode(1, from: [0]) }
                == StreamError("a bit stream without a Huffman table"))
    }
}

@Suite struct RelativeIndexTests {
    /// Deep Compression, figure 2: non-zeros at 1, 4 and 15, steps of 3 bits. The third is 11 away, so that there is a
    /// filler zero 8 after the second.
    @Test func figure2() throws {
        var dense = [UInt8](repeating: 0, count: 16)
        (dense[1], dense[4], dense[15]) = (1, 2, 3)
        let index = RelativeIndex(dense, gapBits: 3)
        #expect(index.symbols == [1, 2, 0, 3])
        #expect(index.gaps.map { Int($0) + 1 } == [2, 3, 8, 3])
        #expect(try index.dense(count: 16) == dense)
    }

    @Test(arguments: 0...8)
    func roundTrips(gapBits: Int) throws {
        var random = SplitMix(seed: UInt64(gapBits))
        for count in [0, 1, 2, 3, 255, 256, 257, 258, 1000] {
            for keep in [0, 1, 10, 100] {
                let dense = (0..<count).map { _ in
                    random.next() % 100 < UInt64(keep) ? UInt8(1 + random.next() % 255) : 0
                }
                let index = RelativeIndex(dense, gapBits: gapBits)
                #expect(index.symbols.count { $0 != 0 } == dense.count { $0 != 0 })
                #expect(index.gaps.allSatisfy { Int($0) < 1 << gapBits })
                let read = RelativeIndex(
                    symbols: index.symbols, gaps: gapBits == 0 ? [] : index.gaps, gapBits: gapBits)
                #expect(try read.dense(count: count) == dense, "\(count) with \(keep) %")
            }
        }
    }

    @Test func refusesWhatDoesNotFitTheMatrix() {
        let index = RelativeIndex(symbols: [1, 1], gaps: [0, 3], gapBits: 2)
        #expect(throws: Never.self) { try index.dense(count: 5) }
        #expect(throws: Never.self) { try index.dense(count: 8) }
        #expect(
            streamError { _ = try index.dense(count: 4) }
                == StreamError("an index beyond the matrix", expected: "at most 3", found: "4"))
        #expect(streamError { _ = try index.dense(count: 9) }?.problem == "too few entries for the shape")
        #expect(streamError { _ = try index.dense(count: 1 << 48) }?.problem == "too few entries for the shape")
    }
}
