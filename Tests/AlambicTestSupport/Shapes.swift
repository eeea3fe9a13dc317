/// Extents where kernels go wrong: one, and one less, just at and one more than each multiple of a tile's side.
///
/// `tiles` are the sides of tiles, vectors and blocks that the code under test has; `most` bounds the extents.
public func edgeExtents(tiles: [Int], most: Int) -> [Int] {
    var extents: Set<Int> = [1, 2, 3]
    for tile in tiles {
        for multiple in [1, 2, 3] {
            for offset in [-1, 0, 1] { extents.insert(multiple * tile + offset) }
        }
    }
    return extents.filter { 1...most ~= $0 }.sorted()
}

/// `count` shapes of `tiles.count` extents, drawn around the tile edges of each dimension. `tiles[d]` lists the tile sides of
/// dimension d and `most[d]` its largest extent. The same seed gives the same shapes.
public func drawnShapes(_ count: Int, tiles: [[Int]], most: [Int], seed: UInt64) -> [[Int]] {
    precondition(tiles.count == most.count, "tiles for \(tiles.count) dimensions, limits for \(most.count)")
    var generator = SplitMix(seed: seed)
    let extents = zip(tiles, most).map { edgeExtents(tiles: $0, most: $1) }
    return (0..<count).map { _ in
        extents.enumerated().map { dimension, edges in
            // Now and then any extent, so that what edges miss is met too.
            Int.random(in: 0..<4, using: &generator) == 0
                ? Int.random(in: 1...most[dimension], using: &generator)
                : edges[Int.random(in: 0..<edges.count, using: &generator)]
        }
    }
}

/// The numbers of threads that every kernel must give the same bits for.
public let threadCounts = [1, 2, 3, 4]
