import Foundation

/// Where a tokenizer is read from: a directory, or files in memory such as those that a tokenized corpus carries.
public struct TokenizerFiles: Sendable {
    /// The directory, or the file that holds the files: for messages.
    public let path: String
    private let source: Source

    private enum Source: Sendable {
        case directory
        case memory([String: [UInt8]])
    }

    /// The files of a directory.
    public init(directory: URL) {
        path = directory.path
        source = .directory
    }

    /// Files in memory, by name; `path` says where they came from.
    public init(_ files: [(name: String, contents: [UInt8])], path: String) {
        self.path = path
        source = .memory(Dictionary(files.map { ($0.name, $0.contents) }, uniquingKeysWith: { first, _ in first }))
    }

    /// The path of one of the files, for messages.
    func path(of name: String) -> String {
        switch source {
        case .directory: path.hasSuffix("/") ? path + name : "\(path)/\(name)"
        case .memory: "\(path) (\(name))"
        }
    }

    /// The contents of a file, or nil where there is none of that name.
    func contents(of name: String) throws(TokenizerError) -> [UInt8]? {
        switch source {
        case .memory(let files): return files[name]
        case .directory:
            let file = path(of: name)
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory) else { return nil }
            if isDirectory.boolValue {
                throw .malformed(path: file, reason: "this is a directory, expected a file")
            }
            guard let data = FileManager.default.contents(atPath: file) else {
                throw .malformed(path: file, reason: "the file cannot be read")
            }
            return [UInt8](data)
        }
    }

    /// Whether there are files of all these names.
    func have(_ names: String...) -> Bool {
        names.allSatisfy { name in
            switch source {
            case .memory(let files): files[name] != nil
            case .directory: FileManager.default.fileExists(atPath: path(of: name))
            }
        }
    }

    /// The contents of a file that must be there.
    func required(_ name: String) throws(TokenizerError) -> [UInt8] {
        guard let bytes = try contents(of: name) else {
            throw .malformed(path: path(of: name), reason: "the file is missing")
        }
        return bytes
    }

    /// A file that must be there and be a JSON object.
    func object(_ name: String) throws(TokenizerError) -> [String: Any] {
        let bytes = try required(name)
        guard let json = try? JSONSerialization.jsonObject(with: Data(bytes)), let object = json as? [String: Any]
        else { throw .malformed(path: path(of: name), reason: "this is not a JSON object") }
        return object
    }
}
