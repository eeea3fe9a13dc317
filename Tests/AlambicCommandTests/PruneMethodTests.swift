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

    /// What was pruned before stays so when units are removed and the rest is retrained.
    @Test func unitsOfASparseModelAreRetrainedSparse() throws {
        let scratch = try Scratch()
        let model = try scratch.model("model", steps: 4)
        func sparsities(_ method: String, of model: String, steps: Int, to name: String) throws -> [Double] {
            let report = try object(
                try Run([
                    "prune", "--model", model, "--method", method, "--sparsity", "0.5", "--data", scratch.text,
                    "--batch", "4", "--retrain-steps", "\(steps)", "--out", scratch.path(name), "--json",
                ]))
            let layers = try #require(report["layers"] as? [[String: Any]])
            return try layers.map { try #require($0["sparsity"] as? Double) }
        }
        _ = try sparsities("magnitude", of: model, steps: 4, to: "sparse")
        for method in ["neurons", "heads", "layers"] {
            let cut = try sparsities(method, of: scratch.path("sparse"), steps: 0, to: "\(method)-cut")
            let retrained = try sparsities(method, of: scratch.path("sparse"), steps: 4, to: "\(method)-retrained")
            #expect(cut.allSatisfy { $0 > 0.1 } && retrained == cut, "\(method): \(cut) → \(retrained)")
        }
    }

    private func object(_ run: Run) throws -> [String: Any] {
        #expect(run.code == 0, "\(run)")
        return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }
}
