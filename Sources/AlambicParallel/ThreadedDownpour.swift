import AlambicKernels
import AlambicTensor
import Foundation
import Synchronization

/// Downpour SGD with a thread for each worker: asynchronous for real, hence different in every run.
///
/// Mini-batches are dealt to whoever asks next, and those of a lost worker that the server has nothing of are dealt again, so
/// that slow and dead workers leave no part of the data unseen. Replicas should have contexts of one thread, each with a
/// first core of its own: contexts made alike share a team and wait for each other.
public final class ThreadedDownpour {
    /// The weights.
    public let server: ParameterServer
    private let settings: Downpour
    private let clients: [DownpourClient]
    private let tickets = Tickets()

    /// Workers for these replicas. `faults[i]` goes wrong with worker i; those left out are well.
    public init(
        _ settings: Downpour, server: ParameterServer, replicas: [any GradientReplica], faults: [Int: Fault] = [:]
    ) throws(ParallelError) {
        self.settings = settings
        self.server = server
        clients = try downpourClients(settings, replicas, faults)
    }

    /// Computes `count` more gradients, and returns when all workers are done. Goes on from the run before, with what workers
    /// have accrued and not yet pushed.
    public func run(gradients count: Int) throws(ParallelError) -> DownpourReport {
        let clock = ContinuousClock()
        let start = clock.now
        let run = Run(server: server, tickets: tickets)
        let limit = tickets.taken + count
        // The warm start is the first living worker's alone.
        while tickets.taken < min(settings.warmStart, limit), let first = clients.first(where: \.isAlive) {
            run.work(first, until: min(settings.warmStart, limit))
        }
        // Once, unless a worker was lost after others had found nothing more to do: they do what it has given back.
        while tickets.taken < limit, clients.contains(where: \.isAlive) { workTogether(run, until: limit) }
        var report = run.report
        report.seconds = (clock.now - start) / .seconds(1)
        guard clients.contains(where: \.isAlive) else {
            throw .noWorkersLeft(of: clients.count, afterGradients: report.gradients, last: report.events.last)
        }
        return report
    }

    /// All that are left, each on a thread of its own, until there is nothing more to do.
    private func workTogether(_ run: Run, until limit: Int) {
        let group = DispatchGroup()
        for client in clients where client.isAlive {
            group.enter()
            let thread = Thread {
                run.work(client, until: limit)
                group.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        group.wait()
    }
}

/// Numbers of mini-batches, each given out once, and again when it comes back.
private final class Tickets: Sendable {
    private struct State {
        var next = 0
        var returned: [Int] = []
        var taken: Int { next - returned.count }
    }

    private let state = Mutex(State())

    /// How many are out, or done.
    var taken: Int { state.withLock { $0.taken } }

    func take(below limit: Int) -> Int? {
        state.withLock { state in
            guard state.taken < limit else { return nil }
            if let ticket = state.returned.popLast() { return ticket }
            defer { state.next += 1 }
            return state.next
        }
    }

    func putBack(_ tickets: [Int]) { state.withLock { $0.returned += tickets } }
}

/// What the threads of one run share.
private final class Run: Sendable {
    private let server: ParameterServer
    private let tickets: Tickets
    private let shared = Mutex(DownpourReport())

    init(server: ParameterServer, tickets: Tickets) {
        self.server = server
        self.tickets = tickets
    }

    var report: DownpourReport { shared.withLock { $0 } }

    /// One worker's loop: Algorithm 7.1.
    func work(_ client: DownpourClient, until limit: Int) {
        let clock = ContinuousClock()
        while client.isAlive {
            if client.diesNow { return lose(client, .died(worker: client.number, step: client.step)) }
            guard let ticket = tickets.take(below: limit) else { return }
            if client.fetches { fetch(client) }
            let start = clock.now
            do throws(ParallelError) {
                try client.compute(batch: ticket)
            } catch {
                return lose(
                    client, .failed(worker: client.number, step: client.step, reason: error.description))
            }
            if client.fault.slowness > 1 {
                Thread.sleep(forTimeInterval: (client.fault.slowness - 1) * ((clock.now - start) / .seconds(1)))
            }
            if client.pushes { push(client) }
        }
    }

    private func fetch(_ client: DownpourClient) {
        client.fetchedAt = server.updates
        server.fetch(into: client.replica.parameters)
    }

    private func push(_ client: DownpourClient) {
        let before = server.updates
        do throws(ParallelError) {
            try server.push(
                client.accrued, from: client.number, step: client.step - 1, on: client.replica.context)
            shared.withLock {
                $0.count(
                    gradients: client.accruedGradients, losses: client.accruedLoss, stale: before - client.fetchedAt)
            }
            client.accept()
            client.clear()
        } catch {
            client.refuse(client.clear())
            refuse(client, error)
        }
    }

    /// Weights of its own that have gone bad are replaced; who goes on being refused gets no more work.
    private func refuse(_ client: DownpourClient, _ error: ParallelError) {
        guard case .refused(let worker, let step) = error else {
            return lose(client, .failed(worker: client.number, step: client.step, reason: error.description))
        }
        shared.withLock { $0.events.append(.refused(worker: worker, step: step)) }
        if client.refusals >= Downpour.mostRefusals { return lose(client, .dropped(worker: worker, step: step)) }
        fetch(client)
    }

    private func lose(_ client: DownpourClient, _ event: WorkerEvent) {
        client.isAlive = false
        tickets.putBack(client.giveBack())
        shared.withLock { $0.events.append(event) }
    }
}
