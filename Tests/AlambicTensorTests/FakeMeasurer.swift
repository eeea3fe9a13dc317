import AlambicKernels
import Synchronization

@testable import AlambicTensor

/// Says how fast forms are without a look at them, and counts how often it is asked.
final class FakeMeasurer: FormMeasurer {
    private let speedups: [PackedMatrix.Form: [Double]]
    private let error: KernelError?
    private let asked = Mutex<[FormKey]>([])

    static let rows = [1, 8, 64, 512]

    /// - Parameter speedups: over dense, for each number of rows.
    init(_ speedups: [PackedMatrix.Form: [Double]] = [:], throwing error: KernelError? = nil) {
        (self.speedups, self.error) = (speedups, error)
    }

    var keys: [FormKey] { asked.withLock { $0 } }

    func measure(_ weight: PackedWeight, turns: Int, on context: Context) throws(KernelError) -> FormTimes {
        asked.withLock { $0.append(FormKey(weight, among: turns * weight.count)) }
        if let error { throw error }
        return Self.times(speedups)
    }

    static func times(_ speedups: [PackedMatrix.Form: [Double]]) -> FormTimes {
        let dense = rows.map { 1e-6 * Double($0) }
        var seconds = speedups.mapValues { zip(dense, $0).map { $0 / $1 } }
        seconds[.dense] = dense
        return FormTimes(rows: rows, seconds: seconds)
    }
}
