import AlambicKernels
import Foundation
import Testing

@testable import bench

/// Alternation, the rows that it gives, and what becomes of peers that fail on the way.
@Suite(.serialized) struct PeerRoundsTests {
    private func peers(_ fakes: [FakePeer]) -> (set: PeerSet, told: () -> [String]) {
        final class Told { var lines: [String] = [] }
        let told = Told()
        let set = PeerSet(fakes.map(\.program)) { told.lines.append($0) }
        set.rounds.pause = 0
        return (set, { told.lines })
    }

    /// A script that notes each of its runs in a common file, to show the order.
    private func noting(_ name: String, in file: String) -> FakePeer {
        FakePeer(
            """
            case $1 in
            version) echo \(name) ;;
            prepare) echo ok ;;
            run) echo \(name) >>'\(file)'; i=0; o=; while [ $i -lt $2 ]; do o="$o 7"; i=$((i + 1)); done; echo $o ;;
            esac
            """)
    }

    @Test func turnsAlternate() throws {
        let file = NSTemporaryDirectory() + "bench-peers-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let (set, told) = peers([noting("b", in: file), noting("c", in: file)])
        set.rounds.rounds = 3
        let rows = try set.rows(smallRequest) { repetitions in
            let old = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            try (old + "a\n").write(toFile: file, atomically: true, encoding: .utf8)
            return measurement(Array(repeating: 10, count: repetitions))
        }
        set.stop()
        let order = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").joined()
        #expect(order == "abcabcabc")
        #expect(rows.map(\.variant) == ["avx512", "b", "c"])
        #expect(told().isEmpty)
    }

    @Test func peersShareOursWorkAndBound() throws {
        let (set, _) = peers([FakePeer.honest(500)])
        // Half of the limit at 1000 ns: the bound is 500 ns. The second round's probes saw a faster machine: 400 ns.
        var bounds = [0.5, 0.4]
        set.rounds.rounds = 2
        let rows = try set.rows(smallRequest) { count in
            measurement([1000] + Array(repeating: 1200, count: count - 1), fraction: bounds.removeFirst())
        }
        set.stop()
        try #require(rows.count == 2)
        #expect(rows[0].minNs == 1000 && abs(rows[0].limitFraction - 0.4) < 1e-12)
        #expect(rows[1].variant == "fake 1.0" && rows[1].isPeer && !rows[0].isPeer && rows[1].detail == "a way")
        #expect(rows[1].minNs == 500 && abs(rows[1].limitFraction - 0.8) < 1e-12)
        #expect(rows[1].ops == rows[0].ops && rows[1].opsPerS == 1024 / 500 * 1e9)
        #expect(rows[1].shape == rows[0].shape && rows[1].case == rows[0].case && rows[1].dtype == rows[0].dtype)
        // Turns of 1 µs runs grow to the most that a turn holds.
        #expect(rows[1].samplesNs.count == 3 + set.rounds.mostRuns)
        let comparison = try #require(PeerReport.comparisons(rows).first)
        #expect(comparison.ratio == 2 && comparison.best?.variant == "fake 1.0")
        let text = PeerReport.text(rows)
        #expect(
            text.contains("2.000") && text.contains("0 ahead of every peer")
                && text.contains("fake 1.0, matmul f32: a way"))
        #expect(PeerReport.text([rows[0]]).isEmpty)
    }

    @Test func oneBadPeerCostsOneLine() throws {
        let dying = FakePeer(
            "case $1 in version) echo dying ;; prepare) echo ok ;; run) exit 9 ;; esac", name: "dying")
        let refusing = FakePeer("case $1 in version) echo refusing ;; *) echo unsupported not that ;; esac")
        let wrong = FakePeer("case $1 in version) echo wrong ;; *) echo error wrong result ;; esac")
        let (set, told) = peers([dying, refusing, wrong, FakePeer.honest(5)])
        for _ in 0..<4 {
            let rows = try set.rows(smallRequest) { measurement(Array(repeating: 10, count: $0)) }
            #expect(rows.map(\.variant) == ["avx512", "fake 1.0"])
        }
        set.stop()
        let lines = told()
        #expect(lines.count { $0.hasPrefix("dying: ended at 'run 3' (exit 9)") } == 3, "\(lines)")
        #expect(lines.last { $0.hasPrefix("dying") }?.hasSuffix("given up after three failures") == true, "\(lines)")
        #expect(lines.count { $0 == "refusing has no f32: not that" } == 1, "\(lines)")
        #expect(lines.contains("wrong, prepare f32 8 8 8 1: wrong result; it is left out of this row"), "\(lines)")
    }

    @Test func ourOwnErrorsArePassedOn() throws {
        struct Ours: Error {}
        let (set, _) = peers([FakePeer.honest(5)])
        defer { set.stop() }
        #expect(throws: Ours.self) { try set.rows(smallRequest) { _ in throw Ours() } }
    }

    @Test func missingPeersAreNamedWithTheFix() {
        let installed = InstalledPeers(root: URL(fileURLWithPath: "/nonexistent"))
        #expect(installed.programs.isEmpty)
        #expect(installed.missing.map { $0.prefix { $0 != ":" } } == ["oneDNN", "OpenBLAS", "torch", "onnxruntime"])
        #expect(installed.missing.allSatisfy { $0.contains("`make peers`") })
    }

    @Test func workersAreNamedToThePeers() {
        #expect(PeerSet.units([.pinned("hardware thread 1"), .pinned("hardware thread 12")]) == [1, 12])
        #expect(PeerSet.units([.pinned("hardware thread 1"), .skipped("runs on the callers")]).isEmpty)
    }
}
