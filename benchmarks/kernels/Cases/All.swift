/// Every case, in the order of the table. A new one is one line here.
let allCases: [BenchCase] =
    BenchCase.matmulLayouts + BenchCase.matmulPacked + BenchCase.matmulLinear + BenchCase.matmulGELU
    + BenchCase.matmulDynamic + BenchCase.matmulDecode + [
        .attention, .attentionBackward,
        .norm, .normToBF16, .normBackward, .normBackwardFromBF16, .rmsNormRows, .rmsNormBackwardRows,
        .softmaxRows, .softmaxGradient, .geluForward, .geluGradient, .residual, .columnSums, .columnSumsOfBF16,
        .embeddingGather, .embeddingScatter, .crossEntropyRows, .crossEntropyOfBF16, .distillationRows, .vocabularyLoss,
        .dropoutForward, .uniformNumbers, .normalNumbers,
        .convertToBF16, .convertFromBF16, .convertToF16, .convertFromF16,
        .adamW, .momentum, .gradientNorm, .quantizeRowsToInt8, .bitmaskExpand,
    ]
