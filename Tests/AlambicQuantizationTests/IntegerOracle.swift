import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import Testing

@testable import AlambicQuantization

/// Integer-only inference by equation 4 of Jacob et al. 2018, one product at a time, in 64 bits.
enum IntegerOracle {
    static func logits(_ network: IntegerNetwork, image: [UInt8]) -> [Int64] {
        var x = image.map(Int64.init)
        for step in network.program.steps {
            switch step {
            case .maxPool(let shape, let side): x = pool(x, shape, side)
            case .linear(let layer, nil): x = linear(layer, x)
            case .linear(let layer, let windows?):
                var y: [Int64] = []
                let (shape, side) = (windows.shape, windows.side)
                for i in 0...shape.height - side {
                    for j in 0...shape.width - side {
                        var window: [Int64] = []
                        for a in 0..<side {
                            for b in 0..<side {
                                for c in 0..<shape.channels {
                                    window.append(x[((i + a) * shape.width + j + b) * shape.channels + c])
                                }
                            }
                        }
                        y += linear(layer, window)
                    }
                }
                x = y
            }
        }
        return x
    }

    static func linear(_ layer: IntegerLinear, _ x: [Int64]) -> [Int64] {
        (0..<layer.outputs).map { j in
            var sum = Int64(layer.bias[j])
            let row = layer.weights.rows(j..<j + 1).elements
            for (q, x) in zip(row, x) {
                sum += (Int64(q) - Int64(layer.weightZeroPoints[j])) * (x - Int64(layer.inputZeroPoint))
            }
            let value = multiplied(sum, layer.multipliers[j])
            switch layer.output {
            case .logits: return value
            case .levels(let zero, let low, let high): return min(max(value + Int64(zero), Int64(low)), Int64(high))
            }
        }
    }

    static func multiplied(_ x: Int64, _ m: FixedPointMultiplier) -> Int64 {
        let left = min(max(x << Int64(max(-m.shift, 0)), Int64(Int32.min)), Int64(Int32.max))
        let product = left * Int64(m.mantissa)
        let high = (product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / (1 << 31)
        guard m.shift > 0 else { return high }
        // To nearest, ties away from zero.
        let step = Int64(1) << Int64(m.shift)
        return (abs(high) + step / 2) / step * (high < 0 ? -1 : 1)
    }

    private static func pool(_ x: [Int64], _ shape: ImageShape, _ side: Int) -> [Int64] {
        var y: [Int64] = []
        for i in 0..<shape.height / side {
            for j in 0..<shape.width / side {
                for c in 0..<shape.channels {
                    var greatest = Int64.min
                    for a in 0..<side {
                        for b in 0..<side {
                            greatest = max(
                                greatest, x[((i * side + a) * shape.width + j * side + b) * shape.channels + c])
                        }
                    }
                    y.append(greatest)
                }
            }
        }
        return y
    }
}

/// The names of the types of all that a value is made of, at any depth, none of which may be a float.
func typesWithoutFloats(in value: Any, _ name: String) -> Set<String> {
    var seen: Set<String> = []
    func walk(_ value: Any, _ path: String, _ depth: Int) {
        seen.insert("\(type(of: value))")
        #expect(!(value is Float) && !(value is Double) && !(value is [Float]) && !(value is Tensor), "\(path)")
        guard depth < 12 else { return }
        for child in Mirror(reflecting: value).children {
            walk(child.value, "\(path).\(child.label ?? "")", depth + 1)
        }
    }
    walk(value, name, 0)
    #expect(!seen.contains { $0.contains("Float") || $0.contains("Double") }, "\(seen)")
    return seen
}

/// Small networks with images.
struct SmallNetwork {
    let classifier: Classifier
    let parameters: [Parameter]
    let images: Tensor

    /// Convolutions, poolings before and after ReLUs, and linear layers.
    static let convolutional = Classifier(
        input: ImageShape(height: 14, width: 10, channels: 2),
        layers: [
            .convolution(channels: 5, side: 3), .maxPool(2), .relu, .convolution(channels: 7, side: 3), .relu,
            .maxPool(2),
            .linear(19), .relu, .linear(4),
        ])

    /// Without ReLUs in one place, so that activations have zero points.
    static let linear = Classifier(
        input: ImageShape(height: 1, width: 1, channels: 21), layers: [.linear(33), .relu, .linear(18), .linear(5)])

    init(_ classifier: Classifier, images count: Int = 13, seed: UInt64 = 1, low: Float = 0) throws {
        self.classifier = classifier
        parameters = try classifier.initialized(seed: seed)
        var random = SplitMix(seed: seed &+ 100)
        for parameter in parameters where parameter.kind == .vector {
            parameter.value.copy(
                from: try Tensor(parameter.shape, random.normals(parameter.shape.count, deviation: 0.2)))
        }
        images = try Tensor(
            [count, classifier.input.count], random.floats(count * classifier.input.count, in: low...1))
    }
}
