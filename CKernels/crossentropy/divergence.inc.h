// Rows of divergences between two softmaxes at one vector width. The bits of a row depend on nothing else.
#include "vector/math.inc.h"
#include "vector/exponent.inc.h"

#define div_load CK_NAME(ck_div_load)
#define div_store CK_NAME(ck_div_store)

// A vector of a row, minus infinity past its end.
CK_VECTOR vfloat div_load(const float *x, size_t j, size_t n) {
  return j + CK_LANES <= n ? vload(x + j) : vload_part(x + j, n - j, -INFINITY);
}

CK_VECTOR void div_store(float *x, size_t j, size_t n, vfloat value) {
  if (j + CK_LANES <= n)
    vstore(x + j, value);
  else
    vstore_part(x + j, n - j, value);
}

CK_VECTOR float CK_NAME(div_max)(const float *x, size_t n) {
  vfloat top = -INFINITY;
  for (size_t j = 0; j < n; j += CK_LANES) top = vmax(top, div_load(x, j, n));
  return vhighest(top);
}

// The sum of e^((x - top) inverse).
CK_VECTOR float CK_NAME(div_exp_sum)(const float *x, size_t n, float top, float inverse) {
  vfloat sum = 0;
  for (size_t j = 0; j < n; j += CK_LANES) sum += vexp_below((div_load(x, j, n) - top) * inverse);
  return vsum(sum);
}

// What makes log-probabilities at the temperature: log p_j = (x_j - top) inverse - log_sum.
typedef struct CK_NAME(div_row) {
  const float *x;
  float top, inverse, log_sum;
} CK_NAME(div_row);

CK_VECTOR CK_NAME(div_row) CK_NAME(div_row_of)(const float *x, size_t n, float inverse) {
  const float top = CK_NAME(div_max)(x, n);
  const double sum = CK_NAME(div_exp_sum)(x, n, top, inverse);
  return (CK_NAME(div_row)){x, top, inverse, (float)log(sum)};
}

CK_VECTOR vfloat CK_NAME(div_log)(CK_NAME(div_row) row, size_t j, size_t n) {
  return (div_load(row.x, j, n) - row.top) * row.inverse - row.log_sum;
}

// log(P / M) and log(Q / M) of the mixture M = beta P + (1 - beta) Q, from log P and log Q; with d = log P - log Q both
// are min(d, 0) and -max(d, 0), less log((1 - beta) e^-max(d, 0) + beta e^min(d, 0)), in which nothing overflows. NaN
// stays NaN: vmax and vmin give the second operand then.
CK_VECTOR void CK_NAME(div_mixture)(vfloat lp, vfloat lq, float beta, vfloat *of_p, vfloat *of_q) {
  const vfloat d = lp - lq, above = vmax((vfloat)(0.0f), d), below = vmin((vfloat)(0.0f), d);
  const vfloat mixed = vlog((1 - beta) * vexp_below(-above) + beta * vexp_below(below));
  *of_p = below - mixed;
  *of_q = -above - mixed;
}

// The summands of the divergence, and those whose sum the gradient needs.
CK_VECTOR void CK_NAME(div_terms)(const ck_divergence_job *job, vfloat lp, vfloat lq, vfloat *term, vfloat *part) {
  const vfloat q = vexp_below(lq);
  if (job->divergence == CK_REVERSE_KL) {
    *part = *term = q == 0.0f ? (vfloat)(0.0f) : q * (lq - lp); // 0 log 0 = 0
    return;
  }
  const vfloat p = vexp_below(lp);
  vfloat of_p, of_q;
  CK_NAME(div_mixture)(lp, lq, job->beta, &of_p, &of_q);
  *part = q == 0.0f ? (vfloat)(0.0f) : q * of_q;
  *term = job->beta * (p == 0.0f ? (vfloat)(0.0f) : p * of_p) + (1 - job->beta) * *part;
}

// dD/dz_j at T = 1: q_j (r_j - sum q r) with r = log(q / p), or (1 - beta) log(q / m).
CK_VECTOR vfloat CK_NAME(div_slope)(const ck_divergence_job *job, vfloat lp, vfloat lq, float sum) {
  const vfloat q = vexp_below(lq);
  vfloat of_p, of_q;
  float share = 1;
  if (job->divergence == CK_REVERSE_KL) {
    of_q = lq - lp;
  } else {
    CK_NAME(div_mixture)(lp, lq, job->beta, &of_p, &of_q);
    share = 1 - job->beta;
  }
  return q == 0.0f ? (vfloat)(0.0f) : share * q * (of_q - sum);
}

typedef struct CK_NAME(div_hard) {
  float top, factor, scale;
} CK_NAME(div_hard);

// The cross-entropy with the target, and what its gradient needs.
CK_VECTOR CK_NAME(div_hard) CK_NAME(div_hard_of)(const ck_divergence_job *job, size_t i, const float *x, float top) {
  job->hard[i] = 0;
  if (!job->targets) return (CK_NAME(div_hard)){0};
  const float sum = CK_NAME(div_exp_sum)(x, job->vocabulary, top, 1);
  job->hard[i] = (float)(log((double)sum) + ((double)top - (double)x[job->targets[i]]));
  const float scale = job->gradient_scale * (1 - job->mixing);
  return (CK_NAME(div_hard)){top, scale / sum, scale};
}

CK_VECTOR vfloat CK_NAME(div_hard_slope)(CK_NAME(div_hard) hard, const float *x, size_t j, size_t n) {
  if (hard.scale == 0) return 0;
  return vexp_below(div_load(x, j, n) - hard.top) * hard.factor;
}

