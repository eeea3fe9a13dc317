/// Every case, in the order of the table. A new one is one line here.
let allCases: [BenchCase] = families.flatMap { $0 }

private let families: [[BenchCase]] = [
    BenchCase.matmulLayouts, BenchCase.matmulPacked, BenchCase.matmulLinear, BenchCase.matmulGELU,
    BenchCase.matmulDynamic, BenchCase.matmulDecode, BenchCase.bitmaskProducts,
    BenchCase.blocks,
    [
        .headProducts, .headLoss,
        .attention, .attentionBackward, .attentionBF16, .attentionBackwardBF16,
    ],
    BenchCase.cachedAttentions,
    [
        .norm, .normToBF16, .normBackward, .normBackwardFromBF16, .rmsNormRows, .rmsNormBackwardRows,
        .softmaxRows, .softmaxGradient, .residual, .columnSums, .columnSumsOfBF16,
    ],
    BenchCase.algebra,
    [.embeddingGather, .embeddingScatter, .crossEntropyRows, .crossEntropyOfBF16],
    BenchCase.crossEntropies,
    [.distillationRows],
    BenchCase.divergences,
    [.dropoutForward],
    BenchCase.unitDropouts,
    [
        .uniformNumbers, .normalNumbers,
        .convertToBF16, .convertFromBF16, .convertToF16, .convertFromF16,
        .adamW, .adamWPacked, .adamW8bit, .momentum, .nesterov, .plainDescent, .lion, .adagrad, .rmsProp, .adaMax,
    ],
    BenchCase.layerwise,
    BenchCase.constraints,
    [.repack, .repackF32, .repackS8, .gradientNorm, .quantizeRowsToInt8, .widenFourBits],
    BenchCase.integers,
    BenchCase.images,
    BenchCase.sparseForms,
    BenchCase.elements,
    BenchCase.sparseProducts,
]
