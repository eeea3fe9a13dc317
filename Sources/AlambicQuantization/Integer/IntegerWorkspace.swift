import AlambicKernels

/// What a step needs while it runs, in integers.
final class IntegerScratch: Sendable {
    /// Windows as rows.
    let patches: Memory<UInt8>
    /// Exact sums.
    let sums: Memory<Int32>
    /// Sums of the rows of the inputs.
    let rowSums: Memory<Int32>

    init(patches: Int, sums: Int, rows: Int) throws(KernelError) {
        self.patches = try Memory<UInt8>(count: patches)
        self.sums = try Memory<Int32>(count: sums)
        rowSums = try Memory<Int32>(count: rows)
    }
}

/// Memory for a program's pass over up to so many images. One pass at a time.
final class IntegerWorkspace: Sendable {
    /// How many images fit.
    let images: Int
    let scratch: IntegerScratch
    /// What each step passes on; empty for logits.
    let levels: [Memory<UInt8>]
    let logits: Memory<Int32>

    /// Elements that an image needs.
    private struct Counts {
        var (patches, sums, rows) = (0, 0, 0)
        var levels: [Int] = []

        init(_ program: IntegerProgram) {
            for step in program.steps {
                switch step {
                case .maxPool(let shape, let side): levels.append(shape.pooled(side: side).count)
                case .linear(let layer, let windows):
                    let count = windows?.count ?? 1
                    if windows != nil { patches = max(patches, count * layer.inputs) }
                    sums = max(sums, count * layer.outputs)
                    rows = max(rows, count)
                    levels.append(layer.output == .logits ? 0 : count * layer.outputs)
                }
            }
        }
        var bytes: Int { patches + MemoryLayout<Int32>.size * (sums + rows) + levels.reduce(0, +) }
    }

    /// How many images go through together: what a step leaves for the next one stays in the caches next to the cores.
    static func images(of program: IntegerProgram, threads: Int) -> Int {
        let cache = 768 << 10
        return min(max(threads * cache / max(Counts(program).bytes, 1), 1), 128)
    }

    init(_ program: IntegerProgram, images: Int) throws(KernelError) {
        self.images = images
        let counts = Counts(program)
        levels = try counts.levels.map { count throws(KernelError) in try Memory<UInt8>(count: images * count) }
        scratch = try IntegerScratch(
            patches: images * counts.patches, sums: images * counts.sums, rows: images * counts.rows)
        logits = try Memory<Int32>(count: images * program.classes)
    }
}
