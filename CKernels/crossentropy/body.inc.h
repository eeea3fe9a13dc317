// Rows of softmax cross-entropy at one vector width. The bits of a row depend on nothing else.
#include "vector/math.inc.h"
#include "vector/exponent.inc.h"
#include "vector/typed.inc.h"
#include "vector/pairs.inc.h"

// A vector of a row, minus infinity past its end; for e^(x - maximum) that is 0.
CK_VECTOR vfloat CK_NAME(row_load)(const float *x, size_t j, size_t n) {
  return j + CK_LANES <= n ? vload(x + j) : vload_part(x + j, n - j, -INFINITY);
}

CK_VECTOR void CK_NAME(row_store)(float *x, size_t j, size_t n, vfloat value) {
  if (j + CK_LANES <= n)
    vstore(x + j, value);
  else
    vstore_part(x + j, n - j, value);
}

// While a row is worked on, which is in a near cache, memory would be idle: each step of the passes also fetches a part
// of what follows, for the second-level cache. Past the end of the logits that is no harm.
CK_VECTOR void CK_NAME(row_fetch)(const void *ahead, size_t j, const ck_type type) {
  const char *p = (const char *)ahead + j * ck_bytes_of(type);
  for (size_t line = 0; line < 4 * CK_LANES * ck_bytes_of(type); line += 64) __builtin_prefetch(p + line, 0, 2);
}

// `type` is a constant in all of these, for which they are inlined.
CK_VECTOR vfloat CK_NAME(row_load_as)(const void *x, size_t j, size_t n, const ck_type type) {
  return j + CK_LANES <= n ? vload_as(x, j, type) : vload_part_as(x, j, n - j, -INFINITY, type);
}

