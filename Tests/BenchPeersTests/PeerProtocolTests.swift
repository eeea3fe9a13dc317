import Foundation
import Testing

@testable import bench

/// The line protocol, spoken with scripts that behave and with scripts that do not.
@Suite(.serialized) struct PeerProtocolTests {
    @Test func requestsNameWorkShapeThreadsAndTemperature() {
        #expect(smallRequest.line == "prepare f32 8 8 8 1")
        let cold = PeerRequest(
            work: .int4Groups128, shape: BenchShape(1, 11008, 4096), threads: 2, coldBytes: 268_435_456)
        #expect(cold.line == "prepare int4-g128 1 11008 4096 2 cold 268435456")
    }

    @Test func casesMeetPeersThatDoTheSameWork() {
        let expected: [(String, String, PeerWork?)] = [
            ("matmul", "f32", .f32NN), ("matmul-packed", "f32", .f32), ("matmul", "s8", .s8), ("matmul", "bf16", .bf16),
            ("matmul-packed", "f16", .f16), ("matmul-dynamic", "s8", .dynamicS8), ("matmul-decode", "f32", .f32),
            ("matmul-decode", "s8", .s8), ("matmul-nt", "f32", .f32NT), ("matmul-tn", "f32", .f32TN),
            ("matmul-packed", "s4g32", .int4Groups32), ("matmul-decode", "s4g128", .int4Groups128),
            ("matmul-weights", "s8", .w8), ("dropout", "f32", nil), ("matmul", "f64", nil),
            ("csr-90", "f32", .csr90), ("csr-90", "bf16", nil), ("csr-50", "f32", nil),
        ]
        for (name, dtype, work) in expected {
            #expect(PeerWork(case: name, dtype: dtype) == work, "\(name) \(dtype)")
        }
    }

    @Test func anHonestPeerIsHeard() throws {
        let fake = FakePeer.honest(1000)
        let peer = try Peer(fake.program, threads: 1)
        #expect(peer.version == "fake 1.0")
        #expect(try peer.prepare(smallRequest) == .ready("a way"))
        #expect(try peer.run(3, within: 10) == [1000, 1001, 1002])
        #expect(try peer.run(1, within: 10) == [1000])
        peer.stop()
        #expect(!peer.isRunning)
    }

    @Test func refusalsAreTold() throws {
        let fake = FakePeer(
            """
            case "$line" in
            version) echo fake 2 ;;
            *f32*) echo unsupported no f32 here ;;
            *bf16*) echo error wrong result at '(0, 0)' ;;
            esac
            """)
        let peer = try Peer(fake.program, threads: 1)
        #expect(try peer.prepare(smallRequest) == .unsupported("no f32 here"))
        var other = smallRequest
        other.work = .bf16
        #expect(try peer.prepare(other) == .refused("wrong result at (0, 0)"))
    }

    @Test func aPeerThatBabblesIsStopped() throws {
        for babble in ["12 thirteen 14", "-5 5 5", "1 2", "", "1 2 3 4", "99999999999999999999 1 1"] {
            let fake = FakePeer(
                "case $1 in version) echo fake 3 ;; prepare) echo ok ;; run) echo '\(babble)' ;; esac")
            let peer = try Peer(fake.program, threads: 1)
            #expect(try peer.prepare(smallRequest) == .ready(""))
            let failure = try #require(throws: PeerFailure.self) { try peer.run(3, within: 10) }
            #expect(failure.description == "fake 3: answered 'run 3' with '\(babble)'; stopped")
            #expect(!peer.isRunning, "\(babble)")
        }
        let fake = FakePeer("case $1 in version) echo fake 3 ;; *) echo okay then ;; esac")
        let peer = try Peer(fake.program, threads: 1)
        let failure = try #require(throws: PeerFailure.self) { try peer.prepare(smallRequest) }
        #expect(failure.description.contains("answered 'prepare f32 8 8 8 1' with 'okay then'"))
    }

