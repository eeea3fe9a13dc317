import AlambicFiles
import AlambicKernels
import AlambicTensor

/// Weight sharing (Deep Compression, section 3): the non-zeros of a matrix have only a few values, w[n, k] = c[s[n, k]], and
/// what is trained is those values. The clusters s stay as they are.
///
/// The gradient of a shared value is the sum over the weights that have it (equation 3):
///
///     dL/dc_j = Σ dL/dw[n, k] over all n, k with s[n, k] = j
///
/// The first weight of a cluster holds its value in the parameter, with this sum as its gradient; all others have the
/// gradient 0 and are not read. So any optimizer trains the codebook as it would train a parameter of that size, and norms
/// of gradients are those of the codebook.
public final class SharedWeights: WeightTransform, @unchecked Sendable {
    /// For each weight 0 where there is none, else the place of its value in the codebook, from 1 on.
    public let symbols: [UInt8]
    /// The number of shared values.
    public let values: Int
    /// Where the weights are.
    private let places: [Int]
    /// The first weight of each cluster; nil for a value that no weight has, as there may be in a file or by a clustering.
    private let holders: [Int?]
    /// The values as they came: those that no weight holds stay so.
    private let given: [Float]
    private let weights: Tensor

    private init(symbols: [UInt8], codebook: [Float], shape: Shape) throws(KernelError) {
        self.symbols = symbols
        given = codebook
        values = codebook.count
        var holders = [Int?](repeating: nil, count: codebook.count)
        var places: [Int] = []
        for index in symbols.indices.reversed() where symbols[index] != 0 {
            holders[Int(symbols[index]) - 1] = index
            places.append(index)
        }
        self.holders = holders
        self.places = places.reversed()
        weights = try Tensor(shape)
    }

    /// Lets the non-zeros of a parameter share values, which are its centroids at first, and becomes its transform in the
    /// place of a mask: what is zero stays zero.
    ///
    /// - Parameters:
    ///   - parameter: with finite weights.
    ///   - values: how many values there may be, at most 255; with the zero, 2^bits - 1 of them have symbols of `bits` bits.
    ///   - clustering: how they are found.
    /// - Returns: the transform, now the parameter's.
    @discardableResult
    public static func share(
        _ parameter: Parameter, values: Int, by clustering: any WeightClustering = Lloyd()
    ) throws(KernelError) -> SharedWeights {
        precondition((1...SharedValues.mostValues).contains(values), "\(parameter.path) cannot share \(values) values")
        let elements = parameter.value.elements
        guard elements.allSatisfy(\.isFinite) else {
            throw KernelError(
                .badArgument, "\(parameter.path) has weights that are not finite: they cannot share values")
        }
        let centroids = clustering.centroids(of: elements.filter { $0 != 0 }.sorted(), count: values)
        let symbols = elements.map { $0 == 0 ? 0 : UInt8(nearest(centroids, to: $0) + 1) }
        return try adopt(
            SharedValues(shape: parameter.shape.dimensions, codebook: centroids, symbols: symbols), for: parameter)
    }

    /// Sets a parameter to weights that share values, as a file has them, and becomes its transform.
    @discardableResult
    public static func adopt(_ shared: SharedValues, for parameter: Parameter) throws(KernelError) -> SharedWeights {
        precondition(
            shared.shape == parameter.shape.dimensions, "\(parameter.path) \(parameter.shape) from \(shared.shape)")
        let transform = try SharedWeights(
            symbols: shared.symbols, codebook: shared.codebook, shape: parameter.shape)
        let value = parameter.value
        var raw = value.mutableSpan
        let elements = shared.values
        for index in elements.indices { raw[index] = elements[index] }
        parameter.transform = transform
        parameter.valueChanged()
        return transform
    }

    /// The shared values as they are now.
    public func codebook(of parameter: Parameter) -> [Float] {
        let value = parameter.value
        let raw = value.span
        var codebook = given
        for (place, holder) in holders.enumerated() {
            if let holder { codebook[place] = raw[holder] }
        }
        return codebook
    }

    /// The weights as they are now, to be stored.
    public func shared(of parameter: Parameter) -> SharedValues {
        SharedValues(shape: parameter.shape.dimensions, codebook: codebook(of: parameter), symbols: symbols)
    }

    /// A fingerprint of the clusters (FNV-1a).
    public var digest: String {
        let hash = symbols.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "shared-\(values)-" + String(hash, radix: 16)
    }

    /// Every weight at its cluster's value.
    public func effective(of parameter: Parameter, on context: Context) throws(KernelError) -> Tensor {
        let codebook = codebook(of: parameter)
        let weights = self.weights
        var target = weights.mutableSpan
        for place in places { target[place] = codebook[Int(symbols[place]) - 1] }
        return weights
    }

    /// Sums the gradient by cluster, in double precision and in the order of the weights.
    public func pullBack(gradient: Tensor, of parameter: Parameter, on context: Context) throws(KernelError) {
        var sums = [Double](repeating: 0, count: values)
        var span = gradient.mutableSpan
        for place in places { sums[Int(symbols[place]) - 1] += Double(span[place]) }
        for index in span.indices { span[index] = 0 }
        for (holder, sum) in zip(holders, sums) {
            if let holder { span[holder] = Float(sum) }
        }
    }
}
