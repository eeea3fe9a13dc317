import AlambicFiles
import AlambicKernels
import AlambicOptimizers
import Foundation
import Testing

@testable import AlambicTraining

@Suite struct ResumeTests {
    static func trainer(rate: Schedule = .cosine(peak: 3e-3, warmup: 3, over: 20), dropout: Double = 0.1) throws
        -> Trainer
    {
        try Trainer(
            try Tiny.model(), optimizer: .adamW(rate: rate, weightDecay: 0.1), dropout: dropout, microBatches: 2,
            seed: 7, on: try Context(threads: 1))
    }

    @Test func equalsTheUninterruptedRunBitForBit() throws {
        let scratch = try Scratch()
        let whole = try Self.trainer()
        try whole.run(try Tiny.batches(), until: 12)

        let first = try Self.trainer()
        try first.run(try Tiny.batches(), until: 7)
        try first.save(to: scratch("checkpoint-7"))
        let second = try Self.trainer()
        try second.resume(from: scratch("checkpoint-7"))
        #expect(second.step == 7 && second.nextBatch == 7)
        try second.run(try Tiny.batches(), until: 12)

        #expect(Tiny.bits(second) == Tiny.bits(whole))
        for (a, b) in zip(second.state.named, whole.state.named) {
            #expect(a.name == b.name && a.tensor.elements == b.tensor.elements, "\(a.name)")
        }
    }

    /// State in bytes is in the checkpoint too.
    @Test func eightBitMomentsAreResumed() throws {
        func trainer() throws -> Trainer {
            try Trainer(
                try Tiny.model(), optimizer: .adamW8bit(rate: 3e-3, weightDecay: 0.1), seed: 7,
                on: try Context(threads: 1))
        }
        let scratch = try Scratch()
        let whole = try trainer()
        try whole.run(try Tiny.batches(), until: 8)
        let first = try trainer()
        try first.run(try Tiny.batches(), until: 5)
        try first.save(to: scratch("checkpoint-5"))
        let second = try trainer()
        try second.resume(from: scratch("checkpoint-5"))
        try second.run(try Tiny.batches(), until: 8)
        #expect(Tiny.bits(second) == Tiny.bits(whole))
        #expect(second.state.namedQuantized.count == 2 * second.parameters.count)
        for (a, b) in zip(second.state.namedQuantized, whole.state.namedQuantized) {
            let same = (0..<a.state.codes.count).allSatisfy { a.state.codes.span[$0] == b.state.codes.span[$0] }
            #expect(a.name == b.name && same, "\(a.name)")
        }
        // A run with another optimizer is another run.
        #expect(throws: TrainingError.self) { try Self.trainer().resume(from: scratch("checkpoint-5")) }
    }

    @Test func otherSettingsAreRefusedByName() throws {
        let scratch = try Scratch()
        let first = try Self.trainer()
        try first.run(try Tiny.batches(), until: 2)
        try first.save(to: scratch("c"))
        let other = try Self.trainer(rate: .cosine(peak: 1e-3, warmup: 3, over: 20), dropout: 0.2)
        let before = Tiny.bits(other)
        let error = #expect(throws: TrainingError.self) { try other.resume(from: scratch("c")) }
        guard case .otherRun(_, let differences)? = error else {
            Issue.record("resumed with another learning rate: \(String(describing: error))")
            return
        }
        #expect(differences.contains("optimizer.rate.cosine.peak was 0.003 and is 0.001"), "\(differences)")
        #expect(differences.contains { $0.contains("pdrop") }, "\(differences)")
        #expect(Tiny.bits(other) == before && other.step == 0)
    }

    @Test func anotherStartIsRefused() throws {
        let scratch = try Scratch()
        func trainer(seed: UInt64) throws -> Trainer {
            try Trainer(try Tiny.model(seed: seed), optimizer: .sgd(rate: 0.1), on: try Context(threads: 1))
        }
        let first = try trainer(seed: 1)
        try first.run(try Tiny.batches(), until: 2)
        try first.save(to: scratch("c"))
        try trainer(seed: 1).resume(from: scratch("c"))
        let error = #expect(throws: TrainingError.self) { try trainer(seed: 2).resume(from: scratch("c")) }
        #expect("\(try #require(error))".contains("start was "))
    }

