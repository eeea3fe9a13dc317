import Foundation

/// A cluster to simulate: how fast its machines compute and talk. Read from a JSON file:
///
/// ```json
/// {
///   "name": "ten-gigabit",
///   "source": "where the numbers come from",
///   "bandwidthGigabitsPerSecond": 10,
///   "latencyMicroseconds": 50,
///   "parameterServers": 2,
///   "workers": [{ "name": "worker-0", "speed": 1 }]
/// }
/// ```
///
/// Every machine has a full-duplex link of that bandwidth to a switch that never blocks. A speed is relative to the
/// machine that step times were measured on.
public struct Cluster: Sendable, Hashable, Codable {
    /// A machine that computes gradients.
    public struct Worker: Sendable, Hashable, Codable {
        /// What messages call it.
        public var name: String
        /// Steps in the time that one step took where times were measured.
        public var speed: Double

        /// A worker of this speed.
        public init(name: String, speed: Double) { (self.name, self.speed) = (name, speed) }
    }

    /// What it is called.
    public var name: String
    /// Where the numbers come from.
    public var source: String
    /// Of every link, each way.
    public var bandwidthGigabitsPerSecond: Double
    /// From one machine to another.
    public var latencyMicroseconds: Double
    /// Machines that hold a shard each.
    public var parameterServers: Int
    /// In the order in which they are used.
    public var workers: [Worker]

    /// Bytes in a second.
    public var bandwidth: Double { bandwidthGigabitsPerSecond * 1e9 / 8 }
    /// Seconds.
    public var latency: Double { latencyMicroseconds / 1e6 }

    /// Workers of equal speed.
    public init(
        name: String, source: String = "", bandwidthGigabitsPerSecond: Double, latencyMicroseconds: Double,
        parameterServers: Int, workers: [Worker]
    ) {
        self.name = name
        self.source = source
        self.bandwidthGigabitsPerSecond = bandwidthGigabitsPerSecond
        self.latencyMicroseconds = latencyMicroseconds
        self.parameterServers = parameterServers
        self.workers = workers
    }

    /// Reads a cluster's file.
    public init(contentsOf url: URL) throws(ParallelError) {
        let path = url.path
        let bytes: Data
        do { bytes = try Data(contentsOf: url) } catch {
            throw .cluster(path: path, reason: "cannot be read: name an existing JSON file")
        }
        do {
            self = try JSONDecoder().decode(Cluster.self, from: bytes)
        } catch {
            throw .cluster(path: path, reason: Self.reason(error))
        }
        if let problem { throw .cluster(path: path, reason: problem) }
    }

    /// The first `count` workers alone.
    public func using(workers count: Int) -> Cluster {
        precondition((1...workers.count).contains(count), "\(count) of \(workers.count) workers")
        var part = self
        part.workers = Array(workers.prefix(count))
        return part
    }

    /// What is wrong with the numbers, nil when nothing is.
    private var problem: String? {
        guard bandwidthGigabitsPerSecond > 0, bandwidthGigabitsPerSecond.isFinite else {
            return "bandwidthGigabitsPerSecond is \(bandwidthGigabitsPerSecond): expected a positive number"
        }
        guard latencyMicroseconds >= 0, latencyMicroseconds.isFinite else {
            return "latencyMicroseconds is \(latencyMicroseconds): expected 0 or more"
        }
        guard parameterServers > 0 else { return "parameterServers is \(parameterServers): expected at least 1" }
        guard !workers.isEmpty else { return "workers is empty: expected at least one" }
        for worker in workers where !(worker.speed > 0 && worker.speed.isFinite) {
            return "worker '\(worker.name)' has the speed \(worker.speed): expected a positive number"
        }
        var names: Set<String> = []
        for worker in workers where !names.insert(worker.name).inserted {
            return "two workers are named '\(worker.name)': give each a name of its own"
        }
        return nil
    }

    private static func reason(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.reduce("") { path, key in
                if let index = key.intValue { return "\(path)[\(index)]" }
                return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
            }
        }
        return switch error as? DecodingError {
        case .keyNotFound(let key, let context):
            "\(context.codingPath.isEmpty ? "" : path(context) + ".")\(key.stringValue) is missing: add it"
        case .typeMismatch(let type, let context): "\(path(context)) is not a \(type)"
        case .valueNotFound(let type, let context): "\(path(context)) is null: expected a \(type)"
        default: "is not JSON"
        }
    }
}
