import AlambicFiles
import AlambicTensor
import Foundation
import Synchronization

/// Times that were measured before, by machine: in memory, and in files of the user where they can be written.
///
/// Times of a busy machine stay in memory, so that it is not asked again and again: no file gets them.
///
/// A file that cannot be read counts as none, and one that cannot be written is left alone: all that it costs is
/// another measurement.
public final class FormCache: Sendable {
    /// `$XDG_CACHE_HOME/alambic`, or `~/.cache/alambic`; the environment is read once.
    public static let user = FormCache(directory: userDirectory(ProcessInfo.processInfo.environment))

    /// Where the files are; nil for none.
    public let directory: URL?
    private let tables = Mutex<[FormMachine: [FormKey: FormTimes]]>([:])
    /// With more times than this, old ones go.
    private static let most = 4096

    /// A cache with files in a directory, which is made when it is needed.
    public init(directory: URL?) { self.directory = directory }

    static func userDirectory(_ environment: [String: String]) -> URL? {
        func absolute(_ name: String) -> URL? {
            environment[name].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0, isDirectory: true) : nil }
        }
        let base = absolute("XDG_CACHE_HOME") ?? absolute("HOME")?.appendingPathComponent(".cache")
        return base?.appendingPathComponent("alambic")
    }

    /// What is known of a machine.
    public func known(of machine: FormMachine) -> [FormKey: FormTimes] {
        if let table = tables.withLock({ $0[machine] }) { return table }
        let table = read(machine)
        return tables.withLock { tables in
            let merged = table.merging(tables[machine] ?? [:]) { $1 }
            tables[machine] = merged
            return merged
        }
    }

    /// Adds what was measured.
    public func store(_ times: [FormKey: FormTimes], of machine: FormMachine) {
        guard !times.isEmpty else { return }
        // Others may have written meanwhile.
        let before = known(of: machine).merging(read(machine)) { $1 }
        let all = before.count + times.count > Self.most ? times : before.merging(times) { $1 }
        tables.withLock { $0[machine] = all }
        guard let file = file(machine), let directory else { return }
        let json: JSON = ["schema": 1, "machine": machine.json, "times": FormTable.json(all.filter(\.value.isSteady))]
        try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try? json.write(to: file)
    }

    private func file(_ machine: FormMachine) -> URL? {
        directory?.appendingPathComponent("forms-\(machine.digest).json")
    }

    private func read(_ machine: FormMachine) -> [FormKey: FormTimes] {
        guard let file = file(machine), let reader = try? JSONReader(contentsOf: file),
            (try? reader.integer("schema")) == 1,
            let found = try? FormMachine(try reader.reader("machine")), found == machine,
            let times = try? FormTable.read(reader, "times")
        else { return [:] }
        return times
    }
}
