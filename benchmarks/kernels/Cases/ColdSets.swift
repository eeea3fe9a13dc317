import AlambicKernels

extension BenchCase {
    /// A case on separate sets of buffers of whatever types, whose time is memory traffic: its arithmetic is free or
    /// hidden.
    ///
    /// - Parameters:
    ///   - held: bytes of one set, less than 4096 for each element of the shape.
    ///   - moved: bytes that a run must read or write, of a set that was just made.
    ///   - make: makes one set. What runs only read must have been written before: see ``writtenZeros(_:)``.
    ///   - body: runs once on a set.
    static func rotating<Buffers>(
        _ name: String, _ dtype: String, _ summary: String, variants: [Variant], shapes: [BenchShape],
        pattern: TrafficPattern, takesProductShapes: Bool = true, accepts: (@Sendable (BenchShape) -> Bool)? = nil,
        held: @escaping @Sendable (_ shape: BenchShape) -> Int,
        moved: @escaping @Sendable (_ shape: BenchShape, _ set: Buffers) -> Int,
        make: @escaping @Sendable (_ shape: BenchShape, _ context: Context) throws -> Buffers,
        body: @escaping @Sendable (_ shape: BenchShape, _ set: Buffers, _ context: Context) throws -> Void
    ) -> BenchCase {
        BenchCase(
            name: name, dtype: dtype, summary: summary, variants: variants, shapes: shapes, isCold: true,
            prepare: { shape, context in
                let copies = context.machine.coldCopies(ofBytes: held(shape))
                let sets = try (0..<copies).map { _ in try make(shape, context) }
                return Workload(
                    ops: 0, bytes: Double(moved(shape, sets[0])), peak: .f32, pattern: pattern, copies: copies
                ) { copy in try body(shape, sets[copy], context) }
            }, takesProductShapes: takesProductShapes, accepts: accepts,
            memory: { shape, machine in
                guard let count = shape.product, count <= Int.max / 16384 else { return nil }
                let bytes = held(shape)
                // What a set is made from may be as large as the set itself.
                return machine.rotationMemory(ofBytes: bytes, isCold: true).map { $0 + bytes }
            })
    }
}
