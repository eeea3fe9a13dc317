/// How weights lie in memory, as `bench sparse` tells them apart.
enum SparseForm: String, Codable, CaseIterable, Sendable {
    case dense, bitmask, blocks, csr
}

/// One way to multiply with weights of which so many percent are zero, timed several times.
struct SparseTiming: Codable, Sendable {
    /// The product, in the C type names.
    var dtype: String
    var form: SparseForm
    var percent: Int
    var rows: Int
    /// Bytes of the packed weights.
    var bytes: Int
    var samplesNs: [Int]
    var medianNs: Int
    var minNs: Int

    init(dtype: String, form: SparseForm, percent: Int, rows: Int, bytes: Int, samplesNs: [Int]) {
        let sorted = samplesNs.sorted()
        (self.dtype, self.form, self.percent, self.rows, self.bytes) = (dtype, form, percent, rows, bytes)
        self.samplesNs = samplesNs
        (medianNs, minNs) = (sorted.isEmpty ? 0 : sorted[sorted.count / 2], sorted.first ?? 0)
    }
}

/// What sparsity pays, from timings of all forms of weights that met the same weather.
struct SparseTable {
    /// The types that weights are stored in, in the order of the tables, and the dense types that each may meet instead: every
    /// one that takes fewer bits, its own first.
    static let types: [(dtype: String, against: [String])] = [
        ("f32", ["f32", "bf16", "s8"]), ("bf16", ["bf16", "s8"]), ("s8", ["s8", fourBits]),
    ]
    /// The dense 4-bit type that int8 is held against with one row.
    static let fourBits = "s8s4g32"
    static let percents = [0, 50, 60, 70, 80, 90, 95]
    static let rows = [1, 8, 64, 512]

    /// The fastest form at a place of the table.
    struct Cell: Codable, Equatable, Sendable {
        /// The fastest sparse form.
        var form: SparseForm
        /// The dense form's time over its time: above 1 it wins.
        var gain: Double
    }

    let timings: [SparseTiming]

    /// Median nanoseconds; nil where it was not measured. Dense weights take the same time at any share of zeros.
    func median(_ dtype: String, _ form: SparseForm, percent: Int, rows: Int) -> Double? {
        timings.first {
            $0.dtype == dtype && $0.form == form && $0.rows == rows && (form == .dense || $0.percent == percent)
        }.map { Double($0.medianNs) }
    }

    /// The fastest of these forms against the dense one of a type; nil where nothing was measured.
    ///
    /// - Parameter against: the dense type; nil for its own.
    func cell(
        _ dtype: String, _ forms: [SparseForm], percent: Int, rows: Int, against: String? = nil
    ) -> Cell? {
        guard let dense = median(against ?? dtype, .dense, percent: percent, rows: rows) else { return nil }
        return forms.compactMap { form in
            median(dtype, form, percent: percent, rows: rows).map { Cell(form: form, gain: dense / max($0, 1)) }
        }.max { $0.gain < $1.gain }
    }

    /// The share of zeros from which on a form is faster than dense weights: its time is taken to be linear between the
    /// shares that were measured.
    ///
    /// - Returns: percent; 0 when it is faster everywhere, infinity when it is slower at the largest share measured; nil when
    ///   either was not measured.
    func breakEven(_ dtype: String, _ form: SparseForm, against: String, rows: Int) -> Double? {
        guard let dense = median(against, .dense, percent: 0, rows: rows) else { return nil }
        let points = timings.filter { $0.dtype == dtype && $0.form == form && $0.rows == rows }
            .map { (percent: Double($0.percent), time: Double($0.medianNs)) }.sorted { $0.percent < $1.percent }
        guard let last = points.last else { return nil }
        // From the sparse end: where it loses for the last time. A bump of noise further down does not count.
        guard last.time <= dense else { return .infinity }
        for (before, after) in zip(points, points.dropFirst()).reversed() where before.time > dense {
            let part = (before.time - dense) / (before.time - after.time)
            return before.percent + part * (after.percent - before.percent)
        }
        return points[0].percent
    }

    /// How far the medians lay above the fastest samples: the middle one of all timings, and the worst.
    var noise: (typical: Double, worst: Double) {
        let excess = timings.map { Spread.median($0.samplesNs.map(Double.init)) }.sorted()
        return (excess.isEmpty ? 0 : excess[excess.count / 2], excess.last ?? 0)
    }
}
