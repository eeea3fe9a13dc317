import AlambicKernels
import COpenBLAS
import Foundation

extension MachineRecord {
    /// This machine, with the limits measured in this run, and the pinning of its largest team.
    init(_ machine: Machine, limits: [Limits], threads: Int) {
        self.init(
            cpu: machine.name, isa: "\(machine.isa)".split(separator: "+").map(String.init),
            l1dBytes: machine.l1dBytes, l2Bytes: machine.l2Bytes, l3Bytes: machine.l3Bytes, nodes: machine.nodes,
            packages: machine.packages, cores: machine.cores, units: machine.units,
            pinning: (try? machine.context(threads: threads))?.pinning.map(\.description) ?? [], limits: limits,
            openblas: openblas_get_config().map { String(cString: $0) } ?? "", compiler: Self.compilerName,
            commit: Self.commitName, date: ISO8601DateFormatter().string(from: Date()))
    }

    /// Swift, how it was told to compile (kernels are optimised in any case), and the clang that compiles the kernels.
    static var compilerName: String {
        #if compiler(>=6.4)
            let swift = "Swift 6.4 or later"
        #elseif compiler(>=6.3)
            let swift = "Swift 6.3"
        #else
            let swift = "Swift 6.2"
        #endif
        #if DEBUG
            let mode = "debug"
        #else
            let mode = "release"
        #endif
        let clang = String(cString: alambic_clang_version()).prefix { $0 != " " }
        return "\(swift) (\(mode)), clang \(clang)"
    }

    /// The commit of this program: the one that a tarball carries beside it, or else HEAD of the checkout that it was built in,
    /// with a + when tracked files differ from it. Empty where neither is. Not that of the folder where the user stands.
    private static var commitName: String {
        if let text = try? String(contentsOf: folder.appendingPathComponent("COMMIT"), encoding: .utf8) {
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        guard let commit = git("rev-parse", "--short", "HEAD"), !commit.isEmpty else { return "" }
        return git("status", "--porcelain", "--untracked-files=no")?.isEmpty == false ? commit + "+" : commit
    }

    /// The folder of this executable.
    private static var folder: URL { Bundle.main.bundleURL }

    private static func git(_ words: String...) -> String? {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["git", "-C", folder.path] + words
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { return nil }
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
