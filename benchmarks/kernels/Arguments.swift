import AlambicKernels
import Foundation

/// What goes wrong on purpose: one line each, and an exit code.
enum BenchError: Error, Equatable {
    /// The command line asks for what there is not: exit code 64.
    case usage(String)
    /// Files, memory, measurements: exit code 1.
    case failed(String)

    var text: String {
        switch self {
        case .usage(let text), .failed(let text): text
        }
    }
}

/// What the command line asks for.
struct BenchArguments {
    enum Output: String, CaseIterable { case md, json, jsonl, csv }
    enum ISAChoice: Equatable {
        case best, all
        /// These variants or instruction sets.
        case named([String])
    }

    var cases: [String] = []
    /// Element types, all when empty.
    var types: [String] = []
    var isa = ISAChoice.best
    var threads: [Int]?
    var shapes = ShapeChoice.own
    /// Exactly this many samples; nil: until the spread is small.
    var repetitions: Int?
    var output = Output.md
    var outPath: String?
    var list = false
    var peers = false

    static let help = """
        usage: swift run bench [CASE…] [options]
               swift run bench compare A.jsonl B.jsonl [--fail-if-slower 10%] [--output md|json]
               swift run bench sparse --table [--threads N] [--dtype f32,bf16,s8] [--output md|json]

        Times the kernels of Alambic, each as a fraction of what this machine can do at most: the limits (arithmetic from
        registers, memory traffic by pattern) are measured between the repetitions. A CASE matches by prefix.

          --dtype NAME,…       only these element types, such as f32,bf16,s8s4g128 (default: all)
          --isa all|NAME,…     every variant this machine runs, or those of the named instruction sets (default: the best)
          --threads 1,2        worker counts (default: 1 and all cores)
          --shapes SET         default, quick, \(ShapeChoice.sets.map(\.name).joined(separator: ", ")),
                               a FILE with one shape a line, or shapes such as 1024x768x3072,8x4096x4096
          --repetitions N      exactly N samples of each (default: until a quarter of them lie within 1 % of the fastest)
          --output FORMAT      md, json, jsonl or csv (default md)
          --out FILE           write there instead of standard output
          --peers              competitors on the same shapes in turn, each in its own process (`make peers` sets them up)
          --list               name the cases, their variants and shapes, and the shape sets, and stop
          --help               this text

        Exit codes: 0 done, 1 failed or a measurement above the machine's limit, 64 usage, 130 interrupted (what was measured
        until then is written).
        """

    init(_ words: [String]) throws(BenchError) {
        var rest = words[...]
        while let word = rest.popFirst() {
            func value() throws(BenchError) -> String {
                guard let next = rest.popFirst(), !next.isEmpty, !next.hasPrefix("--") else {
                    throw BenchError.usage("\(word) needs a value; see `bench --help`")
                }
                return next
            }
            switch word {
            case "--dtype": types = try value().split(separator: ",").map { $0.lowercased() }
            case "--isa":
                let text = try value()
                let names = text.split(separator: ",").map { $0.lowercased() }
                guard !names.isEmpty else { throw BenchError.usage("--isa takes all or names; found '\(text)'") }
                isa = names == ["all"] ? .all : .named(names)
            case "--threads":
                let text = try value()
                let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
                guard numbers.allSatisfy({ $0 >= 1 }) else {
                    throw BenchError.usage("--threads takes counts of at least 1, such as 1,2; found '\(text)'")
                }
                threads = numbers.withoutRepeats
            case "--shapes": shapes = try ShapeChoice(try value())
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
        for name in cases where !all.contains(where: { $0.name.hasPrefix(name) }) {
            let known = Array(Set(all.map(\.name))).sorted().joined(separator: ", ")
            throw BenchError.usage("unknown case '\(name)'; known: \(known)")
        }
        let named = all.filter { benchCase in cases.isEmpty || cases.contains { benchCase.name.hasPrefix($0) } }
        for type in types where !named.contains(where: { $0.dtype == type }) {
            let known = named.map(\.dtype).withoutRepeats.joined(separator: ", ")
            throw BenchError.usage("no selected case has the type '\(type)'; they have \(known)")
        }
        return named.filter { types.isEmpty || types.contains($0.dtype) }
    }

    /// Worker counts: those asked for, or 1 and one for each core. More than the hardware threads that this process may use
    /// would only measure the scheduler.
    func workerCounts(on machine: Machine) throws(BenchError) -> [Int] {
        guard let threads else { return [1, machine.defaultWorkers].withoutRepeats }
        for count in threads where count > max(machine.units, 1) {
            throw BenchError.usage(
                "--threads \(count): this process may use \(machine.units) hardware "
                    + "thread\(machine.units == 1 ? "" : "s") here")
        }
        return threads
    }

    /// Fails on a name that no variant has, and on an instruction set that this processor lacks.
    func checkISA(_ cases: [BenchCase], detected: ISA = .detected) throws(BenchError) {
        guard case .named(let names) = isa else { return }
        for name in names {
            guard let wanted = ISA(names: name) else {
                if cases.contains(where: { $0.variants.contains { $0.name == name } }) { continue }
                let known = ISA.known.map(\.name).joined(separator: ", ")
                throw BenchError.usage("unknown instruction set '\(name)'; known to this build: \(known)")
            }
            guard detected.isSuperset(of: wanted) else {
                throw BenchError.usage("this CPU lacks \(name); it has \(detected)")
            }
        }
    }

    /// The variants of a case that are asked for and run here. An instruction set stands for the variants that need it and
    /// nothing more.
    func variants(of benchCase: BenchCase) -> [Variant] {
        let here = benchCase.variants.filter(\.runsHere)
        switch isa {
        case .best: return Array(here.prefix(1))
        case .all: return here
        case .named(let names):
            return here.filter { variant in
                names.contains { variant.name == $0 || ISA(names: $0) == variant.needs }
            }
        }
    }
}
