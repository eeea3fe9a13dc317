/// Settings of Downpour SGD (Dean et al. 2012, section 4.1 and Algorithm 7.1): replicas compute gradients of mini-batches
/// with weights that may be out of date, and a ``ParameterServer`` applies them as they come.
public struct Downpour: Sendable, Hashable, Codable {
    /// What a worker does while weights are on their way.
    public enum Fetching: String, Sendable, Hashable, Codable, CaseIterable {
        /// Computes with those it has, as in Algorithm 7.1: no time is lost, and gradients are one step more out of date.
        case overlapped
        /// Waits for them.
        case awaited
    }

    /// After how many steps of its own a worker fetches weights: n_fetch.
    public var fetchEvery: Int
    /// After how many steps it pushes the sum of their gradients: n_push.
    public var pushEvery: Int
    /// How many gradients one worker alone computes before the others join ("warmstarting"). Adagrad's first rates are
    /// its largest; stale gradients then are what makes training unstable.
    public var warmStart: Int
    /// α: the rate of the plain step that a worker takes on its own copy between fetches; 0 takes none. Of use where it
    /// fetches more rarely than it computes.
    public var localRate: Double
    /// Whether a worker waits for the weights it has asked for. In one process, where fetching is copying, it does.
    public var fetching: Fetching

    /// After so many refusals in a row a worker gets no more work.
    public static let mostRefusals = 3

    /// The paper's n_fetch = n_push = 1, with a warm start of `warmStart` gradients.
    public init(
        fetchEvery: Int = 1, pushEvery: Int = 1, warmStart: Int = 0, localRate: Double = 0,
        fetching: Fetching = .overlapped
    ) {
        precondition(fetchEvery > 0 && pushEvery > 0, "fetching every \(fetchEvery), pushing every \(pushEvery) steps")
        precondition(warmStart >= 0 && localRate >= 0, "a warm start of \(warmStart), a local rate of \(localRate)")
        self.fetchEvery = fetchEvery
        self.pushEvery = pushEvery
        self.warmStart = warmStart
        self.localRate = localRate
        self.fetching = fetching
    }
}

/// What a stretch of Downpour training did.
public struct DownpourReport: Sendable {
    /// Mini-batch gradients that the server has applied.
    public var gradients = 0
    /// Their mean loss, each at the weights it was computed with.
    public var loss: Double { gradients > 0 ? losses / Double(gradients) : .nan }
    /// How many updates of others came between fetch and push on average: how stale gradients are.
    public var staleness: Double { pushes > 0 ? Double(stale) / Double(pushes) : 0 }
    /// What became of workers.
    public var events: [WorkerEvent] = []
    /// Seconds on the wall, or on the simulated cluster.
    public var seconds = 0.0
    var losses = 0.0
    var stale = 0
    var pushes = 0

    mutating func count(gradients: Int, losses: Double, stale: Int) {
        self.gradients += gradients
        self.losses += losses
        self.stale += stale
        pushes += 1
    }
}
