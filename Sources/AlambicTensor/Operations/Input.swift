import AlambicKernels

// What a part of a network needs whose other parts are on other tapes.
extension Tape {
    /// A value that another tape computed: its gradient is there after `backward`, as `gradient(of:)`, for that tape's
    /// `seed(_:of:)`. The elements must stay until then.
    public func input(_ tensor: Tensor) -> Variable { place(tensor) }

    /// Numbers the dropouts to come as if `count` of them had been on this tape, so that a part of a network has the masks
    /// that it has within the whole. To be called after `begin`.
    public func skipDropouts(_ count: Int) {
        precondition(count >= 0, "skipping \(count) dropouts")
        dropouts += UInt64(count)
    }
}
