#if os(Linux)
    import Glibc

    /// Which hardware threads a thread may run on. Looked up by name, since Glibc's module hides these functions.
    public enum Affinity {
        private typealias Get = @convention(c) (Int32, Int, UnsafeMutableRawPointer) -> Int32
        private typealias Set = @convention(c) (Int32, Int, UnsafeRawPointer) -> Int32
        private static let bytes = 128
        private struct Refused: Error {}

        private static func function<T>(_ name: String, as: T.Type) throws -> T {
            guard let symbol = dlsym(UnsafeMutableRawPointer(bitPattern: 0), name) else { throw Refused() }
            return unsafeBitCast(symbol, to: T.self)
        }

        /// Indices of the hardware threads that the calling thread may run on, ascending.
        public static func ofThisThread() throws -> [Int] {
            var mask = [UInt8](repeating: 0, count: bytes)
            guard try function("sched_getaffinity", as: Get.self)(0, bytes, &mask) == 0 else { throw Refused() }
            return (0..<bytes * 8).filter { mask[$0 / 8] >> ($0 % 8) & 1 == 1 }
        }

        /// Binds a thread, 0 for the calling one, to one hardware thread.
        public static func set(thread: Int32, unit: Int) throws {
            var mask = [UInt8](repeating: 0, count: bytes)
            mask[unit / 8] = 1 << (unit % 8)
            guard try function("sched_setaffinity", as: Set.self)(thread, bytes, mask) == 0 else { throw Refused() }
        }
    }
#endif
