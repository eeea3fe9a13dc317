/// Where the non-zeros of a sparse matrix are, as steps from one to the next (Deep Compression, section 2 and figure 2).
///
/// The matrix is read row by row as one long vector. A step of 1 … 2^gapBits positions is kept as the number one less. Where
/// the next non-zero is further away, a *filler zero* is put at the largest step. Beyond the paper, zeros at the end that no
/// step of this size would reach are filled too: so the number of entries bounds the size of the matrix, and a damaged
/// file cannot ask for more memory than is right for its size.
///
/// With gapBits = 0 every weight is an entry, and there is nothing to say about steps: the form of a dense matrix.
struct RelativeIndex: Equatable {
    /// What stands at each entry: 0 for a filler zero.
    var symbols: [UInt8] = []
    /// The step to it from the entry before (at first, from before the first weight), less one.
    var gaps: [UInt8] = []
    /// Bits of a step, 0 to 8.
    let gapBits: Int

    /// The entries of `dense`, which has a 0 wherever there is no weight.
    init(_ dense: [UInt8], gapBits: Int) {
        precondition(0...8 ~= gapBits, "steps of \(gapBits) bits")
        self.gapBits = gapBits
        let longest = 1 << gapBits
        var at = -1
        func fill(to place: Int) {
            while place - at > longest {
                symbols.append(0)
                gaps.append(UInt8(longest - 1))
                at += longest
            }
        }
        for place in dense.indices where dense[place] != 0 {
            fill(to: place)
            symbols.append(dense[place])
            gaps.append(UInt8(place - at - 1))
            at = place
        }
        fill(to: dense.count)
    }

    /// Entries that a file promised. `gaps` is empty where gapBits is 0.
    init(symbols: [UInt8], gaps: [UInt8], gapBits: Int) {
        self.symbols = symbols
        self.gaps = gapBits == 0 ? [UInt8](repeating: 0, count: symbols.count) : gaps
        self.gapBits = gapBits
    }

    /// The `count` weights' symbols, 0 wherever there is no weight.
    func dense(count: Int) throws(StreamError) -> [UInt8] {
        let longest = 1 << gapBits
        guard count / longest <= symbols.count else {
            throw StreamError(
                "too few entries for the shape", expected: "\(count) weights", found: "\(symbols.count) entries")
        }
        var dense = [UInt8](repeating: 0, count: count)
        var at = -1
        for index in symbols.indices {
            at += Int(gaps[index]) + 1
            guard at < count else {
                throw StreamError("an index beyond the matrix", expected: "at most \(count - 1)", found: "\(at)")
            }
            dense[at] = symbols[index]
        }
        guard count - at <= longest else {
            throw StreamError(
                "too few entries for the shape", expected: "one in the last \(longest) weights",
                found: "none after \(at)")
        }
        return dense
    }
}
