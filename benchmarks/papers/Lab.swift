import Alambic
import Foundation

/// Where experiments run: data, seeds, and the memory of what has been run already.
final class Lab {
    /// The directory of all data sets.
    let data: URL
    /// Where results go.
    let out: URL
    /// The seeds over which means are taken.
    let seeds: [UInt64]
    /// Whether to run in a fraction of the time, to see that all works; claims need not be met then.
    let quick: Bool
    let context: Context
    private let paper: String
    /// Seconds of the parts so far, those of earlier runs included.
    private(set) var seconds = 0.0

    init(paper: String, data: URL, out: URL, seeds: [UInt64], quick: Bool, context: Context = .default) {
        (self.paper, self.data, self.out, self.seeds, self.quick) = (paper, data, out, seeds, quick)
        self.context = context
    }

    private struct Kept<Result: Codable>: Codable {
        var settings: [String: String]
        var seconds: Double
        var result: Result
    }

    /// Runs `body`, or takes what it returned in an earlier run with the same settings: an interrupted run goes on where
    /// it was.
    ///
    /// What products compute with and the data's files belong to the settings of every part.
    ///
    /// - Parameters:
    ///   - name: names the part within its paper, such as `dense-lenet5`.
    ///   - settings: all that the result depends on besides the seed.
    func part<Result: Codable>(
        _ name: String, seed: UInt64? = nil, settings: [String: String] = [:], _ body: () throws -> Result
    ) throws -> Result {
        let settings = settings.merging(["dtype": dtype.rawValue, "data": dataFiles]) { given, _ in given }
        let file = directory.appendingPathComponent(name + (seed.map { "-seed\($0)" } ?? "") + ".json")
        if let bytes = try? Data(contentsOf: file),
            let kept = try? JSONDecoder().decode(Kept<Result>.self, from: bytes), kept.settings == settings
        {
            seconds += kept.seconds
            return kept.result
        }
        let clock = ContinuousClock()
        let start = clock.now
        let result = try body()
        let took = Double((clock.now - start) / .milliseconds(1)) / 1000
        seconds += took
        let kept = Kept(settings: settings, seconds: took, result: result)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try AtomicFile.write([UInt8](try JSONEncoder().encode(kept)), to: file)
        say("\(name)\(seed.map { " seed \($0)" } ?? ""): \(decimal(took, 1)) s")
        return result
    }

    /// Where a part may keep files of its own, such as weights that a later part starts from.
    func file(_ name: String) throws -> URL {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return directory.appendingPathComponent(name)
    }

    /// Names and sizes of the data's files, which tell data sets apart: those of MNIST are compressed.
    private lazy var dataFiles: String = ["mnist", "tinyshakespeare"].flatMap { folder in
        let files = try? FileManager.default.contentsOfDirectory(
            at: data.appendingPathComponent(folder), includingPropertiesForKeys: [.fileSizeKey])
        return (files ?? []).map { file in
            "\(file.lastPathComponent) \((try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize) ?? 0)"
        }.sorted()
    }.joined(separator: ", ")

    /// What a part's time depends on, for its settings.
    var clock: [String: String] {
        ["machine": Machine.local.name, "isa": "\(context.isa)", "threads": "\(context.threads)"]
    }

    private var directory: URL {
        out.appendingPathComponent(quick ? "quick" : "full").appendingPathComponent(paper)
    }

    /// What products compute with while classifiers train: bf16 where the processor has instructions for it. Weights,
    /// gradients and sums are f32 in any case, and so is whatever is pruned or quantized.
    var dtype: TrainingDType {
        context.isa.contains(.amxbf16) || context.isa.contains(.avx512bf16) ? .bf16 : .f32
    }

    /// A line of progress.
    func say(_ text: String) {
        FileHandle.standardError.write(Data("  \(paper): \(text)\n".utf8))
    }

    /// The same value for whole and for quick runs, or another for quick ones.
    func choose<T>(_ whole: T, quick short: T) -> T { quick ? short : whole }
}

func decimal(_ value: Double, _ places: Int) -> String { String(format: "%.\(places)f", value) }
