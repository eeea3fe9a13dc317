import Alambic
import Foundation

/// Runs the papers and returns the exit code: 0 all claims met (or a quick run), 1 failed or missed, 64 usage.
func run(_ words: [String]) -> Int32 {
    let settings: Settings
    do throws(Settings.UsageError) {
        settings = try Settings(words, environment: ProcessInfo.processInfo.environment)
    } catch {
        complain(error.text)
        return 64
    }
    if settings.wantsHelp {
        print(Settings.help)
        return 0
    }
    guard let data = settings.data else {
        complain("there is no data: name its directory with --data DIR or ALAMBIC_DATA (mnist/, tinyshakespeare/)")
        return 64
    }
    do {
        return try run(settings, data: data)
    } catch {
        complain("\(error)")
        return 1
    }
}

private func run(_ settings: Settings, data: URL) throws -> Int32 {
    var entries: [PaperPage.Entry] = []
    let folder = settings.out.appendingPathComponent(settings.quick ? "quick" : "full")
    // Before hours of work that could not be kept.
    guard (try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)) != nil,
        FileManager.default.isWritableFile(atPath: folder.path)
    else {
        complain("results cannot be written to \(folder.path): name another directory with --out DIR")
        return 1
    }
    for type in settings.papers {
        let seeds = (1...settings.seeds).map(UInt64.init)
        let lab = Lab(paper: type.name, data: data, out: settings.out, seeds: seeds, quick: settings.quick)
        let result = try type.init().run(lab)
        print(PaperText.text(type, result, seconds: lab.seconds, seeds: settings.seeds), terminator: "")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(
            [UInt8](try encoder.encode(result)), to: folder.appendingPathComponent("\(type.name).json"))
        for (index, curve) in result.curves.enumerated() {
            try AtomicFile.write(
                PaperPage.picture(curve), to: folder.appendingPathComponent("\(type.name)-\(index + 1).svg"))
        }
        entries.append(
            PaperPage.Entry(
                paper: type, result: result, seconds: lab.seconds, seeds: settings.seeds, quick: settings.quick))
        // After every paper, so that there is something to look at on the way.
        let machine = "\(Machine.local.name), \(lab.context.threads) threads, alambic \(alambicVersion)"
        try AtomicFile.write(
            PaperPage.html(entries, machine: machine), to: folder.appendingPathComponent("papers.html"))
        try AtomicFile.write(
            PaperMarkdown.text(entries, machine: machine), to: folder.appendingPathComponent("papers.md"))
    }
    print("\npage: \(folder.appendingPathComponent("papers.html").path)")
    return settings.quick || entries.allSatisfy { $0.result.claims.allSatisfy(\.isMet) } ? 0 : 1
}

private func complain(_ text: String) { FileHandle.standardError.write(Data("papers: \(text)\n".utf8)) }

exit(run(Array(CommandLine.arguments.dropFirst())))
