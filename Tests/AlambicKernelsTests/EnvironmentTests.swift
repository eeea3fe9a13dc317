import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicKernels

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct EnvironmentTests {
    @Test func variablesAreUnderstood() {
        #expect(Environment([:]) == Environment(["ALAMBIC_ISA": "", "ALAMBIC_THREADS": ""]))
        #expect(Environment([:]).problem == nil)
        #expect(Environment(["ALAMBIC_THREADS": "3"]).threads == 3)
        #expect(Environment(["ALAMBIC_ISA": "portable"]).allowed == .portable)
        #if arch(x86_64)
            let wide = Environment(["ALAMBIC_ISA": "AVX2"], detected: [.avx2, .avx512])
            #expect(wide.allowed == .avx2 && wide.problem == nil)
        #endif
    }

    @Test func problemsNameTheVariableAndWhatIsExpected() throws {
        for text in ["0", "-1", "two", "1.5", "99999999999999999999", "1025"] {
            let environment = Environment(["ALAMBIC_THREADS": text])
            let problem = try #require(environment.problem)
            #expect(environment.threads == nil)
            #expect(problem.contains("ALAMBIC_THREADS") && problem.contains(text) && problem.contains("1 to"))
        }
        let unknown = Environment(["ALAMBIC_ISA": "sse9", "ALAMBIC_THREADS": "x"])
        #expect(unknown.allowed == .all)
        #expect(unknown.problem?.contains("\"sse9\"") == true && unknown.problem?.contains("portable") == true)
        #expect(unknown.problem?.contains("ALAMBIC_THREADS") == true)
        #expect(unknown.problem?.contains("\n") == false)
        #if arch(x86_64)
            let lacking = Environment(["ALAMBIC_ISA": "avx512"], detected: .avx2)
            #expect(lacking.problem?.contains("avx2") == true && lacking.allowed == .all)
        #endif
    }

    #if os(Linux)
        // Each in a process of its own, since the environment and the machine are read once.

        /// What a process that starts with these variables reports of its contexts (Tests/EnvironmentProbe), line by line.
        private func contexts(in environment: [String: String]) throws -> [String] {
            let (process, output) = (Process(), Pipe())
            process.executableURL = try #require(builtExecutable("environmentprobe"), "environmentprobe is not built")
            process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationReason == .exit && process.terminationStatus == 0, "\(environment): \(text)")
            return text.split(separator: "\n").map(String.init)
        }

        @Test func theDefaultContextFollowsTheEnvironment() throws {
            let asked = try contexts(in: ["ALAMBIC_ISA": "portable", "ALAMBIC_THREADS": "3"])
            let work = ["sum: 500500", "sum: 500500"]
            #expect(asked.prefix(3) == ["default: 3 portable", "own: 3 portable", "problem: none"])
            #expect(asked.suffix(2) == work)
            let wrong = try contexts(in: ["ALAMBIC_ISA": "nonsense", "ALAMBIC_THREADS": "-5"])
            try #require(wrong.count == asked.count, "\(wrong)")
            #expect(wrong[0].hasPrefix("default: ") && wrong[0].hasSuffix(" \(ISA.detected)"), "\(wrong)")
            #expect(wrong[2].contains("\"nonsense\"") && wrong[2].contains("\"-5\""), "\(wrong)")
            #expect(wrong.suffix(2) == work)
        }

        @Test func aRestrictedProcessStaysInItsCpuset() async {
            await #expect(processExitsWith: .success) {
                // As taskset does before a program starts: one hardware thread, for every thread of the process.
                guard let last = try Affinity.ofThisThread().last else { exit(3) }
                for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
                    guard let thread = Int32(name) else { exit(2) }
                    try Affinity.set(thread: thread, unit: last)
                }
                let machine = Machine.local
                guard machine.units == 1, machine.defaultWorkers == 1, machine.plan(workers: 1)[0].unit == last else {
                    exit(4)
                }
                for threads in 1...4 {
                    let context = try machine.context(threads: threads)
                    let bound: Pinning =
                        threads == 1 ? .skipped("runs on the callers") : .pinned("hardware thread \(last)")
                    guard context.pinning.allSatisfy({ $0 == bound }) else { exit(5) }
                    let done = try Memory<Int>(count: 100)
                    let start = done.start
                    try concurrently(100, on: context) { start[$0] = $0 + 1 }
                    guard (0..<100).allSatisfy({ start[$0] == $0 + 1 }) else { exit(6) }
                }
            }
        }

        @Test func theCallersAffinityIsLeftAlone() async {
            await #expect(processExitsWith: .success) {
                let before = try Affinity.ofThisThread()
                for threads in 1...4 {
                    let context = try Machine.local.context(threads: threads)
                    for work in [1, 0, 1e9] { try concurrently(10, nanoseconds: work, on: context) { _ in } }
                    guard try Affinity.ofThisThread() == before else { exit(1) }
                }
            }
        }

        @Test func fewerThreadsThanAskedGiveTheSameResults() throws {
            let lines = try contexts(in: ["OMP_THREAD_LIMIT": "2"])
            #expect(lines.contains("four: 1 1") || lines.contains("four: 2 2"), "\(lines)")
            #expect(lines.suffix(2) == ["sum: 500500", "sum: 500500"])
        }

        @Test func anIdleTeamSleeps() async {
            await #expect(processExitsWith: .success) {
                let context = try Machine.local.context(threads: 4)
                for _ in 0..<100 { try concurrently(10, on: context) { _ in } }
                let before = clock()
                usleep(400_000)
                let busy = Double(clock() - before) / Double(CLOCKS_PER_SEC)
                guard busy < 0.1 else { exit(1) }  // OpenMP's own habit would be 4 times 0.2 s
            }
        }
    #endif
}