    /// Constraints are part of a run: their work is in its checkpoints, wherever these stand in the list, and one that is lost or
    /// changed is named.
    @Test func constraintsAreResumed() throws {
        func trainer(_ actions: [any AfterStep]) throws -> Trainer {
            let trainer = try Self.trainer()
            trainer.afterStep = actions
            return trainer
        }
        func constraints() -> [any AfterStep] { [MaxNorm(limit: 0.05), ProximalL1(coefficient: 0.5)] }
        let scratch = try Scratch()
        let path = scratch("checkpoint-2")
        let first = try trainer(constraints())
        first.afterStep.insert(Checkpoints(in: scratch.path, every: 2), at: 0)
        try first.run(try Tiny.batches(), until: 2)
        let second = try trainer(constraints())
        try second.resume(from: path)
        #expect(Tiny.bits(second) == Tiny.bits(first))
        try first.run(try Tiny.batches(), until: 3)
        try second.run(try Tiny.batches(), until: 3)
        #expect(Tiny.bits(second) == Tiny.bits(first))

        func refusal(_ actions: [any AfterStep]) throws -> String {
            let other = try trainer(actions)
            let error = #expect(throws: TrainingError.self) { try other.resume(from: path) }
            return "\(try #require(error))"
        }
        let lost = try refusal([])
        #expect(lost.contains("after.max_norm was 0.05 and is not set"), "\(lost)")
        #expect(lost.contains("after.proximal_l1 was 0.5 and is not set"), "\(lost)")
        let changed = try refusal([MaxNorm(limit: 0.1), ProximalL1(coefficient: 0.5)])
        #expect(changed.contains("after.max_norm was 0.05 and is 0.1"), "\(changed)")
        #expect(!changed.contains("proximal_l1"), "\(changed)")
        // What changes no weights leaves no entry: checkpoints of before there were any resume.
        let free = try trainer([Checkpoints(in: scratch.path, every: 2), try MetricsLog(scratch("metrics.jsonl"))])
        #expect(free.settings == (try Self.trainer()).settings)
    }

    @Test(arguments: ["step", "next_batch"])
    func numbersBeyondAnyRunAreRefused(key: String) throws {
        let scratch = try Scratch()
        let first = try Self.trainer()
        try first.run(try Tiny.batches(), until: 2)
        try first.save(to: scratch("c"))
        let url = URL(fileURLWithPath: scratch("c/trainer_state.json"))
        var object = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        object[key] = Int.max
        try JSONSerialization.data(withJSONObject: object).write(to: url)
        let error = #expect(throws: TrainingError.self) { try Self.trainer().resume(from: scratch("c")) }
        #expect("\(try #require(error))".contains(key))
    }

    @Test func metricsThatCannotBeWrittenAreRefusedAtOnce() throws {
        let scratch = try Scratch()
        #expect(throws: TrainingError.self) { try MetricsLog(scratch.path) }
        try Data("text".utf8).write(to: URL(fileURLWithPath: scratch("file")))
        #expect(throws: TrainingError.self) { try MetricsLog(scratch("file/metrics.jsonl")) }
        #expect(throws: Never.self) { try MetricsLog(scratch("file")) }
        #expect(throws: Never.self) { try MetricsLog(scratch("new/metrics.jsonl")) }
    }

    @Test func otherDataAreRefusedByName() throws {
        let scratch = try Scratch()
        let first = try Self.trainer()
        try first.run(try Tiny.batches(), until: 2)
        try first.save(to: scratch("c"))
        func differences(_ batch: Batch) throws -> String {
            let trainer = try Self.trainer()
            try trainer.resume(from: scratch("c"))
            do {
                try trainer.step(batch)
                return ""
            } catch { return "\(error)" }
        }
        #expect(try differences(Tiny.batches()[2]) == "")
        #expect(try differences(Tiny.batches()[3]).contains("next batch was 2 and is 3"))
        #expect(try differences(Tiny.batches(seed: 4)[2]).contains("seed of the batches was 3 and is 4"))
        let other = try Tiny.corpus(shift: 1).batches(of: 4, context: 16, seed: 3)
        #expect(try differences(other[2]).contains("data's digest"))
    }

