/// A canonical Huffman code (Huffman 1952) over the symbols 0, 1, …: frequent symbols get short codewords, and no codeword
/// begins with another.
///
/// *Canonical* (Schwartz and Kallick 1964): codewords of one length are consecutive numbers in the order of their symbols,
/// and shorter ones come before longer ones. So the lengths alone say everything, and only they are stored.
///
/// No codeword has more than ``longest`` bits, so that a table decodes each in one look. Among the codes with that limit
/// this one is shortest (package-merge: Larmore and Hirschberg 1990); where Huffman's own code keeps the limit, it has the
/// same total length.
public struct HuffmanCode: Equatable, Sendable {
    /// The longest codeword in bits: 4 bits hold any length.
    public static let longest = 15
    /// The length of each symbol's codeword in bits; 0 for symbols that do not occur.
    public let lengths: [UInt8]
    /// The codewords, in the lowest bits.
    public let codewords: [UInt16]

    /// The shortest code for symbols that occur this often. A lone symbol gets the codeword 0 of one bit.
    public init(frequencies: [Int]) {
        precondition(frequencies.allSatisfy { $0 >= 0 }, "symbols cannot occur less than never")
        lengths = Self.packageMerge(frequencies)
        codewords = Self.canonical(lengths)
    }

    /// The code with these lengths, which a file promised.
    /// - Throws: `StreamError` when no such code exists or when it leaves codewords without a meaning.
    init(lengths: [UInt8]) throws(StreamError) {
        let used = lengths.filter { $0 > 0 }
        guard used.allSatisfy({ $0 <= Self.longest }) else {
            throw StreamError(
                "a codeword is too long", expected: "at most \(Self.longest) bits", found: "\(used.max() ?? 0)")
        }
        // Kraft's sum of 2^-length in units of 2^-longest: 1 for a code in which every sequence of bits means something.
        let whole = 1 << Self.longest
        let sum = used.reduce(0) { $0 + whole >> Int($1) }
        guard sum <= whole else {
            throw StreamError(
                "the Huffman table is over-subscribed", expected: "a Kraft sum of 1",
                found: "\(Double(sum) / Double(whole))")
        }
        guard sum == whole || used == [1] || used.isEmpty else {
            throw StreamError(
                "the Huffman table is incomplete", expected: "a Kraft sum of 1", found: "\(Double(sum) / Double(whole))"
            )
        }
        self.lengths = lengths
        codewords = Self.canonical(lengths)
    }

    /// The bits that symbols of these frequencies take.
    public func bits(frequencies: [Int]) -> Int {
        zip(frequencies, lengths).reduce(0) { $0 + $1.0 * Int($1.1) }
    }

    /// Lengths of an optimal code whose codewords have at most `longest` bits.
    ///
    /// Think of each symbol as `longest` coins of value 2^-1 … 2^-longest that all weigh its frequency; the n - 1 of total
    /// value that weigh least are wanted, and a symbol's length is how many of its coins are among them. From the smallest
    /// value up, coins are paired into packages, which join the coins of twice the value, sorted by weight.
    private static func packageMerge(_ frequencies: [Int]) -> [UInt8] {
        var lengths = [UInt8](repeating: 0, count: frequencies.count)
        let symbols = frequencies.indices.filter { frequencies[$0] > 0 }
            .sorted { (frequencies[$0], $0) < (frequencies[$1], $1) }
        precondition(symbols.count <= 1 << longest, "\(symbols.count) symbols for codewords of \(longest) bits")
        guard symbols.count > 1 else {
            for symbol in symbols { lengths[symbol] = 1 }
            return lengths
        }
        // One list for each value of coins, lightest first; whether an entry is a symbol's own coin is all that is needed.
        var isCoin: [[Bool]] = []
        var packages: [Int] = []
        for _ in 0..<longest {
            var weights: [Int] = []
            var coins: [Bool] = []
            var package = 0
            for symbol in symbols {
                while package < packages.count && packages[package] < frequencies[symbol] {
                    weights.append(packages[package])
                    coins.append(false)
                    package += 1
                }
                weights.append(frequencies[symbol])
                coins.append(true)
            }
            weights += packages[package...]
            coins += [Bool](repeating: false, count: packages.count - package)
            isCoin.append(coins)
            packages = (0..<weights.count / 2).map { weights[2 * $0] + weights[2 * $0 + 1] }
        }
        // What is taken of a list is its beginning; the packages in it are the beginning of the list before.
        var taken = 2 * symbols.count - 2
        for coins in isCoin.reversed() {
            let own = coins[..<taken].count { $0 }
            for symbol in symbols[..<own] { lengths[symbol] += 1 }
            taken = 2 * (taken - own)
        }
        return lengths
    }

    private static func canonical(_ lengths: [UInt8]) -> [UInt16] {
        var codewords = [UInt16](repeating: 0, count: lengths.count)
        var next = 0
        for length in 1...UInt8(longest) {
            for symbol in lengths.indices where lengths[symbol] == length {
                codewords[symbol] = UInt16(truncatingIfNeeded: next)
                next += 1
            }
            next <<= 1
        }
        return codewords
    }
}

extension HuffmanCode {
    /// The symbols' codewords one after the other.
    func encode(_ symbols: [UInt8]) -> [UInt8] {
        var writer = BitWriter()
        for symbol in symbols {
            writer.write(UInt32(codewords[Int(symbol)]), bits: Int(lengths[Int(symbol)]))
        }
        return writer.finished()
    }

    /// The next `count` symbols of a stream that holds nothing else.
    func decode(_ count: Int, from bytes: ArraySlice<UInt8>) throws(StreamError) -> [UInt8] {
        // No symbol has less than a bit: this bounds the memory that a damaged count can ask for.
        guard count <= 8 * bytes.count else {
            throw StreamError("the bit stream is cut off", expected: "\(count) symbols", found: "\(bytes.count) bytes")
        }
        let depth = Int(lengths.max() ?? 0)
        guard depth > 0 else {
            guard count == 0 && bytes.isEmpty else { throw StreamError("a bit stream without a Huffman table") }
            return []
        }
        var table = [(symbol: UInt8, length: UInt8)](repeating: (0, 0), count: 1 << depth)
        for symbol in lengths.indices where lengths[symbol] > 0 {
            let free = depth - Int(lengths[symbol])
            let first = Int(codewords[symbol]) << free
            for entry in first..<first + 1 << free { table[entry] = (UInt8(symbol), lengths[symbol]) }
        }
        var reader = BitReader(bytes)
        var symbols: [UInt8] = []
        symbols.reserveCapacity(count)
        for index in 0..<count {
            let entry = table[reader.peek(depth)]
            guard entry.length > 0 else {
                throw StreamError("a codeword without a symbol", found: "symbol \(index) of \(count)")
            }
            guard reader.skip(Int(entry.length)) else {
                throw StreamError("the bit stream is cut off", expected: "\(count) symbols", found: "\(index)")
            }
            symbols.append(entry.symbol)
        }
        guard reader.isAtEnd else { throw StreamError("there is something after the last codeword of a bit stream") }
        return symbols
    }
}

/// What is wrong with a bit stream; the reader of the file adds where.
struct StreamError: Error, Equatable {
    var problem: String
    var expected: String?
    var found: String?

    init(_ problem: String, expected: String? = nil, found: String? = nil) {
        self.problem = problem
        self.expected = expected
        self.found = found
    }
}
