import AlambicKernels

/// Elementwise operations of activations, in f32 and bf16, against a copy around the caches.
extension BenchCase {
    static let elements =
        [geluCases(.tanh, "gelu"), geluCases(.erf, "gelu-erf")].flatMap { $0 } + [
            swigluForward(Float.self, "f32"), swigluForward(UInt16.self, "bf16"),
            swigluGradient(Float.self, "f32"), swigluGradient(UInt16.self, "bf16"),
            dropoutTo(UInt16.self, "f32-bf16") { x, y, context in
                try dropout(x.span, rate: 0.1, seed: 1, stream: 2, into: y.mutableSpan, on: context)
            },
            rotation(Float.self, "f32", .interleaved, "rope-interleaved"), rotation(Float.self, "f32", .halves, "rope"),
            rotation(UInt16.self, "bf16", .interleaved, "rope-interleaved"),
            rotation(UInt16.self, "bf16", .halves, "rope"),
            rotation(Float.self, "f32", .halves, "rope-backward", back: true),
            rotation(UInt16.self, "bf16", .halves, "rope-backward", back: true),
        ]

    /// Cold vectors of one type; `buffers` of the shape's elements each, of which `read` hold values.
    private static func vectors<E: FloatElement>(
        _ name: String, _ dtype: String, _ summary: String, _ type: E.Type, variants: [Variant], shapes: [BenchShape],
        pattern: TrafficPattern = .streamingCopy, read: Int, written: Int,
        body: @escaping @Sendable (_ shape: BenchShape, _ buffers: [Memory<E>], _ context: Context) throws -> Void
    ) -> BenchCase {
        let size = MemoryLayout<E>.stride, buffers = read + written
        return BenchCase(
            name: name, dtype: dtype, summary: summary, variants: variants, shapes: shapes, isCold: true,
            prepare: { shape, context in
                let count = shape.extents.reduce(1, *)
                let copies = context.machine.coldCopies(ofBytes: size * count * buffers)
                let sets = try (0..<copies).map { _ in
                    try (0..<buffers).map { try $0 < read ? values(count, E.self) : Memory<E>(count: count) }
                }
                return Workload(
                    ops: 0, bytes: Double(size * count * buffers), peak: .f32, pattern: pattern, copies: copies
                ) { copy in try body(shape, sets[copy], context) }
            },
            memory: { shape, machine in machine.floatsInRotation(shape, buffers: buffers) })
    }

    private static func values<E: FloatElement>(_ count: Int, _: E.Type) throws -> Memory<E> {
        let floats = try Memory<Float>(count: count)
        try normal(seed: 1, stream: 1, into: floats.mutableSpan, on: .default)
        if let floats = floats as? Memory<E> { return floats }
        let halves = try Memory<UInt16>(count: count)
        try convert(floats.span, to: .bf16, into: halves.mutableSpan, on: .default)
        guard let halves = halves as? Memory<E> else { preconditionFailure("\(E.self) is neither f32 nor bf16") }
        return halves
    }

    private static func geluCases(_ form: GELUForm, _ name: String) -> [BenchCase] {
        let shapes = [BenchShape(16384, 3072), BenchShape(4096, 512)]
        return [
            vectors(
                name, "f32", "GELU, \(form) form", Float.self, variants: Kernels.gelu, shapes: shapes, read: 1,
                written: 1
            ) { _, buffers, context in
                let (a, b) = (buffers[0], buffers[1])
                try gelu(a.span, form: form, into: b.mutableSpan, on: context)
            },
            vectors(
                name, "bf16", "GELU, \(form) form", UInt16.self, variants: Kernels.gelu, shapes: shapes, read: 1,
                written: 1
            ) { _, buffers, context in
                let (a, b) = (buffers[0], buffers[1])
                try gelu(a.span, form: form, into: b.mutableSpan, on: context)
            },
            vectors(
                "\(name)-backward", "f32", "gradient of GELU, \(form) form", Float.self, variants: Kernels.gelu,
                shapes: shapes, read: 2, written: 1
            ) { _, buffers, context in
                let (a, b, c) = (buffers[0], buffers[1], buffers[2])
                try geluBackward(
                    a.span, b.span, form: form, into: c.mutableSpan, on: context)
            },
            vectors(
                "\(name)-backward", "bf16", "gradient of GELU, \(form) form", UInt16.self, variants: Kernels.gelu,
                shapes: shapes, read: 2, written: 1
            ) { _, buffers, context in
                let (a, b, c) = (buffers[0], buffers[1], buffers[2])
                try geluBackward(
                    a.span, b.span, form: form, into: c.mutableSpan, on: context)
            },
        ]
    }

