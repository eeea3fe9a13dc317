/// Every case, in the order of the table. A new one is one line here.
let allCases: [BenchCase] = [
    .matmulF32, .matmulPackedF32, .matmulS8, .linearS8, .decodeF32, .decodeS8,
    .attention, .attentionBackward,
    .norm, .normBackward, .softmaxRows, .geluForward, .geluGradient, .residual, .columnSums,
    .embeddingGather, .embeddingScatter, .crossEntropyRows, .distillationRows, .vocabularyLoss,
    .dropoutForward, .uniformNumbers, .normalNumbers,
    .convertToBF16, .convertFromBF16, .convertToF16, .convertFromF16,
    .adamW, .momentum, .gradientNorm, .quantizeRowsToInt8, .bitmaskExpand,
]
