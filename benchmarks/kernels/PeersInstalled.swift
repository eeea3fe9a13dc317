import Foundation

/// The competitors that `make peers` has set up, and what is missing.
struct InstalledPeers: Sendable {
    var programs: [PeerProgram] = []
    /// One line for each peer that is not there, with the way to get it.
    var missing: [String] = []

    /// glibc keeps what it is given back and puts its heap on huge pages. Without this a library that allocates its output
    /// for every product pays page faults for it each time.
    static let keptHeap = [
        "GLIBC_TUNABLES":
            "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736"
            + ":glibc.malloc.top_pad=268435456"
    ]

    /// Looks in `root`, a checkout of this package in which `make peers` has run.
    init(root: URL) {
        let built = root.appendingPathComponent(".build/peers")
        let scripts = root.appendingPathComponent("benchmarks/peers")
        func exists(_ url: URL) -> Bool { FileManager.default.isExecutableFile(atPath: url.path) }

        let oneDNN = built.appendingPathComponent("onednn")
        if exists(oneDNN) {
            programs.append(.init(name: "oneDNN", executable: oneDNN.path, environment: Self.keptHeap))
        } else {
            missing.append("oneDNN: `make peers` builds it, with libdnnl-dev")
        }

        let python = built.appendingPathComponent("venv/bin/python")
        let packages = Self.packages(built.appendingPathComponent("venv/lib"))
        let openBLAS = built.appendingPathComponent("openblas")
        if exists(openBLAS) {
            // The distribution's, and the usually newer one inside numpy's wheel.
            let libraries = ["libopenblas.so.0"] + Self.numpyOpenBLAS(packages)
            for library in libraries {
                let name = library.hasPrefix("/") ? "OpenBLAS (numpy's)" : "OpenBLAS"
                programs.append(.init(name: name, executable: openBLAS.path, arguments: [library]))
            }
        } else {
            missing.append("OpenBLAS: `make peers` builds it, with libopenblas-dev")
        }

        func has(_ package: String) -> Bool {
            exists(python)
                && FileManager.default.fileExists(atPath: packages?.appendingPathComponent(package).path ?? "")
        }
        if has("torch") {
            let script = scripts.appendingPathComponent("torch_peer.py").path
            programs.append(.init(name: "torch", executable: python.path, arguments: [script]))
            programs.append(
                .init(
                    name: "torch tuned", executable: python.path, arguments: [script], environment: Self.keptHeap,
                    suffix: " tuned"))
        } else {
            missing.append("torch: `make peers` installs it, with pip")
        }
        if has("onnxruntime") && has("onnx") {
            programs.append(
                .init(
                    name: "onnxruntime", executable: python.path,
                    arguments: [scripts.appendingPathComponent("onnxruntime_peer.py").path],
                    // numpy makes the operands and checks the results: no threads of its own beside the pool's.
                    environment: Self.keptHeap.merging(["OPENBLAS_NUM_THREADS": "1"]) { $1 }))
        } else {
            missing.append("onnxruntime: `make peers` installs it, with pip")
        }
    }

    /// site-packages of the virtual environment.
    private static func packages(_ libraries: URL) -> URL? {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: libraries.path)) ?? []
        return versions.filter { $0.hasPrefix("python") }.sorted().first
            .map { libraries.appendingPathComponent($0).appendingPathComponent("site-packages") }
    }

    private static func numpyOpenBLAS(_ packages: URL?) -> [String] {
        guard let folder = packages?.appendingPathComponent("numpy.libs") else { return [] }
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasPrefix("libscipy_openblas64_") }.sorted().prefix(1)
            .map { folder.appendingPathComponent($0).path }
    }

    /// The checkout around the current folder or around the executable; nil when neither lies in one.
    static func root() -> URL? {
        let places = [
            URL(fileURLWithPath: FileManager.default.currentDirectoryPath),
            URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent(),
        ]
        for place in places {
            var folder = place.standardizedFileURL
            while folder.path != "/" {
                let script = folder.appendingPathComponent("benchmarks/peers/protocol.py")
                if FileManager.default.fileExists(atPath: script.path) { return folder }
                folder = folder.deletingLastPathComponent()
            }
        }
        return nil
    }
}
