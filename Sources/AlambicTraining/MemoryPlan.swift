/// The memory that a run takes, by what it is for. Bytes.
public struct MemoryPlan: Sendable {
    /// The weights: f32, but for what is kept frozen in fewer bits.
    public let weights: Int
    /// The gradients of those that are trained, of every worker.
    public let gradients: Int
    /// What the optimizer remembers.
    public let optimizer: Int
    /// The weights once more, packed for bf16 products in both orientations.
    public let panels: Int
    /// Values and their gradients, which share what is not in use at the same time; nil where several workers compute at
    /// once and it was not walked through.
    public let activations: Int?

    /// All of it.
    public var total: Int { weights + gradients + optimizer + panels + (activations ?? 0) }

    /// One line.
    public var description: String {
        var parts = ["weights \(megabytes(weights))", "gradients \(megabytes(gradients))"]
        parts.append("optimizer \(megabytes(optimizer))")
        if panels > 0 { parts.append("packed weights \(megabytes(panels))") }
        if let activations { parts.append("activations \(megabytes(activations))") }
        return "memory: \(megabytes(total)): \(parts.joined(separator: ", "))"
    }
}

/// In millions, as all that people are told about memory.
func megabytes(_ bytes: Int) -> String { "\(max(1, bytes / 1_000_000 + (bytes % 1_000_000 >= 500_000 ? 1 : 0))) MB" }
