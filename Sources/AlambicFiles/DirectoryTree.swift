import Foundation

/// Whole directories: to the disk, and from an old directory into the new one.
enum DirectoryTree {
    /// Waits until every file and directory below `path`, and itself, is on the disk.
    static func synchronize(_ path: String) throws(FileError) {
        for name in try entries(of: path) {
            let child = "\(path)/\(name)"
            guard let status = try status(child, followingLinks: false) else { continue }
            switch FileType(status) {
            case .directory: try synchronize(child)
            case .file: try Descriptor(open: child, O_RDONLY, "open the file").synchronize(for: child)
            default: break
            }
        }
        try synchronizeDirectory(path)
    }

    /// Makes `new` the same as `old` without moving a byte: files by hard links, directories by new ones.
    static func link(_ old: String, _ new: String) throws(FileError) {
        guard let status = try status(old, followingLinks: false) else { return }
        if FileType(status) == .directory {
            if let parent = try AlambicFiles.status((old as NSString).deletingLastPathComponent),
                parent.st_dev != status.st_dev
            {
                throw .system(EXDEV, "carry over \(old)", path: new)
            }
            guard mkdir(new, 0o777) == 0 else { throw .system(errno, "carry over \(old)", path: new) }
            for name in try entries(of: old) where !Temporary.isTemporary(name) {
                try link("\(old)/\(name)", "\(new)/\(name)")
            }
            _ = chmod(new, status.st_mode & 0o7777)
            try synchronizeDirectory(new)
            return
        }
        // Without AT_SYMLINK_FOLLOW, a symbolic link is linked itself.
        if linkat(AT_FDCWD, old, AT_FDCWD, new, 0) == 0 { return }
        if errno == ENOENT { return }
        // No hard links here (some file systems, or files of another owner): then a copy.
        do {
            try FileManager.default.copyItem(atPath: old, toPath: new)
        } catch {
            throw FileError(
                .permission, path: old, "cannot carry the file over into the new directory",
                fix: "choose another path for the output, or move the file away")
        }
        if FileType(status) == .file { try Descriptor(open: new, O_RDONLY, "open").synchronize(for: new) }
    }

    /// Moves what `old` has and `new` lacks. Nothing here can be reported any more: the write has happened.
    static func merge(_ old: String, _ new: String) {
        var oldStatus = stat()
        var newStatus = stat()
        guard lstat(old, &oldStatus) == 0 else { return }
        guard lstat(new, &newStatus) == 0 else {
            _ = rename(old, new)
            return
        }
        guard FileType(oldStatus) == .directory, FileType(newStatus) == .directory else { return }
        for name in (try? entries(of: old)) ?? [] { merge("\(old)/\(name)", "\(new)/\(name)") }
    }
}
