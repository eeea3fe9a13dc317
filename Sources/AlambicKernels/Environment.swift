import Foundation

/// The two environment variables that Alambic reads, once, when `Machine.local` is made.
struct Environment: Equatable, Sendable {
    /// ALAMBIC_ISA: instruction sets that default contexts may use.
    var allowed = ISA.all
    /// ALAMBIC_THREADS: workers of the default context.
    var threads: Int?
    /// What is wrong with them, in one line. The offending variable is then ignored.
    var problem: String?

    static let mostThreads = 1024

    init(_ variables: [String: String], detected: ISA = .detected) {
        var problems: [String] = []
        if let text = variables["ALAMBIC_ISA"], !text.isEmpty {
            let names = ISA.known.map(\.name).joined(separator: ", ")
            if let isa = ISA(names: text) {
                if detected.isSuperset(of: isa) {
                    allowed = isa
                } else {
                    problems.append("ALAMBIC_ISA is \"\(text)\", but this machine has \(detected): use one of those")
                }
            } else {
                problems.append("ALAMBIC_ISA is \"\(text)\", expected names joined by commas, out of: \(names)")
            }
        }
        if let text = variables["ALAMBIC_THREADS"], !text.isEmpty {
            if let count = Int(text), 1...Environment.mostThreads ~= count {
                threads = count
            } else {
                problems.append(
                    "ALAMBIC_THREADS is \"\(text)\", expected a whole number from 1 to \(Environment.mostThreads)")
            }
        }
        problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
    }

    static var current: Environment { Environment(ProcessInfo.processInfo.environment) }
}
