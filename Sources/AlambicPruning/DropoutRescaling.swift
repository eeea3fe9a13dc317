/// Dropout after pruning (Han et al. 2015, section 3.2, equations 1 and 2): a sparse layer has less capacity to overfit, and is to
/// drop less.
public enum DropoutRescaling {
    /// D_r = D_o · sqrt(C_ir / C_io).
    ///
    /// - Parameters:
    ///   - rate: D_o, the rate at which the dense layer was trained, 0 to 1.
    ///   - connections: C_ir, the weights that the layer has left; a dense one between layers of N_i and N_(i-1) units has
    ///     N_i N_(i-1).
    ///   - original: C_io, those that it had.
    public static func rate(_ rate: Double, connections: Int, of original: Int) -> Double {
        precondition(
            original > 0 && (0...original).contains(connections), "\(connections) connections left of \(original)")
        return rate * (Double(connections) / Double(original)).squareRoot()
    }
}
