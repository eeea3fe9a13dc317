// Everything that Swift sees of the kernels. One header per operation.
#ifndef CKERNELS_H
#define CKERNELS_H
#include "ck_runtime.h"
// One line per operation:
#include "ck_adamw.h"
#include "ck_adamw8.h"
#include "ck_attention.h"
#include "ck_bitmask.h"
#include "ck_columnsum.h"
#include "ck_convert.h"
#include "ck_crossentropy.h"
#include "ck_dropout.h"
#include "ck_each.h"
#include "ck_elementwise.h"
#include "ck_embedding.h"
#include "ck_gelu.h"
#include "ck_lion.h"
#include "ck_map.h"
#include "ck_matmul.h"
#include "ck_norm.h"
#include "ck_probe.h"
#include "ck_quantize.h"
#include "ck_random.h"
#include "ck_reduce.h"
#include "ck_sgd.h"
#include "ck_softmax.h"
#include "ck_step.h"
#endif
