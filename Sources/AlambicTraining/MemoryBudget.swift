import Foundation

/// What memory the machine has left for this process.
enum MemoryBudget {
    /// Bytes that can still be had: the smaller of what the kernel calls available and what control groups leave.
    /// Nil where neither can be read.
    static func available() -> Int? {
        [meminfo(), controlGroup()].compactMap { $0 }.min()
    }

    /// `MemAvailable` of /proc/meminfo, which is in KiB.
    private static func meminfo() -> Int? {
        guard let text = read("/proc/meminfo") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let words = line.split(separator: " ")
            return words.count > 1 ? Int(words[1]).map { $0 * 1024 } : nil
        }
        return nil
    }

    /// Limit minus use of version 2, or else version 1, of control groups. Cached files count as use, but the kernel
    /// drops them when memory is needed.
    private static func controlGroup() -> Int? {
        let files = [
            ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                "/sys/fs/cgroup/memory/memory.stat"
            ),
        ]
        for (limitFile, useFile, statisticsFile) in files {
            if let limit = number(limitFile), let use = number(useFile), limit < Int.max / 2 {
                return max(limit - use + cachedFiles(statisticsFile), 0)
            }
        }
        return nil
    }

    private static func cachedFiles(_ path: String) -> Int {
        let lines = read(path)?.split(separator: "\n") ?? []
        let values = lines.compactMap { line -> Int? in
            let words = line.split(separator: " ")
            let isCached = words.count == 2 && (words[0] == "inactive_file" || words[0] == "active_file")
            return isCached ? Int(words[1]) : nil
        }
        return values.reduce(0, +)
    }

    private static func number(_ path: String) -> Int? {
        read(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }

    private static func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).flatMap { String(bytes: $0, encoding: .utf8) }
    }
}
