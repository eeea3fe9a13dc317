import CKernels

/// A circumstance that kept a kernel, a team or a buffer from working: memory, threads, the machine.
///
/// Mistakes of the program, such as extents that do not agree, are preconditions instead.
public struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of circumstance it is.
    public enum Code: Sendable {
        /// Extents that do not agree, or whose product is too large.
        case badShape
        /// A value outside its documented range, or a team that was called from inside its own work.
        case badArgument
        /// The system has no memory left for it.
        case noMemory
        /// No implementation fits the allowed instruction sets.
        case noKernel
        /// The system refused to start a thread.
        case noThread
    }

    /// What kind of circumstance it is.
    public let code: Code
    /// One line that names the operation and what is wrong.
    public let description: String

    /// An error of this kind, described in one line.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    init(_ status: ck_status, _ what: String) {
        let code: Code =
            switch status {
            case CK_BAD_SHAPE: .badShape
            case CK_NO_MEMORY: .noMemory
            case CK_NO_KERNEL: .noKernel
            case CK_NO_THREAD: .noThread
            default: .badArgument
            }
        self.init(code, "\(what): \(String(cString: ck_status_text(status)))")
    }
}

/// Throws unless the status is `CK_OK`. `what` names the operation: "softmax".
@inline(__always)
func check(_ status: ck_status, _ what: @autoclosure () -> String) throws(KernelError) {
    if status != CK_OK { throw KernelError(status, what()) }
}
