import AlambicKernels
import AlambicTestSupport
import Foundation
import Testing

@testable import AlambicTensor

/// Values and gradients of what convolutional networks are made of, against definitions in double precision.
@Suite struct ImageOperationTests {
    @Test(arguments: instructionSets) func relu(isa: ISA) throws {
        var random = SplitMix(seed: 21)
        // Away from the corner, where differences have no limit.
        let x = random.floats(67).map { $0 < 0 ? $0 - 0.1 : $0 + 0.1 }
        try expectGradients("relu", inputs: [([1, 67], x)], depth: 1, seed: 21, on: context(isa)) { tape, x in
            try tape.relu(x[0])
        } naive: { x, _ in
            x[0].map { max($0, 0) }
        }
    }

    @Test func reluKeepsWhatIsNotANumber() throws {
        let x: [Float] = [.nan, -.infinity, .infinity, -0.0, 0]
        var y = [Float](repeating: 7, count: 5)
        try AlambicKernels.relu(x.span, into: y.mutableSpan, on: try context(.all))
        #expect(y[0].isNaN && y[1] == 0 && y[2] == .infinity && y[3] == 0 && y[4] == 0)
    }

    @Test(arguments: instructionSets, [(1, 1, 1, 1, 1), (2, 5, 4, 3, 3), (3, 6, 7, 1, 5), (1, 4, 4, 17, 4)])
    func convolution(isa: ISA, extents: (count: Int, height: Int, width: Int, channels: Int, side: Int)) throws {
        var random = SplitMix(seed: 22)
        let (count, height, width, channels, side) = extents
        let shape = ImageShape(height: height, width: width, channels: channels)
        let (outputs, window) = (3, side * side * channels)
        try expectGradients(
            "convolution \(extents)", inputs: [([count, shape.count], random.floats(count * shape.count))],
            parameters: [([outputs, window], random.floats(outputs * window)), ([outputs], random.floats(outputs))],
            depth: window + height * width * count + 4, seed: 22, on: context(isa)
        ) { tape, x in
            try tape.linear(
                try tape.patches(x[0], of: shape, side: side), weight: ParameterID(index: 0),
                bias: ParameterID(index: 1))
        } naive: { x, p in
            var y: [Double] = []
            for n in 0..<count {
                for i in 0...height - side {
                    for j in 0...width - side {
                        for o in 0..<outputs {
                            var sum = p[1][o]
                            for a in 0..<side {
                                for b in 0..<side {
                                    for c in 0..<channels {
                                        sum +=
                                            x[0][((n * height + i + a) * width + j + b) * channels + c]
                                            * p[0][((o * side + a) * side + b) * channels + c]
                                    }
                                }
                            }
                            y.append(sum)
                        }
                    }
                }
            }
            return y
        }
    }

    @Test(arguments: instructionSets, [(1, 2, 2, 1, 2), (2, 6, 4, 5, 2), (1, 6, 3, 70, 3), (2, 3, 3, 4, 1)])
    func maxPool(isa: ISA, extents: (count: Int, height: Int, width: Int, channels: Int, side: Int)) throws {
        let (count, height, width, channels, side) = extents
        let shape = ImageShape(height: height, width: width, channels: channels)
        // A shuffle: no two numbers of a window are so near that a difference would swap them.
        let size = count * shape.count
        var random = SplitMix(seed: 23)
        var x = (0..<size).map { Float($0) / Float(size) }
        for i in x.indices.reversed() { x.swapAt(i, Int(random.next() % UInt64(i + 1))) }
        try expectGradients("max pool", inputs: [([count, shape.count], x)], depth: 1, seed: 23, on: context(isa)) {
            tape, x in
            try tape.maxPool(x[0], of: shape, side: side)
        } naive: { x, _ in
            var y: [Double] = []
            for n in 0..<count {
                for i in 0..<height / side {
                    for j in 0..<width / side {
                        for c in 0..<channels {
                            var largest = -Double.infinity
                            for a in 0..<side {
                                for b in 0..<side {
                                    let row = (n * height + i * side + a) * width + j * side + b
                                    largest = max(largest, x[0][row * channels + c])
                                }
                            }
                            y.append(largest)
                        }
                    }
                }
            }
            return y
        }
    }

    /// Of equal numbers the first gets all of the gradient.
    @Test(arguments: instructionSets) func maxPoolOfEqualNumbers(isa: ISA) throws {
        let shape = ImageShape(height: 2, width: 2, channels: 1)
        let (x, y, dy): ([Float], [Float], [Float]) = ([3, 3, 3, 3], [3], [5])
        var dx = [Float](repeating: -1, count: 4)
        try maxPoolBackward(
            dy.span, x: x.span, y: y.span, count: 1, shape: shape, side: 2, into: dx.mutableSpan, on: try context(isa))
        #expect(dx == [5, 0, 0, 0])
    }

    @Test(arguments: instructionSets) func gatherMovesImages(isa: ISA) throws {
        let shape = ImageShape(height: 2, width: 3, channels: 1)
        let images: [Float] = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
        let rows: [Int32] = [1, 0, 0]
        let shifts: [Int8] = [0, 0, 1, -1, -2, 0]
        var y = [Float](repeating: -1, count: 18)
        try gather(
            images: images.span, shape: shape, rows: rows.span, shifts: shifts.span, into: y.mutableSpan,
            on: try context(isa))
        #expect(y == [11, 12, 13, 14, 15, 16, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0])
        let outside: [Int32] = [0, 2, 0]
        #expect(throws: KernelError.self) {
            var y = [Float](repeating: 0, count: 18)
            try gather(
                images: images.span, shape: shape, rows: outside.span, shifts: nil, into: y.mutableSpan,
                on: .default)
        }
    }

    @Test func classificationLosses() throws {
        let logits: [Float] = [2, 1, 0, 0, 0, 3]
        let tape = try Tape([], on: try context(.all))
        try tape.begin(seed: 1)
        let x = tape.place(try Tensor([2, 3], logits))
        let losses = try tape.classificationLoss(logits: x, targets: [0, -1])
        try tape.backward()
        let p = [2.0, 1, 0].map { exp($0) }
        let sum = p.reduce(0, +)
        #expect(abs(Double(losses.elements[0]) + log(p[0] / sum)) < 1e-6)
        let gradient = try #require(tape.gradient(of: x)).elements
        for (i, expected) in [p[0] / sum - 1, p[1] / sum, p[2] / sum, 0, 0, 0].enumerated() {
            #expect(abs(Double(gradient[i]) - expected) < 1e-6)
        }
    }

    /// Nobody computes the gradient of what comes from outside.
    @Test func constantsHaveNoGradient() throws {
        let weights = try makeParameters([([2, 3], [1, 2, 3, 4, 5, 6])])
        let tape = try Tape(weights, on: try context(.all))
        try tape.begin(seed: 1)
        let x = tape.constant(try Tensor([1, 3], [1, 1, 1]))
        let y = try tape.linear(x, weight: ParameterID(index: 0), bias: nil)
        try tape.seed(try Tensor([1, 2], [1, -1]), of: y)
        try tape.backward()
        #expect(tape.gradient(of: x) == nil)
        #expect(tape.gradients.tensors[0].elements == [1, 1, 1, -1, -1, -1])
    }
}