    @Test func damagedCheckpointsAreRefused() throws {
        let scratch = try Scratch()
        let first = try Self.trainer()
        try first.run(try Tiny.batches(), until: 1)
        let trainer = try Self.trainer()
        #expect(throws: TrainingError.self) { try trainer.resume(from: scratch("missing")) }
        for name in ["trainer_state.json", "optimizer.safetensors", "model.safetensors", "config.json"] {
            try first.save(to: scratch(name))
            let file = "\(scratch(name))/\(name)"
            let bytes = try #require(FileManager.default.contents(atPath: file))
            try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: file))
            #expect(throws: TrainingError.self, "half of \(name)") { try trainer.resume(from: scratch(name)) }
        }
        #expect(trainer.step == 0)
    }

    @Test func theNewestCheckpointsStay() throws {
        let scratch = try Scratch()
        let trainer = try Self.trainer()
        trainer.afterStep.append(Checkpoints(in: scratch.path, every: 2, keeping: 2))
        try trainer.run(try Tiny.batches(), until: 9)
        #expect(Checkpoints.all(in: scratch.path) == [6, 8])
        #expect(Trainer.latestCheckpoint(in: scratch.path) == scratch("checkpoint-8"))
        #expect(trainer.lastCheckpoint == scratch("checkpoint-8"))
        #expect(Trainer.latestCheckpoint(in: scratch("nothing")) == nil)
    }

    @Test func aCancelledRunLeavesAResumableCheckpoint() throws {
        let scratch = try Scratch()
        let trainer = try Self.trainer()
        let cancellation = Cancellation()
        let checkpoints = Checkpoints(in: scratch.path, every: 100)
        let error = #expect(throws: TrainingError.self) {
            try trainer.run(
                try Tiny.batches(), until: 10, saving: checkpoints, cancellation: cancellation
            ) { if $0.step == 3 { cancellation.cancel() } }
        }
        guard case .cancelled(let step, let checkpoint)? = error else {
            Issue.record("the run was not cancelled: \(String(describing: error))")
            return
        }
        #expect(step == 3)
        #expect(checkpoint == scratch("checkpoint-3"))
        let again = try Self.trainer()
        try again.resume(from: scratch("checkpoint-3"))
        try again.run(try Tiny.batches(), until: 10)
        let whole = try Self.trainer()
        try whole.run(try Tiny.batches(), until: 10)
        #expect(Tiny.bits(again) == Tiny.bits(whole))
    }

    @Test func aCancelledTaskStopsTheRun() async throws {
        let task = Task {
            let trainer = try Self.trainer()
            try trainer.run(try Tiny.batches(), until: .max)
        }
        task.cancel()
        await #expect(throws: TrainingError.self) { try await task.value }
    }

    @Test func metricsAreOneLineOfJSONPerStep() throws {
        let scratch = try Scratch()
        let path = scratch("out/metrics.jsonl")
        let trainer = try Self.trainer()
        trainer.afterStep.append(try MetricsLog(path))
        try trainer.run(try Tiny.batches(), until: 5)
        func steps() throws -> [Int] {
            try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
                let json = try JSON(parsing: Array(line.utf8), path: path)
                #expect(json["loss"]?.double != nil && json["rate"] != nil && json["gradient_norm"] != nil)
                return try #require(json["step"]?.int)
            }
        }
        #expect(try steps() == [1, 2, 3, 4, 5])
        // A run resumed at step 3, after a crash in the middle of a line.
        let half = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try half.seekToEnd()
        try half.write(contentsOf: Data("{\"step\": 6, \"lo".utf8))
        try half.close()
        // Nothing changes before the first step is done.
        let before = FileManager.default.contents(atPath: path)
        let log = try MetricsLog(path, keepingUpTo: 3)
        #expect(FileManager.default.contents(atPath: path) == before)
        trainer.afterStep = [log]
        try trainer.run(try Tiny.batches(), until: 6)
        #expect(try steps() == [1, 2, 3, 6])
    }
}

@Suite struct KilledWrites {
    /// A child process writes a checkpoint over an older one and is killed at one step of the write after the other;
    /// whatever it leaves must resume, at the old step or at the new one.
    @Test(arguments: [0, 1, 2, 4, 7, 11, 16, 20, 30])
    func killedWhileWritingACheckpoint(step: Int) async throws {
        let scratch = try Scratch("killed")
        let path = scratch("checkpoint")
        let first = try ResumeTests.trainer()
        try first.run(try Tiny.batches(), until: 1)
        try first.save(to: path)
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, step = step as Int] in
            try killedChild(path, at: step)
        }
        let again = try ResumeTests.trainer()
        try again.resume(from: path)
        #expect([1, 2].contains(again.step), "resumed at step \(again.step)")
        try again.run(try Tiny.batches(), until: 3)
        let whole = try ResumeTests.trainer()
        try whole.run(try Tiny.batches(), until: 3)
        #expect(Tiny.bits(again) == Tiny.bits(whole))
        // The next write clears away what the killed one left.
        try again.save(to: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["checkpoint"])
    }
}

/// Resumes, makes one step, and dies at fault point number `count` of the write (or after it).
private func killedChild(_ path: String, at count: Int) throws {
    let trainer = try ResumeTests.trainer()
    try trainer.resume(from: path)
    try trainer.run(try Tiny.batches(), until: 2)
    let counter = Counter()
    try FaultPoint.$hook.withValue({ _ in if counter.next() == count { kill(getpid(), SIGKILL) } }) {
        try trainer.save(to: path)
    }
    kill(getpid(), SIGKILL)
}

private final class Counter: @unchecked Sendable {
    private var count = -1
    func next() -> Int {
        count += 1
        return count
    }
}
