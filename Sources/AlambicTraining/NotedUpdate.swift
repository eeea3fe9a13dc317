import AlambicKernels
import AlambicTensor

/// What a trainer's update is noted in, with the memory that its kernels hand each other numbers in.
final class NotedUpdate {
    let list: OperationList
    let squares: Memory<Double>
    let norm: Memory<Double>
    /// What asks for times, if anybody does.
    var profile: StepProfile?

    init(on context: Context) throws(KernelError) {
        list = try OperationList(on: context)
        squares = try Memory(count: 1)
        norm = try Memory(count: 1)
    }

    func stage(_ name: String, bytes: Double) { profile?.begin(name, in: list, bytes: bytes) }

    func run() throws(KernelError) {
        if let profile { try profile.run(list) } else { try list.run() }
    }
}
