import Foundation

/// Directories that are written whole or not at all.
///
/// The order of events is the proof. A temporary directory beside the destination is filled by the caller; entries of
/// the old directory that are to be kept are hard-linked into it (they now exist in both); everything is synchronized;
/// one system call exchanges the two names; then the old directory is deleted under its temporary name. A crash before
/// the exchange leaves the old directory as it was, a crash after it leaves the new one with all that was carried over.
/// What a crash leaves under temporary names, the next write of the same directory removes.
public enum AtomicDirectory {
    /// Whether a file belongs to a saved model, so that a new model in its place must not inherit it: the entries
    /// that say what the model is, its tensors, and its tokenizer.
    public static func belongsToModel(_ name: String) -> Bool {
        let fixed: Set = [
            "config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json",
            "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
            "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "characters.json",
            "adapter_config.json", "adapter_model.safetensors", "alambic_forms.json",
        ]
        if fixed.contains(name) { return true }
        guard name.hasPrefix("model-"), name.hasSuffix(".safetensors") else { return false }
        // model-00001-of-00002.safetensors
        let parts = name.dropFirst("model-".count).dropLast(".safetensors".count).split(separator: "-")
        return parts.count == 3 && parts[1] == "of" && Int(parts[0]) != nil && Int(parts[2]) != nil
    }

    /// Fills a temporary directory through `body`, then puts it in the place of `url`, as one step.
    ///
    /// A directory that stands there is replaced; those of its entries that the new one does not define, and that
    /// `keeping` accepts, live on (checkpoints, `metrics.jsonl`, files of the user). Missing parents are created.
    /// Writers of one directory take turns at the exchange: the last one wins, and none of them loses a file.
    /// - Parameters:
    ///   - url: the directory.
    ///   - keeping: which of the old entries to carry over; by default all but the files of a model.
    ///   - body: fills the temporary directory that it is given.
    /// - Throws: `FileError`, or what `body` throws. In either case what was there before is left as it was. (The one
    ///   exception: if the disk fails after the exchange, the new directory is in place, and the error is reported.)
    public static func write<R>(
        to url: URL, keeping: (String) -> Bool = { !AtomicDirectory.belongsToModel($0) },
        _ body: (_ temporary: URL) throws -> R
    ) throws -> R {
        try createParents(of: url)
        let target = try Destination(url)
        try recover(at: target)
        if let old = try status(target.path), FileType(old) != .directory {
            throw FileError(
                .notADirectory, path: target.path, "this is a file", expected: "a directory or nothing",
                fix: "choose another path, or remove the file")
        }
        try requireNotInside(target)
        Temporary.removeStale(in: target.parent, for: target.name)
        let temporary = try Temporary(in: target.parent, for: target.name, directory: true)
        // After the exchange, the temporary name is that of the old directory: it must go in any case.
        defer { temporary.remove() }
        let result = try body(URL(fileURLWithPath: temporary.path, isDirectory: true))
        try DirectoryTree.synchronize(temporary.path)
        try install(temporary, at: target, keeping: keeping)
        return result
    }

    /// A process (and the shell that started it) whose current directory is replaced would stand in a deleted one.
    private static func requireNotInside(_ target: Destination) throws(FileError) {
        guard let real = realpath(".", nil) else { return }
        defer { free(real) }
        let current = String(cString: real)
        guard current == target.path || current.hasPrefix(target.path + "/") else { return }
        throw FileError(
            .notADirectory, path: target.path, "the current directory is this one or inside it",
            expected: "a directory that can be replaced", fix: "name a new directory inside it, or run from elsewhere")
    }

    private static func createParents(of url: URL) throws(FileError) {
        let parent = url.deletingLastPathComponent()
        if try status(filePath(parent)) != nil { return }
        do {
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
        } catch {
            throw FileError(
                .permission, path: filePath(url), "cannot create the directory \(filePath(parent))",
                fix: "choose a path where you may write")
        }
    }

    private static func install(_ temporary: Temporary, at target: Destination, keeping: (String) -> Bool)
        throws(FileError)
    {
        let turn = try takeTurn(at: target)
        defer { withExtendedLifetime(turn) {} }
        let defined = Set(try entries(of: temporary.path))
        while true {
            guard try status(target.path, followingLinks: false) != nil else {
                if try Rename.ifAbsent(temporary.path, target.path) {
                    return try synchronizeDirectory(target.parent)
                }
                continue
            }
            // Locked, so that nobody takes it for a leftover while it stands under a temporary name.
            let old = try Descriptor(open: target.path, O_RDONLY | O_DIRECTORY, "open the directory")
            _ = old.lock(waiting: true)
            for name in try entries(of: target.path)
            where !defined.contains(name) && keeping(name) && !Temporary.isTemporary(name) {
                try FaultPoint.reach("link")
                try DirectoryTree.link("\(target.path)/\(name)", "\(temporary.path)/\(name)")
            }
            _ = fchmod(temporary.descriptor.raw, try old.status().st_mode & 0o7777)
            try temporary.descriptor.synchronize(for: target.path)
            try FaultPoint.reach("exchange")
            let displaced = try Rename.exchange(temporary.path, target.path, parent: target.parent, name: target.name)
            try synchronizeDirectory(target.parent)
            try FaultPoint.reach("exchanged")
            // What came into the old directory after its entries were linked.
            for name in (try? entries(of: displaced)) ?? []
            where !defined.contains(name) && keeping(name) {
                if Temporary.isTemporary(name) && !Temporary.isBusy("\(displaced)/\(name)") { continue }
                DirectoryTree.merge("\(displaced)/\(name)", "\(target.path)/\(name)")
            }
            try FaultPoint.reach("merged")
            if displaced != temporary.path { Temporary.remove(displaced) }
            return
        }
    }

    /// Two writers must not both carry over from, and then replace, the same directory: the parent's lock orders them.
    private static func takeTurn(at target: Destination) throws(FileError) -> Descriptor? {
        // Inside a temporary directory there is one writer, who holds that directory's lock already.
        if Temporary.isTemporary((target.parent as NSString).lastPathComponent) { return nil }
        let parent = try Descriptor(open: target.parent, O_RDONLY | O_DIRECTORY, "open the directory")
        _ = parent.lock(waiting: true)
        return parent
    }

    /// Puts back a directory that was set aside by a writer that died between the two renames which stand in for the
    /// exchange on file systems without one (see `Rename.exchange`). Every write begins with this.
    public static func recover(at url: URL) throws(FileError) { try recover(at: try Destination(url)) }

    private static func recover(at target: Destination) throws(FileError) {
        guard try status(target.path, followingLinks: false) == nil else { return }
        let turn = try takeTurn(at: target)
        defer { withExtendedLifetime(turn) {} }
        for name in (try? entries(of: target.parent)) ?? []
        where name.hasSuffix(".old") && Temporary.isTemporary(name, of: target.name) {
            let path = "\(target.parent)/\(name)"
            guard !Temporary.isBusy(path) else { continue }
            if try Rename.ifAbsent(path, target.path) { return try synchronizeDirectory(target.parent) }
        }
    }
}
