import Foundation

/// A new file or directory beside the one that it will replace. It is locked while its writer lives: so a later
/// writer can tell what a crash left behind (and removes it) from what another writer is busy with.
struct Temporary {
    let path: String
    let descriptor: Descriptor

    /// Names are `.NAME.alambic-` and 16 hexadecimal digits, and `.tmp`; or `.old` for a directory that was set aside.
    private static func prefix(for name: String) -> String { ".\(name).alambic-" }

    static func isTemporary(_ entry: String, of name: String? = nil) -> Bool {
        guard entry.hasPrefix("."), entry.hasSuffix(".tmp") || entry.hasSuffix(".old") else { return false }
        let middle = entry.dropLast(4)
        let digits = middle.suffix(16)
        guard digits.count == 16, digits.allSatisfy(\.isHexDigit) else { return false }
        let start = middle.dropLast(16)
        return name.map { start == prefix(for: $0) } ?? start.hasSuffix(".alambic-")
    }

    static func newPath(in parent: String, for name: String, suffix: String = ".tmp") -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return "\(parent)/\(prefix(for: name))\(String(repeating: "0", count: 16 - digits.count))\(digits)\(suffix)"
    }

    /// Creates the file or directory and locks it.
    init(in parent: String, for name: String, directory: Bool) throws(FileError) {
        let target = "\(parent)/\(name)"
        while true {
            let path = Self.newPath(in: parent, for: name)
            try FaultPoint.reach("create")
            let descriptor: Descriptor
            if directory {
                guard mkdir(path, 0o777) == 0 else {
                    if errno == EEXIST { continue }
                    throw Self.cannotCreate(errno, target: target, parent: parent)
                }
                do throws(FileError) {
                    descriptor = try Descriptor(open: path, O_RDONLY | O_DIRECTORY, "open the directory")
                } catch {
                    // Another writer took it for a leftover before it could be opened.
                    if error.kind == .missing { continue }
                    throw error
                }
            } else {
                let raw = retrying { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
                if raw < 0 {
                    if errno == EEXIST { continue }
                    throw Self.cannotCreate(errno, target: target, parent: parent)
                }
                descriptor = Descriptor(adopting: raw, path: path)
            }
            // Between its creation and its lock, another writer may have taken it for a leftover.
            _ = descriptor.lock(waiting: true)
            if descriptor.isStillAtItsPath {
                self.path = path
                self.descriptor = descriptor
                return
            }
        }
    }

    private static func cannotCreate(_ code: Int32, target: String, parent: String) -> FileError {
        var error = FileError.system(code, "write in \(parent)", path: target)
        if error.kind == .missing { error.fix = "create the directory \(parent) first, or choose another path" }
        return error
    }

    func remove() { Self.remove(path) }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    /// Removes what crashed writers of `name` left. Failures do not matter: the next writer tries again.
    static func removeStale(in parent: String, for name: String) {
        guard let names = try? entries(of: parent) else { return }
        for entry in names where isTemporary(entry, of: name) {
            let path = "\(parent)/\(entry)"
            guard let descriptor = try? Descriptor(open: path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, "open"),
                descriptor.lock(waiting: false), descriptor.isStillAtItsPath
            else { continue }
            remove(path)
        }
    }

    /// Whether a living writer holds the entry.
    static func isBusy(_ path: String) -> Bool {
        guard let descriptor = try? Descriptor(open: path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, "open") else {
            return false
        }
        return !descriptor.lock(waiting: false)
    }
}

/// Where a path really is: the last component's symbolic links are followed, so that a link to a model stays a link.
struct Destination {
    let path: String
    let parent: String
    let name: String

    init(_ url: URL) throws(FileError) {
        let given = filePath(url)
        var resolved = given
        if try status(given, followingLinks: false) != nil {
            // Also turns `.` and `a/..` into something that has a name.
            if let real = realpath(given, nil) {
                resolved = String(cString: real)
                free(real)
            } else {
                let code = errno
                // A directory may be between two names for a moment (see `Rename.exchange`).
                if try status(given, followingLinks: false).map({ FileType($0) == .link }) ?? false {
                    throw .system(code, "follow the link", path: given)
                }
            }
        }
        let name = (resolved as NSString).lastPathComponent
        guard !name.isEmpty, name != "/", name != ".", name != ".." else {
            throw FileError(.notAFile, path: given, "the path has no name of its own", fix: "name something inside it")
        }
        let parent = (resolved as NSString).deletingLastPathComponent
        self.path = resolved
        self.name = name
        self.parent = parent.isEmpty ? "." : parent
    }
}
