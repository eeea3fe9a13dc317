// Rows of softmax cross-entropy at one vector width. The bits of a row depend on nothing else.
#include "vector/math.inc.h"

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

static float CK_NAME(row_max)(const float *x, size_t n) {
  vfloat top[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  size_t j = 0;
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
    for (int u = 0; u < 4; u++) top[u] = vmax(top[u], vload(x + j + u * CK_LANES));
  for (; j < n; j += CK_LANES) top[0] = vmax(top[0], CK_NAME(row_load)(x, j, n));
  return vhighest(vmax(vmax(top[0], top[1]), vmax(top[2], top[3])));
}

// sum_j exp(x_j - maximum); the terms go to e when it is not NULL (it may be x).
static float CK_NAME(row_exp_sum)(const float *x, size_t n, float maximum, float *e) {
  vfloat sum[4] = {0, 0, 0, 0};
  size_t j = 0;
  for (; j + 4 * CK_LANES <= n; j += 4 * CK_LANES)
    for (int u = 0; u < 4; u++) {
      vfloat y = vexp(vload(x + j + u * CK_LANES) - maximum);
      sum[u] += y;
      if (e) vstore(e + j + u * CK_LANES, y);
    }
  for (; j < n; j += CK_LANES) {
    vfloat y = vexp(CK_NAME(row_load)(x, j, n) - maximum);
    sum[0] += y;
    if (e) CK_NAME(row_store)(e, j, n, y);
  }
  return vsum((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

static void CK_NAME(crossentropy_row)(const ck_crossentropy_job *job, size_t i) {
  const size_t n = job->vocabulary;
  const float *x = job->logits + i * n;
  float *gradient = job->gradient ? job->gradient + i * n : NULL;
  // Targets were checked by the driver; a list may run later, when they have changed.
  const uint32_t target = (uint32_t)job->targets[i];
  if (target >= n) {
    job->losses[i] = 0;
    if (gradient) memset(gradient, 0, n * sizeof(float));
    return;
  }
  const float at_target = x[target], maximum = CK_NAME(row_max)(x, n);
  const float sum = CK_NAME(row_exp_sum)(x, n, maximum, gradient);
  job->losses[i] = (float)(log((double)sum) + ((double)maximum - (double)at_target));
  if (!gradient) return;
  const float factor = job->gradient_scale / sum;
  for (size_t j = 0; j < n; j += CK_LANES)
    CK_NAME(row_store)(gradient, j, n, CK_NAME(row_load)(gradient, j, n) * factor);
  gradient[target] -= job->gradient_scale;
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
  const float student_max = CK_NAME(row_max)(student, n), teacher_max = CK_NAME(row_max)(teacher, n);
  vfloat student_sum = 0, teacher_sum = 0, difference = 0;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat s = (CK_NAME(row_load)(student, j, n) - student_max) * inverse;
    const vfloat t = (CK_NAME(row_load)(teacher, j, n) - teacher_max) * inverse;
    const vfloat p = vexp(t);
    student_sum += vexp(s);
    teacher_sum += p;
    difference += p == 0.0f ? (vfloat)(0.0f) : p * (t - s); // 0 log 0 = 0
  }
  const double zs = vsum(student_sum), zt = vsum(teacher_sum);
  const double divergence = (double)vsum(difference) / zt + (log(zs) - log(zt));
  job->soft[i] = (float)((double)job->temperature * (double)job->temperature * divergence);
  float sum = 1;
  job->hard[i] = 0;
  if (job->targets) {
    sum = CK_NAME(row_exp_sum)(student, n, student_max, NULL);
    job->hard[i] = (float)(log((double)sum) + ((double)student_max - (double)at_target));
  }
  if (!gradient) return;
  const float soft_scale = job->gradient_scale * job->mixing * job->temperature;
  const float hard_scale = job->targets ? job->gradient_scale * (1 - job->mixing) : 0;
  const float q_factor = soft_scale / (float)zs, p_factor = soft_scale / (float)zt, s_factor = hard_scale / sum;
  for (size_t j = 0; j < n; j += CK_LANES) {
    const vfloat x = CK_NAME(row_load)(student, j, n) - student_max;
    const vfloat t = (CK_NAME(row_load)(teacher, j, n) - teacher_max) * inverse;
    vfloat g = vexp(x * inverse) * q_factor;
    g -= vexp(t) * p_factor;
    if (hard_scale != 0) g += vexp(x) * s_factor;
    CK_NAME(row_store)(gradient, j, n, g);
  }
  gradient[target] -= hard_scale;
}

static void CK_NAME(ck_crossentropy_rows)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_crossentropy_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(crossentropy_row)(job, i);
}

static void CK_NAME(ck_distillation_rows)(ck_worker *worker, const void *opaque, size_t task) {
  const ck_distillation_job *job = opaque;
  const size_t end = ck_min(job->rows, (task + 1) * job->block);
  for (size_t i = task * job->block; i < end; i++) CK_NAME(distillation_row)(job, i);
}
