// Rows of softmax cross-entropy at one vector width. The bits of a row depend on nothing else.
#include "vector/math.inc.h"
#include "vector/exponent.inc.h"
#include "vector/typed.inc.h"

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
  if (type == CK_BF16) // a word is two of them; the order does not matter here
    for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
      for (int u = 0; u < 4; u += 2) {
        vuint words;
        __builtin_memcpy(&words, (const uint16_t *)x + j + u * CK_LANES, sizeof words);
        top[u] = vmax(top[u], (vfloat)(words << 16));
        top[u + 1] = vmax(top[u + 1], (vfloat)(words & 0xffff0000u));
      }
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
    for (int u = 0; u < 4; u++) top[u] = vmax(top[u], vload_as(x, j + u * CK_LANES, type));
  for (; j < n; j += CK_LANES) top[0] = vmax(top[0], CK_NAME(row_load_as)(x, j, n, type));
  return vhighest(vmax(vmax(top[0], top[1]), vmax(top[2], top[3])));
}

// sum_j exp(x_j - maximum); the terms go to e when it is not NULL (it may be x). Fetches from `ahead`, unless NULL.
CK_VECTOR float CK_NAME(row_exp_sum)(const void *x, size_t n, float maximum, float *e, const void *ahead,
                                     const ck_type type) {
  vfloat sum[4] = {0, 0, 0, 0};
  size_t j = 0;
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES) {
    if (ahead) CK_NAME(row_fetch)(ahead, j, type);
    for (int u = 0; u < 4; u++) {
      vfloat y = vexp_below(vload_as(x, j + u * CK_LANES, type) - maximum);
      sum[u] += y;
      if (e) vstore(e + j + u * CK_LANES, y);
    }
  }
  for (; j < n; j += CK_LANES) {
    vfloat y = vexp_below(CK_NAME(row_load_as)(x, j, n, type) - maximum);
    sum[0] += y;
    if (e) CK_NAME(row_store)(e, j, n, y);
  }
  return vsum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// gradient = e factor, rounded once. e may be the gradient.
CK_VECTOR void CK_NAME(row_scale)(const float *e, size_t n, float factor, void *gradient, const ck_type type) {
  size_t j = 0;
  for (; j + 2 * CK_LANES <= n; j += 2 * CK_LANES)
    vstore_pair_as(gradient, j, vload(e + j) * factor, vload(e + j + CK_LANES) * factor, type, false);
  for (; j < n; j += CK_LANES) {
    const vfloat v = CK_NAME(row_load)(e, j, n) * factor;
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
  const float maximum = CK_NAME(row_max)(x, n, type);
  float *e = !gradient ? NULL : type == CK_BF16 ? scratch : (float *)gradient;
  const float sum = CK_NAME(row_exp_sum)(x, n, maximum, e, x + row_bytes, type);
  job->losses[i] = (float)(log((double)sum) + ((double)maximum - (double)at_target));
  if (!gradient) return;
  const float factor = job->gradient_scale / sum, right = e[target] * factor - job->gradient_scale;
  CK_NAME(row_scale)(e, n, factor, gradient, type);
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
    sum = CK_NAME(row_exp_sum)(student, n, student_max, NULL, NULL, CK_F32);
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
