// swift-format-ignore-file: AlwaysUseLowerCamelCase
// N and K are the names that the field uses.

import AlambicKernels

/// What the command line of `bench sparse` asks for.
struct SparseArguments {
    var types = SparseTable.types.map(\.dtype)
    var threads = 1
    var N = 4096
    var K = 4096
    var rounds = 11
    var isJSON = false
    var outPath: String?

    static let help = """
        usage: swift run bench sparse --table [options]

        Times products with dense weights and with the same weights as bit masks, in blocks and in compressed rows, at 0 to
        95 % zeros and 1 to 512 rows, all in turn so that all meet the same weather, and prints which form is the fastest,
        what it gains over the dense one, and from which share of zeros on each form pays.

          --dtype NAME,…       of f32, bf16, s8 (default: all)
          --threads N          workers (default 1)
          --shape NxK          of the weights (default 4096x4096)
          --rounds N           medians of so many, 7 to 1000 (default 11)
          --output FORMAT      md or json (default md)
          --out FILE           write there instead of standard output
          --help               this text
        """

    init(_ words: [String], on machine: Machine = .local) throws(BenchError) {
        var rest = words[...]
        var isTable = false
        while let word = rest.popFirst() {
            func value() throws(BenchError) -> String {
                guard let next = rest.popFirst(), !next.isEmpty, !next.hasPrefix("--") else {
                    throw BenchError.usage("\(word) needs a value; see `bench sparse --help`")
                }
                return next
            }
            switch word {
            case "--table": isTable = true
            case "--dtype":
                let text = try value()
                types =
                    text.split(separator: ",", omittingEmptySubsequences: false).map { $0.lowercased() }
                    .withoutRepeats
                let known = SparseTable.types.map(\.dtype)
                guard types.allSatisfy(known.contains) else {
                    throw BenchError.usage("sparse --dtype takes \(known.joined(separator: ", ")); found '\(text)'")
                }
            case "--threads": threads = try Self.number(word, try value(), 1...max(machine.units, 1))
            case "--rounds": rounds = try Self.number(word, try value(), 7...1000)
            case "--shape":
                let text = try value()
                let shape: BenchShape
                do { shape = try ShapeChoice.shape(text) } catch { throw .usage("sparse --shape: \(error.text)") }
                guard shape.extents.count == 2 else {
                    throw BenchError.usage("sparse --shape takes NxK, such as 4096x4096; found '\(text)'")
                }
                (N, K) = (shape[0], shape[1])
            case "--output":
                let text = try value()
                guard ["md", "json"].contains(text) else {
                    throw BenchError.usage("sparse --output takes md or json; found '\(text)'")
                }
                isJSON = text == "json"
            case "--out": outPath = try value()
            default: throw BenchError.usage("sparse does not take '\(word)'; see `bench sparse --help`")
            }
        }
        guard isTable else { throw BenchError.usage("sparse prints a table: bench sparse --table") }
    }

    private static func number(_ option: String, _ text: String, _ range: ClosedRange<Int>) throws(BenchError) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw BenchError.usage(
                "sparse \(option) takes a number from \(range.lowerBound) to \(range.upperBound) here; found '\(text)'")
        }
        return number
    }
}
