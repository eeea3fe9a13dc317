// Pointers for the duration of a call into C. A kernel's spans are borrowed by its caller until it returns, so a pointer
// taken from a parameter may be used until then, and no longer. An empty span gives an aligned address that is never read.

extension Span where Element: BitwiseCopyable {
    /// The first element, for the duration of the kernel that has this span as a parameter.
    var base: UnsafePointer<Element> {
        // As bytes: typed buffers would be looked up by type at run time wherever this is not specialized.
        (withUnsafeBytes { $0.baseAddress } ?? UnsafeRawPointer(nowhere)).assumingMemoryBound(to: Element.self)
    }
}

extension MutableSpan where Element: BitwiseCopyable {
    /// The first element, for the duration of the kernel that has this span as a parameter.
    var base: UnsafeMutablePointer<Element> {
        mutating get {
            (withUnsafeMutableBytes { $0.baseAddress } ?? nowhere).assumingMemoryBound(to: Element.self)
        }
    }
}

/// The first element of a span that may be left out, or nil.
func base<Element: BitwiseCopyable>(_ span: Span<Element>?) -> UnsafePointer<Element>? {
    switch span {
    case .some(let span): span.base
    case .none: nil
    }
}

private var nowhere: UnsafeMutableRawPointer {
    guard let pointer = UnsafeMutableRawPointer(bitPattern: 64) else { preconditionFailure("64 is not zero") }
    return pointer
}
