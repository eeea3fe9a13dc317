import AlambicKernels
import AlambicTensor

/// Downpour SGD on a simulated cluster: every gradient and every update is computed for real, in the order in which they
/// would happen there by a virtual clock. The same settings give the same bits, so that asynchronous training can be
/// studied and tested.
///
/// What the clock knows: a step takes ``Times/step`` seconds over the worker's speed; fetch and push pass the worker's
/// link and those of the servers, which share the bytes evenly; a server's link serves one worker after another, each way
/// for itself. Pushes overlap with computing, and so do fetches unless ``Downpour/fetching`` says otherwise: a step uses the
/// newest weights that have arrived, and waits only for the first ones, and to push until the
/// servers have taken the push before. What it leaves out: the
/// spread of step times, and congestion inside the switch.
public final class SimulatedDownpour {
    /// Measured times that the clock goes by, in seconds.
    public struct Times: Sendable, Hashable, Codable {
        /// Of one mini-batch gradient.
        public var step: Double
        /// Of one update of all shards together.
        public var update: Double

        /// Seconds of a gradient and of an update.
        public init(step: Double, update: Double) {
            precondition(step > 0 && update >= 0, "a step of \(step) s and an update of \(update) s")
            (self.step, self.update) = (step, update)
        }
    }

    private enum Event {
        case begin(Int)
        case request(Int)
        case weights(Int)
        case computed(Int, batch: Int)
        case gradient(Message)
    }

    /// A push on its way.
    private final class Message {
        let gradients: GradientSet
        var worker = 0, step = 0, count = 0, fetchedAt = 0
        var loss = 0.0
        var batches: [Int] = []
        init(_ gradients: GradientSet) { self.gradients = gradients }
    }

    /// What the network has for a worker.
    private final class Link {
        let inbox: [Parameter]
        var hasWeights = false
        var version = 0
        var isRequesting = false
        var isWaiting = false
        var sendsUntil = 0.0
        /// Whether the servers have not yet taken the last push, and whether the next one waits for that.
        var isPushing = false
        var isBlocked = false
        init(_ inbox: [Parameter]) { self.inbox = inbox }
    }

    /// The weights.
    public let server: ParameterServer
    private let settings: Downpour
    private let cluster: Cluster
    private let times: Times
    private let clients: [DownpourClient]
    private let links: [Link]
    private var queue = EventQueue<Event>()
    private var batches = 0
    /// Mini-batches that lost workers have given back.
    private var returned: [Int] = []
    private var applied = 0
    private var hasStarted = false
    private var isWarm = false
    private var serverSendsUntil = 0.0
    private var serverReceivesUntil = 0.0
    private var idle: [Message] = []
    private var report = DownpourReport()

    /// Workers of a cluster, one for each replica. `faults[i]` goes wrong with worker i.
    public init(
        _ settings: Downpour, on cluster: Cluster, times: Times, server: ParameterServer,
        replicas: [any GradientReplica], faults: [Int: Fault] = [:]
    ) throws(ParallelError) {
        precondition(
            replicas.count == cluster.workers.count, "\(replicas.count) replicas for \(cluster.workers.count) workers")
        self.settings = settings
        self.cluster = cluster
        self.times = times
        self.server = server
        let clients = try downpourClients(settings, replicas, faults)
        self.clients = clients
        links = try kernels { () throws(KernelError) in
            var links: [Link] = []
            for client in clients { links.append(Link(try copies(of: client.replica.parameters))) }
            return links
        }
    }

    /// Seconds that have passed on the cluster.
    public var seconds: Double { queue.now }

    /// Goes on until `count` more gradients have been applied.
    public func run(gradients count: Int) throws(ParallelError) -> DownpourReport {
        let start = queue.now
        report = DownpourReport()
        if !hasStarted { beginNextWarm() }
        hasStarted = true
        let limit = applied + count
        while applied < limit {
            guard let event = queue.next() else {
                throw .noWorkersLeft(of: clients.count, afterGradients: applied, last: report.events.last)
            }
            try handle(event)
        }
        report.seconds = queue.now - start
        return report
    }

    private func handle(_ event: Event) throws(ParallelError) {
        switch event {
        case .begin(let worker): begin(worker)
        case .request(let worker): serve(worker)
        case .weights(let worker): arrive(worker)
        case .computed(let worker, let batch): try compute(worker, batch)
        case .gradient(let message): try receive(message)
        }
    }

    /// The warm start is the first living worker's alone; then all begin.
    private func beginNextWarm() {
        if settings.warmStart > applied {
            if let first = clients.first(where: \.isAlive) { queue.plan(.begin(first.number), at: queue.now) }
        } else {
            join(except: nil)
        }
    }

    private func join(except worker: Int?) {
        isWarm = true
        for client in clients where client.isAlive && client.number != worker {
            queue.plan(.begin(client.number), at: queue.now)
        }
    }

