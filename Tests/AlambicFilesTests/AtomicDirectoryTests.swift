import Foundation
import Synchronization
import Testing

@testable import AlambicFiles

final class Flag: Sendable {
    private let value = Atomic(false)
    var isRaised: Bool { value.load(ordering: .acquiring) }
    func raise() { value.store(true, ordering: .releasing) }
}

@Suite struct AtomicDirectoryTests {
    let scratch: Scratch
    var model: URL { scratch["model"] }
    init() throws { scratch = try Scratch() }

    func write(_ text: String, names: [String] = ["config.json", "model.safetensors"], to url: URL? = nil) throws {
        try AtomicDirectory.write(to: url ?? model) { directory in
            for name in names { try Data(text.utf8).write(to: directory.appendingPathComponent(name)) }
        }
    }

    /// An old model with everything that must survive it.
    func putOldModel() throws {
        try write("old")
        try scratch.put("model/metrics.jsonl", "log")
        try scratch.put("model/checkpoint-10/deep/optimizer.safetensors", "state")
        try scratch.put("model/checkpoint-10/config.json", "inner")
        try FileManager.default.createSymbolicLink(
            atPath: scratch["model/latest"].path, withDestinationPath: "checkpoint-10")
    }

    /// What survives.
    let kept = [
        "metrics.jsonl": "log", "checkpoint-10": "/", "checkpoint-10/deep": "/",
        "checkpoint-10/deep/optimizer.safetensors": "state", "checkpoint-10/config.json": "inner", "latest": "/",
    ]
    func whole(_ text: String) -> [String: String] {
        kept.merging(["config.json": text, "model.safetensors": text]) { a, _ in a }
    }

    @Test func createsWithItsParents() throws {
        try write("new", to: scratch["a/b/model"])
        #expect(try scratch.contents(of: "a/b/model") == ["config.json": "new", "model.safetensors": "new"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch["a/b"].path) == ["model"])
    }

