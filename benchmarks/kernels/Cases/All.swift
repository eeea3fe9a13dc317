/// Every case, in the order of the table. A new one is one line here.
let allCases: [BenchCase] =
    BenchCase.matmulLayouts + BenchCase.matmulPacked + BenchCase.matmulLinear + BenchCase.matmulGELU
    + BenchCase.matmulDynamic + BenchCase.matmulDecode + BenchCase.bitmaskProducts
    + BenchCase.blocks + [
        .headProducts, .headLoss,
        .attention, .attentionBackward, .attentionBF16, .attentionBackwardBF16,
        .norm, .normToBF16, .normBackward, .normBackwardFromBF16, .rmsNormRows, .rmsNormBackwardRows,
        .softmaxRows, .softmaxGradient, .residual, .columnSums, .columnSumsOfBF16,
        .embeddingGather, .embeddingScatter, .crossEntropyRows, .crossEntropyOfBF16, .distillationRows, .divergenceRows,
        .dropoutForward, .uniformNumbers, .normalNumbers,
        .convertToBF16, .convertFromBF16, .convertToF16, .convertFromF16,
        .adamW, .adamWPacked, .adamW8bit, .momentum, .lion, .adagrad, .maxNorms, .repack, .gradientNorm,
        .quantizeRowsToInt8, .widenFourBits, .quantizeToLevels, .requantizeRows, .bitmaskExpand,
    ] + BenchCase.elements + BenchCase.sparseProducts
