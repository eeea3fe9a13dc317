/// What came out of a paper's experiments: for the terminal, for a page, and as JSON.
struct PaperResult: Codable {
    /// Numbers in rows and columns.
    struct Table: Codable {
        var title: String
        var columns: [String]
        var rows: [[String]]
        /// How to read it.
        var note: String? = nil
    }

    /// Lines over a common x axis.
    struct Curves: Codable {
        struct Line: Codable {
            var name: String
            var x: [Double]
            var y: [Double]
        }
        var title: String
        var x: String
        var y: String
        var lines: [Line]
        var note: String? = nil
    }

    /// Something that must show.
    struct Claim: Codable {
        /// What is claimed, with its threshold.
        var text: String
        /// What the paper has.
        var paper: String
        /// What came out here.
        var measured: String
        var isMet: Bool
    }

    var claims: [Claim]
    var tables: [Table] = []
    var curves: [Curves] = []
    /// In what the conditions differ from the paper's.
    var differences: [String]
}

/// Mean and deviation over seeds.
struct Statistics {
    let values: [Double]

    init(_ values: [Double]) { self.values = values }
    init(_ values: [Int]) { self.values = values.map(Double.init) }

    var mean: Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }
    /// The standard deviation of the sample; 0 of one value.
    var deviation: Double {
        guard values.count > 1 else { return 0 }
        let mean = mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
    /// `74.3 ± 2.1`.
    func text(_ places: Int = 1) -> String {
        decimal(mean, places) + (values.count > 1 ? " ± " + decimal(deviation, places) : "")
    }
}