// gradient and x may be the same memory: of each element, what is read comes before what is written.
CK_VECTOR void CK_NAME(div_softmax_row)(const ck_divergence_job *job, size_t i, const float *student,
                                        const float *teacher, float *gradient) {
  const size_t n = job->vocabulary;
  const float inverse = 1 / job->temperature, square = job->temperature * job->temperature;
  const CK_NAME(div_row) q = CK_NAME(div_row_of)(student, n, inverse), p = CK_NAME(div_row_of)(teacher, n, inverse);
  vfloat sum = 0, sums = 0;
  for (size_t j = 0; j < n; j += CK_LANES) {
    vfloat term, part;
    CK_NAME(div_terms)(job, CK_NAME(div_log)(p, j, n), CK_NAME(div_log)(q, j, n), &term, &part);
    sum += term;
    sums += part;
  }
  const float within = vsum(sums);
  job->soft[i] = square * vsum(sum);
  const CK_NAME(div_hard) hard = CK_NAME(div_hard_of)(job, i, student, q.top);
  if (!gradient) return;
  const float scale = job->gradient_scale * job->mixing * job->temperature;
  const float label = hard.scale;
  for (size_t j = 0; j < n; j += CK_LANES) {
    vfloat g = scale * CK_NAME(div_slope)(job, CK_NAME(div_log)(p, j, n), CK_NAME(div_log)(q, j, n), within);
    g += CK_NAME(div_hard_slope)(hard, student, j, n);
    div_store(gradient, j, n, g);
  }
  if (job->targets) gradient[job->targets[i]] -= label;
}

// 1 / (2 N) |(z - mean z) - (v - mean v)|²; its gradient in z is (z - mean z - v + mean v) / N.
CK_VECTOR void CK_NAME(div_logits_row)(const ck_divergence_job *job, size_t i, const float *student,
                                       const float *teacher, float *gradient) {
  const size_t n = job->vocabulary;
  vfloat sum = 0, squares = 0;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat d = div_load(student, j, n) - div_load(teacher, j, n); // NaN past the end
    sum += j + CK_LANES <= n ? d : (viota() < (int32_t)(n - j) ? d : (vfloat)(0.0f));
  }
  const float mean = vsum(sum) / (float)n;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat d = div_load(student, j, n) - div_load(teacher, j, n) - mean;
    squares += j + CK_LANES <= n ? d * d : (viota() < (int32_t)(n - j) ? d * d : (vfloat)(0.0f));
  }
  job->soft[i] = vsum(squares) / (2 * (float)n);
  const float top = job->targets ? CK_NAME(div_max)(student, n) : 0;
  const CK_NAME(div_hard) hard = CK_NAME(div_hard_of)(job, i, student, top);
  if (!gradient) return;
  const float scale = job->gradient_scale * job->mixing / (float)n;
  const float label = hard.scale;
  for (size_t j = 0; j < n; j += CK_LANES) {
    vfloat g = scale * (div_load(student, j, n) - div_load(teacher, j, n) - mean);
    g += CK_NAME(div_hard_slope)(hard, student, j, n);
    div_store(gradient, j, n, g);
  }
  if (job->targets) gradient[job->targets[i]] -= label;
}

static void CK_NAME(divergence_row)(const ck_divergence_job *job, size_t i) {
  const size_t n = job->vocabulary;
  const float *student = job->student + i * n, *teacher = job->teacher + i * n;
  float *gradient = job->gradient ? job->gradient + i * n : NULL;
  // Targets were checked by the driver; a list may run later, when they have changed.
  if (job->targets && (uint32_t)job->targets[i] >= n) {
    job->soft[i] = job->hard[i] = 0;
    if (gradient) memset(gradient, 0, n * sizeof(float));
  } else if (job->divergence == CK_MATCHED_LOGITS) {
    CK_NAME(div_logits_row)(job, i, student, teacher, gradient);
  } else {
    CK_NAME(div_softmax_row)(job, i, student, teacher, gradient);
  }
}

static void CK_NAME(ck_divergence_rows)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_divergence_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(divergence_row)(job, i);
}

// teacher = T log p on the known classes; elsewhere the student's logits, shifted so that they hold the tail's mass.
static void CK_NAME(complete_row)(const ck_completion_job *job, size_t i) {
  const size_t n = job->vocabulary, k = job->count;
  const float *student = job->student + i * n, *known = job->log_probabilities + i * k;
  const int32_t *classes = job->classes + i * k;
  float *teacher = job->teacher + i * n;
  memcpy(teacher, student, n * sizeof(float));
  for (size_t j = 0; j < k; j++)
    if ((uint32_t)classes[j] < n) teacher[classes[j]] = -INFINITY;
  const float top = CK_NAME(div_max)(teacher, n), inverse = 1 / job->temperature;
  float shift = -INFINITY;
  if (top > -INFINITY && job->tails[i] > 0) {
    const double sum = CK_NAME(div_exp_sum)(teacher, n, top, inverse);
    shift = (float)((double)job->temperature * (log((double)job->tails[i]) - log(sum)) - (double)top);
  }
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat x = div_load(teacher, j, n);
    div_store(teacher, j, n, shift == -INFINITY ? (vfloat)(-INFINITY) : x + shift);
  }
  for (size_t j = 0; j < k; j++)
    if ((uint32_t)classes[j] < n) teacher[classes[j]] = job->temperature * known[j];
}

static void CK_NAME(ck_completion_rows)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_completion_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(complete_row)(job, i);
}
#undef div_load
#undef div_store