    @Test(arguments: [false, true]) func replacesAndCarriesOver(withoutExchange: Bool) throws {
        try putOldModel()
        #expect(chmod(model.path, 0o750) == 0)
        let log = try FileHandle(forWritingTo: scratch["model/metrics.jsonl"])
        try log.seekToEnd()
        try FaultPoint.$withoutExchange.withValue(withoutExchange) { try write("new") }
        #expect(try scratch.contents(of: "model") == whole("new"))
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: scratch["model/latest"].path) == "checkpoint-10")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
        #expect(try FileManager.default.attributesOfItem(atPath: model.path)[.posixPermissions] as? Int == 0o750)
        // A log that was open stays the same log.
        try log.write(contentsOf: Data(" goes on".utf8))
        #expect(try scratch.text("model/metrics.jsonl") == "log goes on")
    }

    @Test func partsOfAnotherModelAreNotInherited() throws {
        try write(
            "old",
            names: [
                "config.json", "generation_config.json", "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json", "merges.txt",
                "model-card.md", "adapter.safetensors", "model-best.safetensors",
            ])
        try write("new")
        #expect(
            try scratch.contents(of: "model") == [
                "config.json": "new", "model.safetensors": "new", "model-card.md": "old", "adapter.safetensors": "old",
                "model-best.safetensors": "old",
            ])
    }

    @Test func aDefinedDirectoryReplacesTheOldOneWhole() throws {
        try scratch.put("model/checkpoint-1/old", "x")
        try AtomicDirectory.write(to: model) { directory in
            let inner = directory.appendingPathComponent("checkpoint-1")
            try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: false)
            try Data("y".utf8).write(to: inner.appendingPathComponent("new"))
        }
        #expect(try scratch.contents(of: "model") == ["checkpoint-1": "/", "checkpoint-1/new": "y"])
    }

    @Test func theResultOfTheBodyIsReturnedAndALinkToAModelStaysOne() throws {
        try write("old")
        try FileManager.default.createSymbolicLink(atPath: scratch["current"].path, withDestinationPath: "model")
        let result = try AtomicDirectory.write(to: scratch["current"]) { _ in 42 }
        #expect(result == 42)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch["current"].path) == "model")
        #expect(try scratch.contents(of: "model") == [:])
    }

    @Test(arguments: [false, true]) func afterAFailureAtAnyStepOneModelIsWholeAndNothingElse(withoutExchange: Bool)
        throws
    {
        try putOldModel()
        let faults = Faults()
        try FaultPoint.$withoutExchange.withValue(withoutExchange) { try faults.run { try write("old") } }
        let names = faults.names.withLock { $0 }
        let exchange = try #require(names.firstIndex(of: "exchange"))
        let put = withoutExchange ? try #require(names.firstIndex(of: "aside")) : exchange
        #expect(names[..<exchange].filter { $0 == "link" }.count == 3)
        #expect(names[..<exchange].last == "fsync")
        for step in 1...names.count {
            try write("old")
            let error = fileError("step \(step)") {
                try FaultPoint.$withoutExchange.withValue(withoutExchange) {
                    try Faults(failingAt: step).run { try write("new") }
                }
            }
            #expect(error?.kind == .full)
            let expected = step - 1 <= put ? "old" : "new"
            #expect(try scratch.contents(of: "model") == whole(expected), "step \(step): \(names[step - 1])")
            if !(withoutExchange && step - 1 > put) {
                #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
            }
        }
        try write("last")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    /// The text that all parts of the model agree on; nil where there is no whole model.
    func wholeText(_ url: URL) throws -> String? {
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        let configuration = try ModelConfiguration(modelDirectory: url)
        let text = try configuration.reader.string("text")
        #expect(try configuration.reader.string("again") == text)
        let tensors = try SafeTensors(modelDirectory: url)
        #expect(String(decoding: try tensors.array("text", of: UInt8.self), as: UTF8.self) == text)
        return text
    }

    @Test func aWriterThatIsKilledAtAnyStepLosesNothing() throws {
        #expect(try FaultWriter(["directory", model.path, "0"]).status == 0)
        try scratch.put("model/metrics.jsonl", "log")
        try scratch.put("model/checkpoint-10/deep/optimizer.safetensors", "state")
        var previous = "0"
        var step = 0
        var changed = 0
        while true {
            step += 1
            let run = try FaultWriter(["--kill-at", "\(step)", "directory", model.path, "\(step)"])
            let text = try #require(try wholeText(model), "killed at step \(step)")
            #expect([previous, "\(step)"].contains(text), "killed at step \(step)")
            if text != previous { changed += 1 }
            previous = text
            #expect(try scratch.text("model/metrics.jsonl") == "log", "killed at step \(step)")
            #expect(try scratch.text("model/checkpoint-10/deep/optimizer.safetensors") == "state", "step \(step)")
            guard run.wasKilled else { break }
        }
        #expect(step > 15 && changed > 1 && changed < step)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    @Test func aWriterThatIsKilledAtARandomMomentLosesNothing() throws {
        var random = SplitMix(seed: 7)
        #expect(try FaultWriter(["directory", model.path, "0"]).status == 0)
        try scratch.put("model/metrics.jsonl", "log")
        for round in 1...20 {
            let (process, _, _) = try FaultWriter.start(["directory", model.path, "\(round)"])
            usleep(UInt32.random(in: 0...12_000, using: &random))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            #expect(try wholeText(model) != nil, "round \(round)")
            #expect(try scratch.text("model/metrics.jsonl") == "log", "round \(round)")
        }
        #expect(try FaultWriter(["directory", model.path, "last"]).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    @Test func withoutAnExchangeACrashBetweenTheRenamesIsRepaired() throws {
        #expect(try FaultWriter(["directory", model.path, "0"]).status == 0)
        try scratch.put("model/metrics.jsonl", "log")
        var missing = 0
        var step = 0
        while true {
            step += 1
            let run = try FaultWriter(
                ["--kill-at", "\(step)", "--without-exchange", "directory", model.path, "\(step)"])
            if !FileManager.default.fileExists(atPath: model.path) {
                missing += 1
                try AtomicDirectory.recover(at: model)
            }
            #expect(try wholeText(model) != nil, "killed at step \(step)")
            #expect(try scratch.text("model/metrics.jsonl") == "log", "killed at step \(step)")
            guard run.wasKilled else { break }
        }
        #expect(missing == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    @Test func concurrentWritersLeaveOneWholeModelAndLoseNoOtherFile() async throws {
        let model = model
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for round in 0..<5 {
                        let text = "\(writer)-\(round)"
                        try AtomicDirectory.write(to: model) { directory in
                            for name in ["config.json", "model.safetensors", "checkpoint-\(text)"] {
                                try Data(text.utf8).write(to: directory.appendingPathComponent(name))
                            }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let contents = try scratch.contents(of: "model")
        #expect(contents["config.json"] != nil && contents["config.json"] == contents["model.safetensors"])
        for writer in 0..<4 {
            for round in 0..<5 { #expect(contents["checkpoint-\(writer)-\(round)"] == "\(writer)-\(round)") }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    @Test(arguments: [false, true]) func writersTakeTurnsAtTheExchange(withoutExchange: Bool) async throws {
        try putOldModel()
        let (model, finished) = (model, Flag())
        // When the first writer has linked the old entries, a second one comes along: it must wait.
        @Sendable func atExchange(_ step: String) throws(FileError) {
            guard step == (withoutExchange ? "aside" : "exchange") else { return }
            Thread.detachNewThread {
                try? AtomicDirectory.write(to: model) { directory in
                    try Data("second".utf8).write(to: directory.appendingPathComponent("config.json"))
                }
                finished.raise()
            }
            usleep(100_000)
            #expect(!finished.isRaised)
        }
        try FaultPoint.$withoutExchange.withValue(withoutExchange) {
            try FaultPoint.$hook.withValue(atExchange) { try write("first") }
        }
        while !finished.isRaised { try await Task.sleep(for: .milliseconds(5)) }
        var expected = whole("second")
        expected["model.safetensors"] = nil
        #expect(try scratch.contents(of: "model") == expected)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path) == ["model"])
    }

    @Test func directoriesInsideOneThatIsBeingWritten() throws {
        try scratch.put("model/checkpoint-1/old", "x")
        for text in ["1", "2"] {
            try AtomicDirectory.write(to: model) { directory in
                for _ in 0..<2 {
                    try AtomicDirectory.write(to: directory.appendingPathComponent("checkpoint-2")) { inner in
                        try AtomicFile.write(text, to: inner.appendingPathComponent("config.json"))
                    }
                }
            }
        }
        #expect(
            try scratch.contents(of: "model") == [
                "checkpoint-1": "/", "checkpoint-1/old": "x", "checkpoint-2": "/", "checkpoint-2/config.json": "2",
            ])
    }

    @Test func readersDuringWritesAlwaysSeeAWholeModel() async throws {
        let model = model
        try write("0")
        let done = Flag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { done.raise() }
                for round in 1...40 {
                    try AtomicDirectory.write(to: model) { directory in
                        try Data("\(round)".utf8).write(to: directory.appendingPathComponent("config.json"))
                    }
                }
            }
            group.addTask {
                while !done.isRaised {
                    let text = try? String(contentsOf: model.appendingPathComponent("config.json"), encoding: .utf8)
                    #expect(text.flatMap { Int($0) } != nil, "\(text ?? "no file")")
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func impossibleDestinationsAreNamed() throws {
        try scratch.put("file", "x")
        #expect(fileError { try write("x", to: scratch["file"]) }?.kind == .notADirectory)
        #expect(fileError { try write("x", to: scratch["file/below"]) } != nil)
        #expect(fileError { try write("x", to: URL(fileURLWithPath: "/")) } != nil)
        let here = FileManager.default.currentDirectoryPath
        #expect(fileError { try write("x", to: URL(fileURLWithPath: here)) }?.problem.contains("current") == true)
        let parent = URL(fileURLWithPath: here).deletingLastPathComponent()
        #expect(fileError { try write("x", to: parent) }?.problem.contains("current") == true)
        #expect(try scratch.contents() == ["file": "x"])
        let run = try FaultWriter(["--nobody", "directory", scratch["m"].path, "x"])
        #expect(getuid() != 0 || run.error.contains("Permission denied"))
    }

    @Test(.enabled(if: TinyDisk.isAvailable, "mounting a small disk needs root"))
    func aFullDiskLeavesTheOldModel() throws {
        try TinyDisk.withMount(kilobytes: 256) { disk in
            let model = disk.appendingPathComponent("model")
            try write("old", to: model)
            let error = fileError {
                try AtomicDirectory.write(to: model) { directory in
                    try AtomicFile.write("new", to: directory.appendingPathComponent("config.json"))
                    try SafeTensors.write(
                        [.init("x", shape: [1 << 17], [Float](repeating: 1, count: 1 << 17))],
                        to: directory.appendingPathComponent("model.safetensors"))
                }
            }
            #expect(error?.kind == .full)
            #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path) == ["model"])
            let config = model.appendingPathComponent("config.json")
            #expect(try String(contentsOf: config, encoding: .utf8) == "old")
        }
    }
}
