import Foundation

/// The renames that POSIX lacks.
enum Rename {
    #if canImport(Darwin)
        private static let noReplace = UInt32(RENAME_EXCL)
        private static let swap = UInt32(RENAME_SWAP)

        private static func rename(_ from: String, _ to: String, _ flags: UInt32) -> Int32 {
            renamex_np(from, to, flags) == 0 ? 0 : errno
        }
    #else
        // linux/fs.h
        private static let noReplace: UInt32 = 1
        private static let swap: UInt32 = 2

        /// Swift imports neither `renameat2` (it needs _GNU_SOURCE) nor the variadic `syscall`: so it is looked up.
        private static func rename(_ from: String, _ to: String, _ flags: UInt32) -> Int32 {
            typealias Function =
                @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
            guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "renameat2") else { return ENOSYS }
            let function = unsafeBitCast(symbol, to: Function.self)
            return function(AT_FDCWD, from, AT_FDCWD, to, flags) == 0 ? 0 : errno
        }
    #endif

    /// Whether the failure means that this file system or kernel does not know the flag.
    private static func isUnknown(_ code: Int32) -> Bool {
        code == EINVAL || code == ENOSYS || code == ENOTSUP || code == EOPNOTSUPP
    }

    /// Renames a directory; false if something is there already.
    static func ifAbsent(_ from: String, _ to: String) throws(FileError) -> Bool {
        try FaultPoint.reach("rename")
        var code = rename(from, to, noReplace)
        if isUnknown(code) {
            // A plain rename replaces an empty directory, which loses nothing.
            code = Foundation.rename(from, to) == 0 ? 0 : errno
        }
        switch code {
        case 0: return true
        case EEXIST, ENOTEMPTY: return false
        default: throw .system(code, "rename the finished directory into place", path: to)
        }
    }

    /// Exchanges two directories in one step and returns where the one at `to` is now.
    ///
    /// A file system that cannot (as some network file systems) gets two renames: the old directory goes to a name
    /// that ends in `.old`, and the new one to its place. A crash between the two loses nothing, but leaves the old
    /// directory under that name until the next write (or `AtomicDirectory.recover`) puts it back.
    static func exchange(_ from: String, _ to: String, parent: String, name: String) throws(FileError) -> String {
        var code = FaultPoint.withoutExchange ? ENOSYS : rename(from, to, swap)
        if code == 0 { return from }
        guard isUnknown(code) else { throw .system(code, "put the new directory into place", path: to) }
        let aside = Temporary.newPath(in: parent, for: name, suffix: ".old")
        code = Foundation.rename(to, aside) == 0 ? 0 : errno
        guard code == 0 else { throw .system(code, "put the new directory into place", path: to) }
        do throws(FileError) {
            try FaultPoint.reach("aside")
            code = Foundation.rename(from, to) == 0 ? 0 : errno
            if code != 0 { throw .system(code, "put the new directory into place", path: to) }
        } catch {
            _ = Foundation.rename(aside, to)
            throw error
        }
        return aside
    }
}
