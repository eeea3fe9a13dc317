import AlambicKernels
import Synchronization

/// Chooses forms by what is known of one machine, and measures what is not known yet. Can be shared by threads.
///
/// What it learns holds for contexts with one processor, instruction set and number of threads: make one for each.
public final class FormChooser: Sendable {
    /// Smaller matrices are not worth a measurement: they run dense.
    public static let fewestElements = 1 << 14

    /// What its choices are for.
    public let purpose: FormPurpose
    private let measurer: any FormMeasurer
    private let known: Mutex<[FormKey: FormTimes]>
    private let learned = Mutex<Set<FormKey>>([])

    /// A chooser.
    ///
    /// - Parameters:
    ///   - purpose: what the model is to be fast at.
    ///   - known: what was measured before.
    ///   - measurer: what measures the rest.
    public init(
        for purpose: FormPurpose = .decode, known: [FormKey: FormTimes] = [:],
        measurer: any FormMeasurer = FormTimer()
    ) {
        self.purpose = purpose
        self.measurer = measurer
        self.known = Mutex(known)
    }

    /// All times that it knows by now.
    public var table: [FormKey: FormTimes] { known.withLock { $0 } }

    /// The times that it measured itself.
    public var measured: [FormKey: FormTimes] {
        let keys = learned.withLock { $0 }
        return table.filter { keys.contains($0.key) }
    }

    /// The form for a weight, measured if need be.
    ///
    /// - Parameters:
    ///   - weight: [outputs, inputs].
    ///   - elements: of all matrices that the model multiplies with.
    public func choice(
        for weight: PackedWeight, among elements: Int, on context: Context
    ) throws(KernelError) -> FormChoice {
        let key = FormKey(weight, among: elements)
        if let times = known.withLock({ $0[key] }) { return FormChoice(times, for: purpose) }
        let times = try measurer.measure(weight, turns: key.turns, on: context)
        known.withLock { $0[key] = times }
        learned.withLock { _ = $0.insert(key) }
        return FormChoice(times, for: purpose)
    }
}

/// How it is decided which form sparse weights run in. Dense ones run dense, and results are the same in every form.
public enum FormPolicy: Sendable {
    /// All of them dense.
    case dense
    /// As they are stored.
    case stored
    /// Whatever is faster.
    case measured(FormChooser)

    /// The form for one weight. Where measuring fails it is dense, which works wherever the model does.
    ///
    /// - Parameter elements: of all matrices that the model multiplies with.
    public func form(for weight: PackedWeight, among elements: Int, on context: Context) -> PackedMatrix.Form {
        guard weight.isSparse else { return .dense }
        switch self {
        case .dense: return .dense
        case .stored: return weight.product.hasFourBitWeights ? .dense : .bitmask
        case .measured(let chooser):
            guard weight.count >= FormChooser.fewestElements else { return .dense }
            return (try? chooser.choice(for: weight, among: elements, on: context))?.form ?? .dense
        }
    }
}
