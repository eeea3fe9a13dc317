/// A paper whose central result can be run here. To add one, write a file and add it to `Papers.all`.
protocol Paper: Sendable {
    /// What the command line calls it.
    static var name: String { get }
    /// Authors, year, title and where it appeared.
    static var citation: String { get }
    /// What is shown, in one line.
    static var summary: String { get }
    init()
    /// Trains what the result needs, and says what came out.
    func run(_ lab: Lab) throws -> PaperResult
}

/// Every paper, in the order of the tables. A new one is one line here.
enum Papers {
    static let all: [any Paper.Type] = [
        HintonPaper.self, DistilBERTPaper.self, HanPaper.self, DeepCompressionPaper.self, JacobPaper.self,
        DropoutPaper.self, AdamPaper.self, DeanPaper.self,
    ]
}
