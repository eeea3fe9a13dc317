import Foundation

/// An executable of this package, which is built beside the test bundle; nil where it is not.
public func builtExecutable(_ name: String) -> URL? {
    let candidates = [CommandLine.arguments[0], Bundle.main.bundlePath, Bundle.main.executablePath ?? ""]
    for candidate in candidates {
        var directory = URL(fileURLWithPath: candidate)
        for _ in 0..<4 {
            let url = directory.appendingPathComponent(name)
            if FileManager.default.isExecutableFile(atPath: url.path) { return url }
            directory.deleteLastPathComponent()
        }
    }
    // A test runner outside of the build directory: the source file knows the package.
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let url = package.appendingPathComponent(".build/debug/\(name)")
    return FileManager.default.isExecutableFile(atPath: url.path) ? url : nil
}
