import AlambicFiles
import AlambicKernels
import AlambicModels
import AlambicTensor
import AlambicTestSupport
import AlambicTraining
import Foundation
import Testing

@testable import AlambicQuantization

@Suite struct IntegerNetworkFileTests {
    private static func with<R>(_ body: (URL) throws -> R) throws -> R {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        return try body(directory.appendingPathComponent("network.safetensors"))
    }

    private static func network(_ scheme: IntegerScheme = IntegerScheme()) throws -> (IntegerNetwork, Tensor) {
        let small = try SmallNetwork(SmallNetwork.convolutional)
        return (
            try .calibrated(small.classifier, parameters: small.parameters, on: small.images, scheme: scheme),
            small.images
        )
    }

    @Test func savedAndLoaded() throws {
        for scheme in [IntegerScheme(), IntegerScheme(weightBits: 3, activationBits: 4, weights: .perChannel)] {
            let (network, images) = try Self.network(scheme)
            try Self.with { url in
                try network.save(to: url)
                let loaded = try IntegerNetwork(contentsOf: url)
                #expect(try loaded.logits(of: images) == network.logits(of: images))
                #expect(loaded.logitScale == network.logitScale && loaded.activations == network.activations)
                #expect(loaded.weightScales == network.weightScales && loaded.scheme == scheme)
                #expect(loaded.classifier == network.classifier && loaded.byteCount == network.byteCount)
                // Equal networks are equal bytes.
                let first = try Data(contentsOf: url)
                try loaded.save(to: url)
                #expect(try Data(contentsOf: url) == first)
            }
        }
    }

    /// Writes the network with some entries or texts changed, and expects it to be refused.
    private static func refuse(
        _ message: String, tensors: (inout [String: (shape: [Int], values: [Int32])]) -> Void = { _ in },
        text: (String) -> String = { $0 }, format: String = IntegerNetwork.format
    ) throws {
        let (network, _) = try network()
        try with { url in
            try network.save(to: url)
            let file = try SafeTensors(contentsOf: url)
            var all: [String: (shape: [Int], values: [Int32])] = [:]
            var entries: [SafeTensors.Entry] = []
            for name in file.names {
                let info = try file.info(name)
                switch info.dtype {
                case .i8: all[name] = (info.shape, try file.array(name, of: Int8.self).map(Int32.init))
                case .i32: all[name] = (info.shape, try file.array(name, of: Int32.self))
                default:
                    entries.append(SafeTensors.Entry(name, shape: info.shape, try file.array(name, of: Float.self)))
                }
            }
            tensors(&all)
            for (name, tensor) in all {
                entries.append(
                    name.hasSuffix("weight")
                        ? SafeTensors.Entry(name, shape: tensor.shape, tensor.values.map { Int8($0) })
                        : SafeTensors.Entry(name, shape: tensor.shape, tensor.values))
            }
            let network = try #require(file.metadata["network"])
            try SafeTensors.write(entries, metadata: ["format": format, "network": text(network)], to: url)
            #expect { try IntegerNetwork(contentsOf: url) } throws: {
                let found = "\($0)"
                if !found.contains(message) { Issue.record("'\(found)' does not say '\(message)'") }
                return true
            }
        }
    }

    @Test func badTensors() throws {
        try Self.refuse("tensor 'layers.0.bias': the tensor is missing") { $0["layers.0.bias"] = nil }
        try Self.refuse("the model has no such tensor") { $0["extra"] = ([1], [1]) }
        try Self.refuse("wrong shape: expected [5, 18]") { $0["layers.0.weight"] = ([1, 1], [0]) }
        try Self.refuse("a weight has too many bits: expected -127...127, found -128") {
            $0["layers.0.weight"]?.values[3] = -128
        }
        try Self.refuse("a zero point is no weight: expected -127...127, found 300") {
            $0["layers.0.zero_point"]?.values[0] = 300
        }
        try Self.refuse("this is no fixed-point multiplier") { $0["layers.3.multiplier"]?.values[0] = 77 }
        try Self.refuse("this is no fixed-point multiplier") { $0["layers.3.shift"]?.values[0] = 40 }
        try Self.refuse("layers.3: sums of output 0 may not fit in 32 bits") { $0["layers.3.bias"]?.values[0] = .max }
    }

    @Test func badDescriptions() throws {
        try Self.refuse("this is not an integer network", format: "pt")
        try Self.refuse("it is not the description of a network", text: { _ in "{}" })
        try Self.refuse("it is not the description of a network", text: { String($0.dropLast()) })
        try Self.refuse(
            "integers of 99 and 8 bits", text: { $0.replacing("\"weightBits\":8", with: "\"weightBits\":99") })
        try Self.refuse("bits with scale", text: { $0.replacing("\"zeroPoint\":0", with: "\"zeroPoint\":-1") })
        try Self.refuse(
            "layer 0 gets images of -14 x 10 x 2", text: { $0.replacing("\"height\":14", with: "\"height\":-14") })
        try Self.refuse("windows of", text: { $0.replacing("\"side\":3", with: "\"side\":30") })
        try Self.refuse("windows of", text: { $0.replacing("\"height\":14", with: "\"height\":13") })
    }

    @Test func otherFiles() throws {
        try Self.with { url in
            #expect(throws: FileError.self) { try IntegerNetwork(contentsOf: url) }
            try Data([1, 2, 3]).write(to: url)
            #expect(throws: FileError.self) { try IntegerNetwork(contentsOf: url) }
            let (network, _) = try Self.network()
            try network.save(to: url)
            let whole = try Data(contentsOf: url)
            try whole.prefix(whole.count - 5).write(to: url)
            #expect(throws: FileError.self) { try IntegerNetwork(contentsOf: url) }
        }
    }
}
