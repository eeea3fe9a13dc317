// A writer that suffers: the file tests start it as a process of its own, so that it can really be killed, run without
// rights, or hit the limit of its disk.
//
//     faultwriter [--kill-at N] [--without-exchange] [--nobody] [--file-limit BYTES] file|directory|read PATH TEXT
//
// `file` writes TEXT to PATH; `directory` writes a small model whose parts all say TEXT; `read` reads PATH as text.
// Errors go to standard error, one line each; exit code 0 or 1.
import AlambicFiles
import Foundation
import Synchronization

var arguments = Array(CommandLine.arguments.dropFirst())
var killAt = Int.max
var withoutExchange = false

func fail(_ message: String) -> Never {
    // Not through FileHandle, which traps when standard error is itself a file at its limit.
    _ = message.withCString { write(2, $0, strlen($0)) } + write(2, "\n", 1)
    exit(1)
}

while let option = arguments.first, option.hasPrefix("--") {
    arguments.removeFirst()
    switch option {
    case "--kill-at": killAt = Int(arguments.removeFirst()) ?? .max
    case "--without-exchange": withoutExchange = true
    case "--nobody":
        if getuid() == 0 {
            guard setgid(65534) == 0, setuid(65534) == 0 else { fail("cannot become nobody") }
        }
    case "--file-limit":
        let bytes = rlim_t(arguments.removeFirst()) ?? 0
        var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(1)
        #else
            let resource = RLIMIT_FSIZE
        #endif
        signal(SIGXFSZ, SIG_IGN)
        guard setrlimit(resource, &limit) == 0 else { fail("cannot set the limit") }
    default: fail("unknown option \(option)")
    }
}
guard arguments.count == 3 else { fail("usage: faultwriter [OPTION…] file|directory|read PATH TEXT") }
let (mode, url, text) = (arguments[0], URL(fileURLWithPath: arguments[1]), arguments[2])
let steps = Atomic(0)
let last = killAt

do {
    try FaultPoint.$withoutExchange.withValue(withoutExchange) {
        try FaultPoint.$hook.withValue({ _ in
            // Not an exception, not an exit: the process is gone between two instructions.
            if steps.add(1, ordering: .relaxed).newValue == last { kill(getpid(), SIGKILL) }
        }) {
            switch mode {
            case "file":
                try AtomicFile.write(to: url) { file in for character in text { try file.write("\(character)") } }
            case "directory":
                try AtomicDirectory.write(to: url) { directory in
                    var configuration = ModelConfiguration(["model_type": "test", "text": .string(text)])
                    configuration.object["again"] = .string(text)
                    try configuration.write(to: directory.appendingPathComponent("config.json"))
                    try SafeTensors.write(
                        [.init("text", shape: [text.utf8.count], Array(text.utf8))],
                        to: directory.appendingPathComponent("model.safetensors"))
                }
            case "read": print(try TextFile.read(url).bytes.count)
            default: fail("unknown mode \(mode)")
            }
        }
    }
} catch {
    fail("\(error)")
}
