import AlambicKernels
import AlambicTensor

/// One step of integer-only inference.
public enum IntegerStep: Sendable {
    /// A linear layer, of the windows of images where it is a convolution.
    case linear(IntegerLinear, windows: Windows?)
    /// The largest integer of each window of side x side pixels: rounding keeps order, so the largest integer stands for the
    /// largest number.
    case maxPool(ImageShape, side: Int)

    /// The windows of a convolution without padding.
    public struct Windows: Sendable, Hashable {
        /// What an image is.
        public let shape: ImageShape
        /// Pixels of a window's side.
        public let side: Int

        /// Windows of `side` x `side` pixels of images.
        public init(shape: ImageShape, side: Int) {
            (self.shape, self.side) = (shape, side)
        }
        /// Windows of one image.
        var count: Int { shape.patches(side: side).height * shape.patches(side: side).width }
    }
}

/// What integer-only inference does: integers go in, integers come out, and nothing in between is anything else. There are no
/// floats in this type, nor in what it is made of; what the integers stand for is known to ``IntegerNetwork``.
public struct IntegerProgram: Sendable {
    /// Integers of an image.
    public let inputs: Int
    /// Logits of an image.
    public let classes: Int
    /// The steps in order, the last of which makes the logits.
    public let steps: [IntegerStep]

    /// A program over images of `inputs` integers whose last step makes logits.
    public init(inputs: Int, steps: [IntegerStep]) {
        guard case .linear(let last, nil) = steps.last, last.output == .logits else {
            preconditionFailure("the last step of an integer program is a linear layer that makes logits")
        }
        (self.inputs, self.steps, classes) = (inputs, steps, last.outputs)
    }

    /// The logits [count, classes] of images [count, inputs].
    public func logits(_ images: Span<UInt8>, on context: Context = .default) throws(KernelError) -> [Int32] {
        precondition(
            images.count.isMultiple(of: inputs), "\(images.count) integers for images of \(inputs) integers each")
        let count = images.count / inputs
        let rows = min(count, IntegerWorkspace.images(of: self, threads: context.threads))
        var logits: [Int32] = []
        logits.reserveCapacity(count * classes)
        guard count > 0 else { return logits }
        let workspace = try IntegerWorkspace(self, images: rows)
        for first in stride(from: 0, to: count, by: rows) {
            let some = min(rows, count - first)
            try run(
                images.extracting(first * inputs..<(first + some) * inputs), count: some, in: workspace, on: context)
            let result = workspace.logits
            let span = result.span(0..<some * classes)
            for i in span.indices { logits.append(span[i]) }
        }
        return logits
    }

    /// All steps.
    func run(_ images: Span<UInt8>, count: Int, in workspace: IntegerWorkspace, on context: Context) throws(KernelError)
    {
        try run(step: 0, images, count: count, in: workspace, on: context)
        for step in steps.indices.dropFirst() {
            let values = workspace.levels[step - 1]
            try run(step: step, values.span, count: count, in: workspace, on: context)
        }
    }

    /// One step of `count` images; `x` may be longer than needed.
    func run(
        step: Int, _ x: Span<UInt8>, count: Int, in workspace: IntegerWorkspace, on context: Context
    ) throws(KernelError) {
        switch steps[step] {
        case .maxPool(let shape, let side):
            let y = workspace.levels[step]
            try maxPool(
                x.extracting(0..<count * shape.count), count: count, shape: shape, side: side,
                into: y.mutableSpan(0..<count * shape.pooled(side: side).count), on: context)
        case .linear(let layer, let windows):
            let rows = count * (windows?.count ?? 1)
            try multiply(layer, windows, x, count: count, workspace, on: context)
            if layer.output == .logits {
                try layer.requantize(rows: rows, workspace.scratch, logits: workspace.logits, on: context)
            } else {
                try layer.requantize(rows: rows, workspace.scratch, levels: workspace.levels[step], on: context)
            }
        }
    }

    private func multiply(
        _ layer: IntegerLinear, _ windows: IntegerStep.Windows?, _ x: Span<UInt8>, count: Int,
        _ workspace: IntegerWorkspace, on context: Context
    ) throws(KernelError) {
        guard let windows else {
            return try layer.multiply(
                x.extracting(0..<count * layer.inputs), rows: count, into: workspace.scratch, on: context)
        }
        let patches = workspace.scratch.patches
        let size = count * windows.count * layer.inputs
        try AlambicKernels.patches(
            x.extracting(0..<count * windows.shape.count), count: count, shape: windows.shape, side: windows.side,
            into: patches.mutableSpan(0..<size), on: context)
        try layer.multiply(patches.span(0..<size), rows: count * windows.count, into: workspace.scratch, on: context)
    }
}