    private static let gated = [BenchShape(4096, 5632), BenchShape(1024, 2048)]

    private static func swigluForward<E: FloatElement>(_: E.Type, _ dtype: String) -> BenchCase {
        vectors(
            "swiglu", dtype, "silu(gate) times up", E.self, variants: Kernels.swiglu, shapes: gated, read: 2, written: 1
        ) { shape, buffers, context in
            let (a, b, c) = (buffers[0], buffers[1], buffers[2])
            try swiglu(
                gate: a.span, up: b.span, rows: shape[0], width: shape[1],
                into: c.mutableSpan, on: context)
        }
    }

    private static func swigluGradient<E: FloatElement>(_: E.Type, _ dtype: String) -> BenchCase {
        vectors(
            "swiglu-backward", dtype, "gradients of silu(gate) times up", E.self, variants: Kernels.swiglu,
            shapes: gated,
            read: 3, written: 2
        ) { shape, buffers, context in
            let (a, b, c, d, e) = (buffers[0], buffers[1], buffers[2], buffers[3], buffers[4])
            try swigluBackward(
                a.span, gate: b.span, up: c.span, rows: shape[0], width: shape[1],
                into: d.mutableSpan, dUp: e.mutableSpan, on: context)
        }
    }

    /// Rows of heads of 64, each at a position of its own; the tables stay in the cache.
    private static func rotation<E: FloatElement>(
        _: E.Type, _ dtype: String, _ layout: RotaryLayout, _ name: String, back: Bool = false
    ) -> BenchCase {
        let positions = 1024, width = 64
        return vectors(
            name, dtype, "\(back ? "gradient of " : "")rotary embedding, \(layout)", E.self, variants: Kernels.rope,
            shapes: [BenchShape(16384, 2048), BenchShape(1024, 1024)], read: 1, written: 1
        ) { shape, buffers, context in
            let (a, b) = (buffers[0], buffers[1])
            let heads = RotaryHeads(heads: shape[1] / width, rowStride: shape[1], headStride: width)
            let rows = RotaryRows(shape[0], length: positions)
            let tables = try RotaryTables.shared(width: width, positions: positions)
            if back {
                try rotateBackward(
                    a.span, heads, layout: layout, rows: rows, by: tables, into: b.mutableSpan, on: context)
            } else {
                try rotate(a.span, heads, layout: layout, rows: rows, by: tables, into: b.mutableSpan, on: context)
            }
        }
    }

    private static func dropoutTo<E: FloatElement>(
        _: E.Type, _ dtype: String,
        body: @escaping @Sendable (_ x: Memory<Float>, _ y: Memory<E>, _ context: Context) throws -> Void
    ) -> BenchCase {
        let size = 4 + MemoryLayout<E>.stride
        return BenchCase(
            name: "dropout", dtype: dtype, summary: "dropout of f32, rounded to bf16", variants: Kernels.dropout,
            shapes: [BenchShape(67_108_864), BenchShape(1_048_576)], isCold: true,
            prepare: { shape, context in
                let count = shape[0], copies = context.machine.coldCopies(ofBytes: size * count)
                let inputs = try (0..<copies).map { _ in try ramp(count) }
                let outputs = try (0..<copies).map { _ in try Memory<E>(count: count) }
                return Workload(
                    ops: 0, bytes: Double(size * count), peak: .f32, pattern: .streamingCopy, copies: copies
                ) { copy in try body(inputs[copy], outputs[copy], context) }
            })
    }
}

extension RotaryTables {
    private static let bench = try? RotaryTables(width: 64, positions: 1024, on: .default)

    /// The tables of the benchmark, made once.
    fileprivate static func shared(width: Int, positions: Int) throws -> RotaryTables {
        if let bench, bench.width == width, bench.positions == positions { return bench }
        return try RotaryTables(width: width, positions: positions, on: .default)
    }
}
