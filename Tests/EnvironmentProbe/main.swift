// What the environment makes of contexts, one line for each fact. The kernel tests start it as a process of its own that has
// its environment from the beginning: to set a variable in a process that has threads is a race with whoever reads one.
import AlambicKernels
import Synchronization

func report() throws {
    let machine = Machine.local
    let all = machine.context
    print("default:", all.threads, all.isa)
    print("own:", try machine.context().threads, try Context(threads: 1).isa)
    print("problem:", machine.environmentProblem ?? "none")
    let four = try machine.context(threads: 4)
    print("four:", four.threads, four.pinning.count)
    for context in [all, four] {
        let sum = Atomic(0)
        try concurrently(1000, on: context) { sum.add($0 + 1, ordering: .relaxed) }
        print("sum:", sum.load(ordering: .relaxed))
    }
}

try report()