    /// Asks for weights, behind what is being sent, and computes with those it has unless it is to wait.
    private func begin(_ worker: Int) {
        let (client, link) = (clients[worker], links[worker])
        guard client.isAlive else { return }
        if client.diesNow { return lose(client, .died(worker: worker, step: client.step)) }
        let asks = client.fetches && !link.isRequesting
        if asks {
            link.isRequesting = true
            queue.plan(.request(worker), at: max(queue.now, link.sendsUntil) + cluster.latency)
        }
        link.isWaiting = asks && (settings.fetching == .awaited || client.step == 0)
        if !link.isWaiting { start(worker) }
    }

    private func start(_ worker: Int) {
        let (client, link) = (clients[worker], links[worker])
        if link.hasWeights {
            client.replica.copyWeights(from: link.inbox)
            client.fetchedAt = link.version
            link.hasWeights = false
        }
        let seconds = times.step * client.fault.slowness / cluster.workers[worker].speed
        queue.plan(.computed(worker, batch: nextBatch()), at: queue.now + seconds)
    }

    private func nextBatch() -> Int {
        if let batch = returned.popLast() { return batch }
        defer { batches += 1 }
        return batches
    }

    /// The servers send their weights as they are when it is this worker's turn.
    private func serve(_ worker: Int) {
        guard serverSendsUntil <= queue.now else { return queue.plan(.request(worker), at: serverSendsUntil) }
        let link = links[worker]
        server.fetch(into: link.inbox)
        link.version = server.updates
        serverSendsUntil = queue.now + transfer / Double(cluster.parameterServers)
        queue.plan(.weights(worker), at: queue.now + transfer + cluster.latency)
    }

    private func arrive(_ worker: Int) {
        let link = links[worker]
        link.hasWeights = true
        link.isRequesting = false
        if link.isWaiting { start(worker) }
        link.isWaiting = false
    }

    private func compute(_ worker: Int, _ batch: Int) throws(ParallelError) {
        let (client, link) = (clients[worker], links[worker])
        // Dropped meanwhile, for what it had sent before.
        guard client.isAlive else { return returned.append(batch) }
        do throws(ParallelError) {
            try client.compute(batch: batch)
        } catch {
            return lose(client, .failed(worker: worker, step: client.step, reason: error.description))
        }
        guard client.pushes else { return queue.plan(.begin(worker), at: queue.now) }
        // One push at a time: where the servers are too slow for their workers, these wait.
        link.isBlocked = link.isPushing
        if !link.isBlocked { try send(from: client) }
    }

    private func send(from client: DownpourClient) throws(ParallelError) {
        let link = links[client.number]
        link.isPushing = true
        link.isBlocked = false
        link.sendsUntil = queue.now + transfer
        queue.plan(.gradient(try message(from: client)), at: link.sendsUntil + cluster.latency)
        queue.plan(.begin(client.number), at: queue.now)
    }

    private func message(from client: DownpourClient) throws(ParallelError) -> Message {
        let message: Message
        if let old = idle.popLast() { message = old } else { message = try newMessage(client) }
        message.gradients.flat.copy(from: client.accrued.flat)
        (message.worker, message.step, message.fetchedAt) = (client.number, client.step - 1, client.fetchedAt)
        (message.count, message.loss) = (client.accruedGradients, client.accruedLoss)
        message.batches = client.clear()
        return message
    }

    private func newMessage(_ client: DownpourClient) throws(ParallelError) -> Message {
        try kernels { () throws(KernelError) in Message(try GradientSet(for: client.replica.parameters)) }
    }

    private func receive(_ message: Message) throws(ParallelError) {
        guard serverReceivesUntil <= queue.now else {
            return queue.plan(.gradient(message), at: serverReceivesUntil)
        }
        serverReceivesUntil = queue.now + (transfer + times.update) / Double(cluster.parameterServers)
        let (client, link) = (clients[message.worker], links[message.worker])
        idle.append(message)
        try apply(message, from: client)
        link.isPushing = false
        if link.isBlocked, client.isAlive { try send(from: client) }
    }

    private func apply(_ message: Message, from client: DownpourClient) throws(ParallelError) {
        let before = server.updates
        do throws(ParallelError) {
            try server.push(
                message.gradients, from: message.worker, step: message.step, on: client.replica.context)
        } catch {
            client.refuse(message.batches)
            return refuse(client, error)
        }
        client.accept()
        applied += message.count
        report.count(gradients: message.count, losses: message.loss, stale: before - message.fetchedAt)
        if !isWarm, applied >= settings.warmStart { join(except: message.worker) }
    }

    private func refuse(_ client: DownpourClient, _ error: ParallelError) {
        guard case .refused(let worker, let step) = error else {
            return lose(client, .failed(worker: client.number, step: client.step, reason: error.description))
        }
        report.events.append(.refused(worker: worker, step: step))
        // What was under way from a worker that is lost already is given back too.
        if client.refusals >= Downpour.mostRefusals || !client.isAlive {
            lose(client, .dropped(worker: worker, step: step))
        }
    }

    private func lose(_ client: DownpourClient, _ event: WorkerEvent) {
        returned += client.giveBack()
        guard client.isAlive else { return }
        client.isAlive = false
        report.events.append(event)
        if !isWarm { beginNextWarm() }
    }

    /// Seconds that all weights take over one link.
    private var transfer: Double { Double(server.bytes) / cluster.bandwidth }
}