CK_VECTOR float CK_NAME(row_max)(const void *x, size_t n, const ck_type type) {
  vfloat top[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  size_t j = 0;
  if (type == CK_BF16) { // as whole numbers, of which twice as many fit: greater when the number is, and back
#define CK_IN_ORDER(bits) ((bits) ^ (((bits) >> 15) & 0x7fff))
    typedef int16_t shorts __attribute__((ext_vector_type(2 * CK_LANES)));
    shorts most[2] = {CK_IN_ORDER((int16_t)0xff80), CK_IN_ORDER((int16_t)0xff80)}; // minus infinity
    for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
      for (int u = 0; u < 2; u++) {
        shorts h;
        __builtin_memcpy(&h, (const uint16_t *)x + j + u * 2 * CK_LANES, sizeof h);
        most[u] = __builtin_elementwise_max(most[u], (shorts)CK_IN_ORDER(h));
      }
    most[0] = __builtin_elementwise_max(most[0], most[1]);
    most[0] = CK_IN_ORDER(most[0]);
    vload_two(&most[0], 0, type, top);
#undef CK_IN_ORDER
  }
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
    for (int u = 0; u < 4; u++) top[u] = vmax(top[u], vload_as(x, j + u * CK_LANES, type));
  for (; j < n; j += CK_LANES) top[0] = vmax(top[0], CK_NAME(row_load_as)(x, j, n, type));
  return vhighest(vmax(vmax(top[0], top[1]), vmax(top[2], top[3])));
}

// What the exponentials of a row are relative to: its greatest logit, or 2^scaled, nearly the same, so that one fused
// operation makes an exponent of a logit. That needs a greatest logit of ordinary size.
typedef struct CK_NAME(reference) {
  float maximum, scaled;
  bool fused;
} CK_NAME(reference);

CK_VECTOR CK_NAME(reference) CK_NAME(reference_of)(float maximum) {
  const bool fused = CK_LANES > 4 && maximum > -65536.0f && maximum < 65536.0f;
  return (CK_NAME(reference)){maximum, fused ? maximum * CK_LOG2_E : 0, fused};
}

// log of (sum of exponentials relative to the reference) - log of (sum relative to the maximum).
CK_VECTOR double CK_NAME(excess)(CK_NAME(reference) reference) {
  if (!reference.fused) return 0;
  return 0.693147180559945309 * ((double)reference.maximum * (double)CK_LOG2_E - (double)reference.scaled);
}

// `fused` is a constant where this is inlined.
CK_VECTOR vfloat CK_NAME(relative_exp)(vfloat x, CK_NAME(reference) reference, const bool fused) {
  if (fused) return vexp2_below(vfma(x, (vfloat)(CK_LOG2_E), (vfloat)(-reference.scaled)));
  return vexp_below(x - reference.maximum);
}

CK_VECTOR float CK_NAME(row_exp_sum_as)(const void *x, size_t n, CK_NAME(reference) reference, const bool fused,
                                        float *e, const void *ahead, const ck_type type) {
  vfloat sum[4] = {0, 0, 0, 0};
  size_t j = 0;
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES) {
    if (ahead) CK_NAME(row_fetch)(ahead, j, type);
    vfloat v[4];
    vload_two(x, j, type, v);
    vload_two(x, j + 2 * CK_LANES, type, v + 2);
    for (int u = 0; u < 4; u++) {
      vfloat y = CK_NAME(relative_exp)(v[u], reference, fused);
      sum[u] += y;
      if (e) vstore(e + j + u * CK_LANES, y);
    }
  }
  for (; j < n; j += CK_LANES) {
    vfloat y = CK_NAME(relative_exp)(CK_NAME(row_load_as)(x, j, n, type), reference, fused);
    sum[0] += y;
    if (e) CK_NAME(row_store)(e, j, n, y);
  }
  return vsum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// The sum of a row's exponentials relative to the reference; the terms go to e, as row_scale takes them, when it is not
// NULL (it may be x). Fetches from `ahead`, unless NULL.
CK_VECTOR float CK_NAME(row_exp_sum)(const void *x, size_t n, CK_NAME(reference) reference, float *e, const void *ahead,
                                     const ck_type type) {
  return reference.fused ? CK_NAME(row_exp_sum_as)(x, n, reference, true, e, ahead, type)
                         : CK_NAME(row_exp_sum_as)(x, n, reference, false, e, ahead, type);
}

// Where row_exp_sum puts the term of logit j: bf16 come in words of two.
CK_VECTOR size_t CK_NAME(place)(size_t j, size_t n, const ck_type type) {
  if (type != CK_BF16 || j >= n / (4 * CK_LANES) * (4 * CK_LANES)) return j;
  const size_t in = j % (2 * CK_LANES);
  return j - in + in % 2 * CK_LANES + in / 2;
}

// The sum of a row's logits, in f64: of a few large ones f32 has none.
CK_VECTOR double CK_NAME(row_sum)(const void *x, size_t n, const ck_type type) {
  typedef double wide __attribute__((ext_vector_type(CK_LANES)));
  wide sum = 0;
  size_t j = 0;
  for (; j + CK_LANES <= n; j += CK_LANES) sum += __builtin_convertvector(vload_as(x, j, type), wide);
  if (j < n) sum += __builtin_convertvector(vload_part_as(x, j, n - j, 0, type), wide);
  double lanes[CK_LANES];
  __builtin_memcpy(lanes, &sum, sizeof lanes);
  for (size_t width = CK_LANES / 2; width > 0; width /= 2)
    for (size_t k = 0; k < width; k++) lanes[k] += lanes[k + width];
  return lanes[0];
}

// gradient = e factor + offset, in two roundings at most. e may be the gradient.
CK_VECTOR void CK_NAME(row_scale)(const float *e, size_t n, float factor, float offset, void *gradient,
                                  const ck_type type) {
  const vfloat f = factor, o = offset;
  size_t j = 0;
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
    for (size_t k = j; k < j + 4 * CK_LANES; k += 2 * CK_LANES) {
      const vfloat v[2] = {vfma(vload(e + k), f, o), vfma(vload(e + k + CK_LANES), f, o)};
      vstore_two(gradient, k, v, type, false);
    }
  for (; j < n; j += CK_LANES) {
    const vfloat v = vfma(CK_NAME(row_load)(e, j, n), f, o);
    vstore_part_as(gradient, j, ck_min(CK_LANES, n - j), v, type);
  }
}

// Exponentials are computed once: `scratch` holds those of a row whose gradient is bf16.
CK_VECTOR void CK_NAME(crossentropy_row)(const ck_crossentropy_job *job, size_t i, float *scratch, const ck_type type) {
  const size_t n = job->vocabulary, row_bytes = n * ck_bytes_of(type);
  const char *x = (const char *)job->logits + i * row_bytes;
  char *gradient = job->gradient ? (char *)job->gradient + i * row_bytes : NULL;
  // Targets were checked by the driver; a list may run later, when they have changed.
  const uint32_t target = (uint32_t)job->targets[i];
  if (target >= n) {
    job->losses[i] = 0;
    if (gradient) memset(gradient, 0, row_bytes);
    return;
  }
  const float at_target = type == CK_BF16 ? widen_bf16(((const uint16_t *)x)[target]) : ((const float *)x)[target];
  const float smoothing = job->smoothing;
  // Before the exponentials take the logits' place.
  const double mean = smoothing == 0 ? 0 : CK_NAME(row_sum)(x, n, type) / (double)n;
  const CK_NAME(reference) reference = CK_NAME(reference_of)(CK_NAME(row_max)(x, n, type));
  float *e = !gradient ? NULL : type == CK_BF16 ? scratch : (float *)gradient;
  const float sum = CK_NAME(row_exp_sum)(x, n, reference, e, x + row_bytes, type);
  const double log_sum = log((double)sum) - CK_NAME(excess)(reference);
  double loss = log_sum + ((double)reference.maximum - (double)at_target);
  // Of a class that is excluded, be it the target or not, every target has a share: the difference would be NaN.
  if (smoothing != 0)
    loss = mean == -INFINITY && isfinite(reference.maximum) ? INFINITY
                                                            : loss + (double)smoothing * ((double)at_target - mean);
  job->losses[i] = (float)loss;
  if (!gradient) return;
  const float factor = job->gradient_scale / sum;
  const float others = smoothing * job->gradient_scale / (float)n;
  const float own = (1 - smoothing) * job->gradient_scale + others;
  const float right = e[CK_NAME(place)(target, n, type)] * factor - own;
  CK_NAME(row_scale)(e, n, factor, -others, gradient, type);
  if (type == CK_BF16)
    ((uint16_t *)gradient)[target] = narrow_bf16(right);
  else
    ((float *)gradient)[target] = right;
}

static void CK_NAME(distillation_row)(const ck_distillation_job *job, size_t i) {
  const size_t n = job->vocabulary;
  const float *student = job->student + i * n, *teacher = job->teacher + i * n;
  float *gradient = job->gradient ? job->gradient + i * n : NULL;
  const uint32_t target = job->targets ? (uint32_t)job->targets[i] : 0;
  if (target >= n) {
    job->soft[i] = job->hard[i] = 0;
    if (gradient) memset(gradient, 0, n * sizeof(float));
    return;
  }
  const float inverse = 1 / job->temperature, at_target = student[target];
  const float student_max = CK_NAME(row_max)(student, n, CK_F32), teacher_max = CK_NAME(row_max)(teacher, n, CK_F32);
  vfloat student_sum = 0, teacher_sum = 0, difference = 0;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat s = (CK_NAME(row_load)(student, j, n) - student_max) * inverse;
    const vfloat t = (CK_NAME(row_load)(teacher, j, n) - teacher_max) * inverse;
    const vfloat p = vexp_below(t);
    student_sum += vexp_below(s);
    teacher_sum += p;
    difference += p == 0.0f ? (vfloat)(0.0f) : p * (t - s); // 0 log 0 = 0
  }
  const double zs = vsum(student_sum), zt = vsum(teacher_sum);
  const double divergence = (double)vsum(difference) / zt + (log(zs) - log(zt));
  job->soft[i] = (float)((double)job->temperature * (double)job->temperature * divergence);
  float sum = 1;
  job->hard[i] = 0;
  if (job->targets) {
    const CK_NAME(reference) reference = {.maximum = student_max};
    sum = CK_NAME(row_exp_sum_as)(student, n, reference, false, NULL, NULL, CK_F32);
    job->hard[i] = (float)(log((double)sum) + ((double)student_max - (double)at_target));
  }
  if (!gradient) return;
  const float soft_scale = job->gradient_scale * job->mixing * job->temperature;
  const float hard_scale = job->targets ? job->gradient_scale * (1 - job->mixing) : 0;
  const float q_factor = soft_scale / (float)zs, p_factor = soft_scale / (float)zt, s_factor = hard_scale / sum;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat x = CK_NAME(row_load)(student, j, n) - student_max;
    const vfloat t = (CK_NAME(row_load)(teacher, j, n) - teacher_max) * inverse;
    vfloat g = vexp_below(x * inverse) * q_factor;
    g -= vexp_below(t) * p_factor;
    if (hard_scale != 0) g += vexp_below(x) * s_factor;
    CK_NAME(row_store)(gradient, j, n, g);
  }
  gradient[target] -= hard_scale;
}

static void CK_NAME(ck_crossentropy_rows_f32)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_crossentropy_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(crossentropy_row)(job, i, NULL, CK_F32);
}

static void CK_NAME(ck_crossentropy_rows_bf16)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_crossentropy_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  float *scratch = job->gradient ? ck_worker_scratch(worker) : NULL;
  for (size_t i = task * job->block; i < end; i++) CK_NAME(crossentropy_row)(job, i, scratch, CK_BF16);
}

static void CK_NAME(ck_distillation_rows)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_distillation_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(distillation_row)(job, i);
}
