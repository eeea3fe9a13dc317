// swift-tools-version: 6.2
import PackageDescription

// `-fopenmp` is compiled in and libomp5 is linked, never `-fopenmp` at link time: see CONTRIBUTING, "Build facts".
// `-O3` follows SwiftPM's `-O0`, so that debug builds, tests and a plain `swift run bench` use optimised kernels.
let kernelFlags: [CSetting] = [
    .headerSearchPath("."),
    .unsafeFlags(["-O3", "-std=c2x", "-Wall", "-Wextra", "-Wno-unused-parameter"]),
    .unsafeFlags(["-fopenmp"], .when(platforms: [.linux])),
    .define("CK_HAVE_OPENMP", .when(platforms: [.linux])),
    .define("CK_HAVE_HWLOC", .when(platforms: [.linux])),
    .define("_GNU_SOURCE", .when(platforms: [.linux])),
]
/// Types that lend spans of their memory need lifetimes.
let lendsSpans: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]
/// Modules with inner loops of their own are optimised in debug builds too.
let optimised: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
    name: "alambic",
    platforms: [.macOS(.v15)],
    // MARK: products
    products: [
        .library(name: "Alambic", targets: ["Alambic"]),
        .library(name: "AlambicKernels", targets: ["AlambicKernels"]),
        .executable(name: "alambic", targets: ["AlambicCommand"]),
        .executable(name: "bench", targets: ["bench"]),
        .executable(name: "papers", targets: ["papers"]),
    ],
    targets: [
        // MARK: library
        .target(
            name: "CKernels", path: "CKernels", exclude: ["tests"], publicHeadersPath: "include",
            cSettings: kernelFlags,
            linkerSettings: [
                .linkedLibrary("omp5", .when(platforms: [.linux])),
                .linkedLibrary("hwloc", .when(platforms: [.linux])),
                .linkedLibrary("m", .when(platforms: [.linux])),
            ]),
        .target(name: "AlambicKernels", dependencies: ["CKernels"], swiftSettings: lendsSpans + optimised),
        .systemLibrary(
            name: "COpenBLAS", path: "Sources/COpenBLAS", pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        .target(
            name: "AlambicTensor", dependencies: ["AlambicKernels", "COpenBLAS"], swiftSettings: lendsSpans + optimised),
        .systemLibrary(
            name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "AlambicFiles", dependencies: ["CZlib"], swiftSettings: optimised),
        .target(name: "AlambicTokenizers", swiftSettings: optimised),
        .target(
            name: "AlambicModels", dependencies: ["AlambicTensor", "AlambicFiles", "AlambicTokenizers"],
            swiftSettings: lendsSpans + optimised),
        .target(name: "AlambicOptimizers", dependencies: ["AlambicTensor"], swiftSettings: lendsSpans + optimised),
        .target(
            name: "AlambicTraining", dependencies: ["AlambicModels", "AlambicOptimizers"],
            swiftSettings: lendsSpans + optimised),
        .target(
            name: "AlambicDistillation", dependencies: ["AlambicTraining"], swiftSettings: lendsSpans + optimised),
        .target(name: "AlambicPruning", dependencies: ["AlambicTraining"], swiftSettings: lendsSpans + optimised),
        .target(name: "AlambicQuantization", dependencies: ["AlambicTraining"], swiftSettings: lendsSpans + optimised),
        .target(name: "AlambicParallel", dependencies: ["AlambicTraining"], swiftSettings: lendsSpans + optimised),
        .target(
            name: "Alambic",
            dependencies: ["AlambicDistillation", "AlambicPruning", "AlambicQuantization", "AlambicParallel"]),
        // MARK: executables
        .target(name: "AlambicReport"),
        .executableTarget(name: "AlambicCommand", dependencies: ["Alambic", "AlambicReport"]),
        .executableTarget(
            name: "bench", dependencies: ["AlambicKernels", "COpenBLAS"], path: "benchmarks/kernels",
            swiftSettings: lendsSpans + optimised),
        .executableTarget(
            name: "papers", dependencies: ["Alambic", "AlambicReport"], path: "benchmarks/papers",
            exclude: ["Clusters"], swiftSettings: lendsSpans + optimised),
        // MARK: tests
        .target(
            name: "AlambicTestSupport", path: "Tests/AlambicTestSupport", swiftSettings: optimised),
        // A process that the kernel tests start in order to give it an environment.
        .executableTarget(name: "environmentprobe", dependencies: ["AlambicKernels"], path: "Tests/EnvironmentProbe"),
        .testTarget(
            name: "AlambicKernelsTests", dependencies: ["AlambicKernels", "AlambicTestSupport", "environmentprobe"],
            swiftSettings: lendsSpans + optimised),
        .testTarget(
            name: "AlambicTensorTests", dependencies: ["AlambicTensor", "AlambicTestSupport"],
            swiftSettings: lendsSpans + optimised),
        // A process that the file tests start in order to kill it, to take its rights or to shrink its disk.
        .executableTarget(name: "faultwriter", dependencies: ["AlambicFiles"], path: "Tests/FaultWriter"),
        .testTarget(
            name: "AlambicFilesTests", dependencies: ["AlambicFiles", "AlambicTestSupport", "faultwriter"]),
        .testTarget(name: "AlambicTokenizersTests", dependencies: ["AlambicTokenizers", "AlambicTestSupport"]),
        .testTarget(
            name: "AlambicModelsTests", dependencies: ["AlambicModels", "AlambicTestSupport"], exclude: ["Fixtures"],
            swiftSettings: lendsSpans + optimised),
        .testTarget(
            name: "AlambicOptimizersTests", dependencies: ["AlambicOptimizers", "AlambicTestSupport"],
            swiftSettings: lendsSpans),
        .testTarget(name: "AlambicTrainingTests", dependencies: ["AlambicTraining", "AlambicTestSupport"]),
        .testTarget(name: "AlambicDistillationTests", dependencies: ["AlambicDistillation", "AlambicTestSupport"]),
        .testTarget(name: "AlambicPruningTests", dependencies: ["AlambicPruning", "AlambicTestSupport"]),
        .testTarget(
            name: "AlambicQuantizationTests", dependencies: ["AlambicQuantization", "AlambicTestSupport"],
            swiftSettings: lendsSpans + optimised),
        .testTarget(name: "AlambicParallelTests", dependencies: ["AlambicParallel", "AlambicTestSupport"]),
        .testTarget(name: "AlambicTests", dependencies: ["Alambic", "AlambicTestSupport"]),
        .testTarget(name: "AlambicCommandTests", dependencies: ["AlambicCommand", "AlambicTestSupport"]),
        .testTarget(name: "PapersTests", dependencies: ["papers"], swiftSettings: optimised),
        .testTarget(name: "BenchTests", dependencies: ["bench", "AlambicKernels"]),
        .testTarget(name: "BenchPeersTests", dependencies: ["bench", "AlambicKernels"]),
    ]
)
