import CKernels

/// Owns a `ck_topology`, which is immutable.
final class Topology: @unchecked Sendable {
    let handle: OpaquePointer
    let info: ck_topology_info

    private init(owning handle: OpaquePointer) {
        self.handle = handle
        info = ck_topology_describe(handle)
    }

    deinit { ck_topology_destroy(handle) }

    convenience init() throws(KernelError) {
        var handle: OpaquePointer?
        let status = ck_topology_create(&handle)
        guard let handle else { throw KernelError(status, "reading the machine's topology") }
        self.init(owning: handle)
    }

    convenience init(synthetic description: String) throws(KernelError) {
        var handle: OpaquePointer?
        let status = ck_topology_create_synthetic(description, &handle)
        guard let handle else { throw KernelError(status, "synthetic topology \"\(description)\"") }
        self.init(owning: handle)
    }

    /// One core of which nothing is known, for systems that tell nothing.
    static func plain() throws(KernelError) -> Topology { try Topology(synthetic: "core:1 pu:1") }
}