    @Test func aLineWithoutEndIsStopped() throws {
        let fake = FakePeer("case $1 in version) echo fake 4 ;; *) exec cat /dev/zero ;; esac")
        let peer = try Peer(fake.program, threads: 1)
        let failure = try #require(throws: PeerFailure.self) { try peer.prepare(smallRequest, within: 60) }
        #expect(failure.description.contains("a line that does not end"), "\(failure)")
        #expect(!peer.isRunning)
    }

    @Test func aPeerThatDiesLeavesItsLastWords() throws {
        let fake = FakePeer(
            "case $1 in version) echo fake 5 ;; prepare) echo first >&2; echo out of weights >&2; exit 3 ;; esac")
        let peer = try Peer(fake.program, threads: 1)
        let failure = try #require(throws: PeerFailure.self) { try peer.prepare(smallRequest) }
        #expect(failure.description == "fake: ended at 'prepare f32 8 8 8 1' (exit 3): out of weights")
        // Asking a peer that is gone is an error of the same kind, not a signal.
        #expect(throws: PeerFailure.self) { try peer.prepare(smallRequest) }
    }

    @Test func aPeerThatIsKilledNamesTheSignal() throws {
        let fake = FakePeer("case $1 in version) echo fake 6 ;; prepare) kill -9 $$ ;; esac")
        let peer = try Peer(fake.program, threads: 1)
        let failure = try #require(throws: PeerFailure.self) { try peer.prepare(smallRequest) }
        #expect(failure.description == "fake: ended at 'prepare f32 8 8 8 1' (signal 9)")
    }

    @Test func aPeerThatHangsIsKilled() throws {
        let fake = FakePeer("case $1 in version) echo fake 7 ;; *) trap '' TERM; exec sleep 600 ;; esac")
        let peer = try Peer(fake.program, threads: 1)
        let before = ContinuousClock.now
        let failure = try #require(throws: PeerFailure.self) { try peer.prepare(smallRequest, within: 1) }
        #expect(failure.description == "fake: no answer to 'prepare f32 8 8 8 1' within 1 s; stopped")
        #expect(!peer.isRunning)
        #expect(ContinuousClock.now - before < .seconds(30))
    }

    @Test func aPeerThatCannotStartSaysWhich() throws {
        var program = PeerProgram(name: "absent", executable: "/nonexistent/peer")
        let failure = try #require(throws: PeerFailure.self) { try Peer(program, threads: 1) }
        #expect(failure.description.hasPrefix("absent: cannot start /nonexistent/peer"), "\(failure)")
        program.executable = "/bin/false"
        let silent = try #require(throws: PeerFailure.self) { try Peer(program, threads: 1) }
        #expect(silent.description.contains("absent: ended at 'version' (exit 1)"), "\(silent)")
    }

    @Test func theEnvironmentCannotSlowAPeer() throws {
        let fake = FakePeer("echo threads=$OMP_NUM_THREADS own=$OWN")
        var program = fake.program
        program.environment = ["OWN": "yes", "GLIBC_TUNABLES": "ours"]
        let peer = try Peer(program, threads: 3)
        #expect(peer.version == "threads=3 own=yes")
        let inherited = [
            "OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_L2_SIZE": "1", "GLIBC_TUNABLES": "glibc.malloc.check=3",
            "OMP_WAIT_POLICY": "passive", "PATH": "/bin",
        ]
        let values = PeerProcess.environment(of: program, threads: 2, inherited: inherited)
        #expect(values["OPENBLAS_CORETYPE"] == nil && values["OPENBLAS_L2_SIZE"] == nil, "\(values)")
        #expect(values["OMP_WAIT_POLICY"] == nil && values["GLIBC_TUNABLES"] == "ours", "\(values)")
        #expect(values["PATH"] == "/bin" && values["OPENBLAS_NUM_THREADS"] == "2", "\(values)")
    }
}
