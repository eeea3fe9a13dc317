import Foundation
import Testing

@testable import AlambicParallel

@Suite struct ClusterTests {
    private func load(_ text: String) throws -> Cluster {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).json")
        try Data(text.utf8).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        do {
            return try Cluster(contentsOf: url)
        } catch ParallelError.cluster(_, let reason) {
            throw Reason(text: reason)
        }
    }

    private struct Reason: Error, CustomStringConvertible {
        let text: String
        var description: String { text }
    }

    private func text(
        bandwidth: String = "10", latency: String = "50", servers: String = "2",
        workers: String = #"[{"name": "a", "speed": 1}, {"name": "b", "speed": 0.5}]"#
    ) -> String {
        #"{"name": "test", "source": "here", "bandwidthGigabitsPerSecond": \#(bandwidth), "latencyMicroseconds": \#(latency), "#
            + #""parameterServers": \#(servers), "workers": \#(workers)}"#
    }

    @Test func loads() throws {
        let cluster = try load(text())
        #expect(cluster.bandwidth == 1.25e9)
        #expect(cluster.latency == 50e-6)
        #expect(cluster.using(workers: 1).workers.map(\.name) == ["a"])
    }

    @Test func badFilesAreRefusedInOneLine() throws {
        for (file, reason) in [
            ("", "is not JSON"), ("{", "is not JSON"), ("[]", " is not a Dictionary<String, Any>"),
            ("{}", "name is missing: add it"),
            (text(bandwidth: "0"), "bandwidthGigabitsPerSecond is 0.0: expected a positive number"),
            (text(bandwidth: "-1"), "bandwidthGigabitsPerSecond is -1.0: expected a positive number"),
            (text(bandwidth: "\"fast\""), "bandwidthGigabitsPerSecond is not a Double"),
            (text(latency: "-1"), "latencyMicroseconds is -1.0: expected 0 or more"),
            (text(latency: "null"), "latencyMicroseconds is null: expected a Double"),
            (text(servers: "0"), "parameterServers is 0: expected at least 1"),
            (text(workers: "[]"), "workers is empty: expected at least one"),
            (text(workers: #"[{"name": "a"}]"#), "workers[0].speed is missing: add it"),
            (
                text(workers: #"[{"name": "a", "speed": 0}]"#),
                "worker 'a' has the speed 0.0: expected a positive number"
            ),
            (
                text(workers: #"[{"name": "a", "speed": 1}, {"name": "a", "speed": 1}]"#),
                "two workers are named 'a': give each a name of its own"
            ),
        ] {
            let error = #expect(throws: Reason.self, "\(reason)") { try load(file) }
            #expect(error?.text == reason)
        }
        #expect { try Cluster(contentsOf: URL(fileURLWithPath: "/nowhere/c.json")) } throws: {
            "\($0)" == "cluster file '/nowhere/c.json': cannot be read: name an existing JSON file"
        }
    }
}
