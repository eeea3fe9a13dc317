import Foundation
import Testing

@testable import AlambicCommand

/// `prune` by every method on a tiny model: what is saved can be loaded, and is as sparse or as small as asked.
@Suite struct PruneMethodTests {
    @Test func everyMethodSavesAModelThatRuns() throws {
        let scratch = try Scratch()
        let model = try scratch.model("model", steps: 4)
        let dense = try object(try Run(["evaluate", "--model", model, "--data", scratch.text, "--json"]))
        let whole = try #require(dense["parameters"] as? Int)
        for method in PruningChoice.names {
            let out = scratch.path(method)
            let run = try Run([
                "prune", "--model", model, "--method", method, "--sparsity", "0.5", "--data", scratch.text, "--batch",
                "4",
                "--retrain-steps", "4", "--out", out, "--json",
            ])
            let report = try object(run)
            let (left, nonzero) = try (
                #require(report["parameters"] as? Int), #require(report["nonzero"] as? Int)
            )
            if ["neurons", "heads", "layers"].contains(method) {
                #expect(left < whole, "\(method)")
            } else {
                #expect(left == whole && nonzero < whole, "\(method)")
            }
            #expect(try Run(["evaluate", "--model", out, "--data", scratch.text, "--json"]).code == 0, "\(method)")
        }
    }

    private func object(_ run: Run) throws -> [String: Any] {
        #expect(run.code == 0, "\(run)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }
}
