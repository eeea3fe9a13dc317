import Alambic
import Foundation

extension Arguments {
    /// Where kernels run: `--threads`, or the machine's default.
    func context() throws -> Context {
        if let problem = Machine.local.environmentProblem { throw CommandError.usage(problem) }
        guard let threads = try int("threads", in: 1...1024) else { return Machine.local.context }
        return try Machine.local.context(threads: threads)
    }

    /// The model directory that an option names.
    func model(_ option: String) throws -> Model {
        let model = try Model(
            contentsOf: try required(option, "a model directory with config.json and model.safetensors"))
        if let problem = model.formsProblem { Terminal.say("warning: \(problem)") }
        return model
    }

    /// `--out` of a command that puts a model there, in the place of what there was: checked before any work.
    func outputDirectory() throws -> String {
        let path = try required("out", "the directory to write")
        try Output.requireReplaceable(path)
        try Output.prepare(path)
        return path
    }

    /// `--out` of a command that only adds files and directories to it: checked before any work.
    func outputDirectory(default fallback: String) throws -> String {
        let path = try string("out") == nil ? fallback : required("out", "the directory to write in")
        try Output.prepare(path)
        return path
    }
}

/// What a command leaves behind.
enum Output {
    /// The path without symbolic links.
    static func real(_ path: String) -> String {
        guard let found = realpath(path, nil) else { return URL(fileURLWithPath: path).standardizedFileURL.path }
        defer { free(found) }
        return String(cString: found)
    }

    /// A directory that is replaced as a whole must not be the one that we, and the shell, stand in, or hold it.
    static func requireReplaceable(_ path: String) throws {
        let (target, current) = (real(path), real("."))
        guard target == "/" || current == target || current.hasPrefix(target + "/") else { return }
        throw CommandError.failed(
            "cannot replace '\(path)': it holds the current directory; name a new directory inside it")
    }

    /// Makes sure that a directory can be written, so that hours of work do not end at the last step.
    static func prepare(_ path: String) throws {
        var isDirectory: ObjCBool = false
        let files = FileManager.default
        if files.fileExists(atPath: path, isDirectory: &isDirectory) {
            guard isDirectory.boolValue else {
                throw CommandError.failed(
                    "cannot write to '\(path)': it is a file, and a directory is needed; choose another --out")
            }
        } else {
            // The directory itself is made by whatever fills it, whole or not at all; here only its parent is tried.
            let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
            do {
                try files.createDirectory(atPath: parent, withIntermediateDirectories: true)
            } catch {
                throw CommandError.failed("cannot make '\(path)': \(reason(error)); choose another --out")
            }
        }
        try requireWritable(
            files.fileExists(atPath: path) ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    /// The same for a single file.
    static func prepareFile(_ path: String) throws {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
            throw CommandError.failed(
                "cannot write to '\(path)': it is a directory, and a file is needed; choose another --out")
        }
        try prepare(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    private static func requireWritable(_ place: String) throws {
        let files = FileManager.default
        let probe = place + "/.alambic-probe-\(getpid())"
        guard files.createFile(atPath: probe, contents: Data([0])) else {
            throw CommandError.failed(
                "cannot write to '\(place)': no permission, or the disk is full; choose another --out")
        }
        try? files.removeItem(atPath: probe)
    }

    /// `--data` means one text; what a directory holds is not for us to guess.
    static func requireFile(_ path: String) throws {
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
            throw CommandError.failed("cannot read '\(path)': it is a directory, and --data takes a file")
        }
    }

    /// Bytes of a model's own files in a directory: logs and checkpoints are beside the point.
    static func size(of directory: String) -> Int {
        let files = FileManager.default
        let names = (try? files.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter(AtomicDirectory.belongsToModel).reduce(0) { sum, name in
            let attributes = try? files.attributesOfItem(atPath: "\(directory)/\(name)")
            guard attributes?[.type] as? FileAttributeType == .typeRegular else { return sum }
            return sum + ((attributes?[.size] as? Int) ?? 0)
        }
    }

    /// Prints the result: one JSON object with `--json`, else lines of `name  value`.
    static func show(_ pairs: [(String, Any)], as arguments: Arguments) throws {
        if arguments.has("json") {
            let object = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
            let data = try JSONSerialization.data(
                withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
            try write(String(decoding: data, as: UTF8.self) + "\n")
        } else {
            let width = pairs.map(\.0.count).max() ?? 0
            for (name, value) in pairs {
                let text = (value as? Double).map { rounded($0) } ?? "\(value)"
                let label = name.replacing("_", with: " ").padding(toLength: width + 2, withPad: " ", startingAt: 0)
                try write("\(label)\(text)\n")
            }
        }
    }

    /// Standard output, where a closed pipe or a full disk is an error and not a crash.
    static func write(_ text: String) throws { try write(bytes: Array(text.utf8)) }

    /// The same for bytes, which need not be whole characters.
    static func write(bytes: [UInt8]) throws {
        do {
            try FileHandle.standardOutput.write(contentsOf: Data(bytes))
        } catch {
            throw CommandError.failed("cannot write to standard output: \(reason(error))")
        }
    }

    private static func rounded(_ value: Double) -> String {
        abs(value) >= 1000 ? String(format: "%.0f", value) : String(format: "%.4f", value)
    }
}

/// The text of an error in one line.
func reason(_ error: any Error) -> String {
    let text = "\(error)"
    let isFoundations = error is CocoaError || text.hasPrefix("Error Domain")
    return (isFoundations ? error.localizedDescription : text).replacing("\n", with: " ")
}

extension Duration {
    /// As a number of seconds.
    var inSeconds: Double { self / .seconds(1) }
}

/// Times a piece of work in seconds.
func timed<Result>(_ body: () throws -> Result) rethrows -> (Result, Double) {
    let start = ContinuousClock.now
    let result = try body()
    return (result, (ContinuousClock.now - start).inSeconds)
}
