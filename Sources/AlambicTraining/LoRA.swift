import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor

/// What to train instead of a model's weights: low-rank updates of its linear layers (Hu et al., 2021), over weights that
/// stay as they are and may therefore be kept in few bits (Dettmers et al., QLoRA, 2023).
///
///     y = x Wᵀ + b + (alpha / rank) (dropout(x) Aᵀ) Bᵀ        A [rank, inputs] normal, B [outputs, rank] zero
public struct LoRA: Sendable {
    /// Columns of B, rows of A.
    public var rank: Int
    /// What the updates are multiplied by, times the rank.
    public var alpha: Double
    /// Dropout rate of what A reads.
    public var dropout: Double
    /// Parts between dots of the paths of the layers to adapt: `c_attn`, `mlp`, `h.0`. Empty: every linear layer but the
    /// head.
    public var targets: [String]
    /// In which form the weights of linear layers but the head are kept. Tables, vectors and the head stay f32.
    public var base: FrozenWeight.Form

    /// Low-rank updates with these settings, which are checked when a trainer is made.
    public init(
        rank: Int = 8, alpha: Double = 16, dropout: Double = 0, targets: [String] = [], base: FrozenWeight.Form = .f32
    ) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets
        self.base = base
    }

    /// What a resumed run must agree with.
    var settings: [String: String] {
        [
            "rank": "\(rank)", "alpha": "\(alpha)", "dropout": "\(dropout)", "base": base.rawValue,
            "targets": targets.isEmpty ? "all" : targets.joined(separator: ","),
        ]
    }

    /// Indices of the adapted matrices in the walk.
    func targeted(_ architecture: any Architecture) throws(TrainingError) -> [Int] {
        let descriptions = architecture.parameters
        let matrices = descriptions.indices.filter {
            descriptions[$0].kind == .matrix && $0 != architecture.head.index
        }
        guard !targets.isEmpty else { return matrices }
        func isMatched(_ index: Int, by name: String) -> Bool { ".\(descriptions[index].path).".contains(".\(name).") }
        for name in targets where name.isEmpty || !matrices.contains(where: { isMatched($0, by: name) }) {
            let names = Set(matrices.map { Self.module(descriptions[$0].path).split(separator: ".").last ?? "" })
            throw .badSetting(
                "no linear layer to adapt is called '\(name)': use \(names.sorted().joined(separator: ", ")) or another "
                    + "part of a path such as '\(matrices.first.map { descriptions[$0].path } ?? "")'")
        }
        return matrices.filter { index in targets.contains { isMatched(index, by: $0) } }
    }

    /// Throws where the settings make no sense for a model.
    func check(_ architecture: any Architecture) throws(TrainingError) {
        guard rank > 0 else { throw .badSetting("a rank of \(rank) leaves nothing to train: use at least 1") }
        guard alpha.isFinite, alpha != 0 else {
            throw .badSetting("an alpha of \(alpha) leaves nothing to train: use a number such as \(2 * rank)")
        }
        guard dropout >= 0, dropout <= 0.99 else {
            throw .badSetting("the adapters' dropout rate \(dropout) is outside of 0...0.99")
        }
        let descriptions = architecture.parameters
        for index in try targeted(architecture) {
            let (path, shape) = (descriptions[index].path, descriptions[index].shape)
            guard rank <= min(shape.rows, shape.columns) else {
                throw .badSetting(
                    "a rank of \(rank) is more than '\(path)' of \(shape) can have: use at most "
                        + "\(min(shape.rows, shape.columns))")
            }
        }
        guard base == .int4 else { return }
        for (index, description) in descriptions.enumerated()
        where description.kind == .matrix && index != architecture.head.index
            && !description.shape.columns.isMultiple(of: GroupedTensor.defaultGroup)
        {
            throw .badSetting(
                "4-bit weights come in groups of \(GroupedTensor.defaultGroup), which do not divide the "
                    + "\(description.shape.columns) inputs of '\(description.path)': use base int8")
        }
    }

    /// About the bytes of base, adapters, gradients and optimizer state.
    func modelBytes(_ architecture: any Architecture, states: Int, copies: Int) throws(TrainingError) -> Int {
        let descriptions = architecture.parameters
        var bytes = 0.0
        for (index, description) in descriptions.enumerated() {
            let isBase = description.kind == .matrix && index != architecture.head.index
            bytes += Double(description.shape.count) * (isBase ? bytesPerWeight : 4)
        }
        for index in try targeted(architecture) {
            let shape = descriptions[index].shape
            bytes += 4 * Double(1 + states + copies) * Double(rank) * Double(shape.rows + shape.columns)
        }
        return bytes < 0x1p62 ? Int(bytes) : .max
    }

    private var bytesPerWeight: Double {
        switch base {
        case .f32: 4
        case .bf16: 2
        case .int8: 1
        case .int4: 0.5625
        }
    }

    /// A model's weights, frozen, in walk order, and after them A and B of each adapted matrix, in the same order.
    ///
    /// - Parameter weights: in walk order, and nil afterwards: what nobody else holds is freed once it is in its new form.
    ///   Weights that are in the wanted form are shared.
    func parameters(
        of architecture: any Architecture, taking weights: inout [PackedWeight?], seed: UInt64, on context: Context
    ) throws(TrainingError) -> [Parameter] {
        try check(architecture)
        let (descriptions, targeted) = (architecture.parameters, try targeted(architecture))
        return try kernels { () throws(KernelError) in
            var adapters: [Int: Adapter] = [:]
            var trained: [Parameter] = []
            for index in targeted {
                let (path, shape) = (Self.module(descriptions[index].path), descriptions[index].shape)
                let first = descriptions.count + trained.count
                let (a, b) = (try Tensor([rank, shape.columns]), try Tensor([shape.rows, rank]))
                // The variance of a uniform distribution over ±1/√inputs, as PEFT starts from.
                try normal(
                    seed: seed, stream: UInt64(first), mean: 0, deviation: 1 / Float(3 * shape.columns).squareRoot(),
                    into: a.mutableSpan, on: context)
                trained.append(Parameter(path: "\(path).lora_A.weight", kind: .matrix, value: a))
                trained.append(Parameter(path: "\(path).lora_B.weight", kind: .matrix, value: b))
                adapters[index] = try Adapter(
                    down: ParameterID(index: first), up: ParameterID(index: first + 1), rank: rank,
                    scale: Float(alpha / Double(rank)), dropout: Float(dropout))
            }
            var frozen: [Parameter] = []
            for (index, description) in descriptions.enumerated() {
                let isBase = description.kind == .matrix && index != architecture.head.index
                guard let weight = weights[index].take() else { preconditionFailure("no \(description.path)") }
                frozen.append(
                    Parameter(
                        path: description.path, kind: description.kind,
                        frozen: try FrozenWeight(weight, as: isBase ? base : .f32, on: context),
                        adapter: adapters[index]))
            }
            return frozen + trained
        }
    }

    /// A path without `.weight`: what the layer is called.
    static func module(_ path: String) -> String {
        path.hasSuffix(".weight") ? String(path.dropLast(".weight".count)) : path
    }
}

extension Trainer {
    /// What the optimizer updates, in walk order.
    public var trained: [Parameter] { parameters.filter(\.trains) }

    /// A weight of the model as it is now, dense: one that is trained, itself, or a frozen one, with its adapter merged into it.
    func denseWeight(_ index: Int) throws(KernelError) -> Tensor {
        let parameter = parameters[index]
        guard let frozen = parameter.frozen else { return parameter.value }
        guard let adapter = parameter.adapter else { return try frozen.dense(on: context) }
        return try adapter.merged(into: frozen, of: parameters, on: context)
    }
}
