import AlambicKernels
import Foundation

/// What the command line asks for.
struct BenchArguments {
    enum Output: String, CaseIterable { case md, json, jsonl, csv }
    var cases: [String] = []
    var isa: [String]?
    var allISAs = false
    var threads: [Int]?
    var shapes: String = "default"
    var repetitions = 15
    var output = Output.md
    var outPath: String?
    var list = false
    var peers = false

    static let help = """
        usage: swift run bench [CASE…] [options]
               swift run bench compare A.jsonl B.jsonl [--fail-if-slower 10%]

        Times the kernels of Alambic, each as a fraction of what this machine can do at most: the limits (arithmetic from
        registers, memory traffic by pattern) are measured between the repetitions. A CASE matches by prefix.

          --isa all|NAME,…     every variant this machine runs, or the named instruction sets (default: the best one)
          --threads 1,2        worker counts (default: 1 and all cores)
          --shapes SET         default, quick, or one shape such as 1024x1024x1024
          --repetitions N      samples per measurement (default 15; fewer when one takes long)
          --output FORMAT      md, json, jsonl or csv (default md)
          --out FILE           write there instead of standard output
          --peers              competitors on the same shapes in turn, each in its own process (`make peers` sets them up)
          --list               name the cases, their variants and shapes, and stop
          --help               this text
        """

    init(_ words: [String]) throws(BenchError) {
        var rest = words[...]
        while let word = rest.popFirst() {
            func value() throws(BenchError) -> String {
                guard let next = rest.popFirst(), !next.hasPrefix("--") else {
                    throw BenchError.usage("\(word) needs a value; see `bench --help`")
                }
                return next
            }
            switch word {
            case "--isa":
                let text = try value()
                if text == "all" { allISAs = true } else { isa = text.split(separator: ",").map(String.init) }
            case "--threads":
                let text = try value()
                let numbers = text.split(separator: ",").map { Int($0) }
                guard !numbers.isEmpty, numbers.allSatisfy({ ($0 ?? 0) >= 1 && ($0 ?? 0) <= 1024 }) else {
                    throw BenchError.usage("--threads takes counts from 1 to 1024, such as 1,2; found '\(text)'")
                }
                threads = numbers.compactMap { $0 }
            case "--shapes": shapes = try value()
            case "--repetitions":
                let text = try value()
                guard let number = Int(text), (1...10_000).contains(number) else {
                    throw BenchError.usage("--repetitions takes a number from 1 to 10000; found '\(text)'")
                }
                repetitions = number
            case "--output":
                let text = try value()
                guard let format = Output(rawValue: text) else {
                    throw BenchError.usage("--output takes md, json, jsonl or csv; found '\(text)'")
                }
                output = format
            case "--out": outPath = try value()
            case "--list": list = true
            case "--peers": peers = true
            case _ where word.hasPrefix("-"):
                throw BenchError.usage("unknown option \(word); see `bench --help`")
            default: cases.append(word)
            }
        }
    }

    /// The cases that the command line names, all of them when it names none.
    func selected(from all: [BenchCase]) throws(BenchError) -> [BenchCase] {
        if cases.isEmpty { return all }
        for name in cases where !all.contains(where: { $0.name.hasPrefix(name) }) {
            let known = Array(Set(all.map(\.name))).sorted().joined(separator: ", ")
            throw BenchError.usage("unknown case '\(name)'; known: \(known)")
        }
        return all.filter { benchCase in cases.contains { benchCase.name.hasPrefix($0) } }
    }

    /// The variants of a case that are asked for and run here.
    func variants(of benchCase: BenchCase) -> [Variant] {
        let here = benchCase.variants.filter(\.runsHere)
        if allISAs { return here }
        if let isa {
            return here.filter { variant in isa.contains { variant.name == $0 || variant.name.hasSuffix($0) } }
        }
        return Array(here.prefix(1))
    }

    func shapes(of benchCase: BenchCase) throws(BenchError) -> [BenchShape] {
        switch shapes {
        case "default": return benchCase.shapes
        case "quick": return Array(benchCase.shapes.prefix(1))
        default:
            let extents = shapes.split(separator: "x").compactMap { Int($0) }
            guard !extents.isEmpty, extents.count == shapes.split(separator: "x").count,
                extents.allSatisfy({ (1...1 << 24).contains($0) })
            else {
                throw BenchError.usage(
                    "--shapes takes default, quick or extents such as 1024x1024x1024; found '\(shapes)'")
            }
            guard let first = benchCase.shapes.first, first.extents.count == extents.count else { return [] }
            return [BenchShape(extents: extents)]
        }
    }
}

extension BenchShape {
    init(extents: [Int]) { self.extents = extents }
}
