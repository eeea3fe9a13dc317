// The algebra for one vector; nothing is fused, so that every width gives the same bits. Needs vector/math.inc.h first.
CK_VECTOR void CK_NAME(adamw8_element)(const ck_adamw8_constants *k, vfloat g, vfloat *w, vfloat *m, vfloat *v) {
#pragma clang fp contract(off)
  vfloat kept = *m * k->beta1, fresh = g * k->rest1;
  *m = kept + fresh;
  kept = *v * k->beta2;
  fresh = g * g;
  fresh = fresh * k->rest2;
  *v = kept + fresh;
  vfloat root = __builtin_elementwise_sqrt(*v) + k->epsilon;
  vfloat step = root == 0.0f ? (vfloat)(0.0f) : *m / root, decay = *w * k->decay; // as adamw/body.inc.h
  step = step * k->step;
  *w = *w - (step + decay);
}

// Into L2, line by line: what comes next is too short a run for the hardware to see.
CK_VECTOR void CK_NAME(adamw8_fetch)(const void *p, size_t bytes) {
  for (size_t i = 0; CK_LANES == 16 && i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 2);
}

// Rows end anywhere: the last elements of one are updated in a block of their own that is filled up with zeros.
CK_VECTOR void CK_NAME(adamw8_rule)(void (*block)(const ck_adamw8_constants *k, float scale, size_t count, float *w,
                                                  const float *g, uint8_t *m, uint8_t *v, float *m_scale,
                                                  float *v_scale),
                                    size_t whole, const float *constants, float scale, size_t count, float *w,
                                    const float *g, char *const *state, ptrdiff_t ahead) {
  ck_adamw8_constants k;
  memcpy(&k, constants, sizeof k);
  uint8_t *m = (uint8_t *)state[0], *v = (uint8_t *)state[1];
  float *m_scale = (float *)state[2], *v_scale = (float *)state[3];
  for (size_t i = 0; i < count; i += CK_ADAMW8_BLOCK, m_scale++, v_scale++) {
    const size_t n = ck_min(CK_ADAMW8_BLOCK, count - i);
    CK_NAME(adamw8_fetch)(w + i + ahead, n * sizeof *w);
    CK_NAME(adamw8_fetch)(g + i + ahead, n * sizeof *g);
    CK_NAME(adamw8_fetch)(m + i + ahead, n);
    CK_NAME(adamw8_fetch)(v + i + ahead, n);
    if (n % whole == 0) {
      block(&k, scale, n, w + i, g + i, m + i, v + i, m_scale, v_scale);
      continue;
    }
    float weights[CK_ADAMW8_BLOCK] = {0}, gradients[CK_ADAMW8_BLOCK] = {0};
    uint8_t first[CK_ADAMW8_BLOCK] = {0}, second[CK_ADAMW8_BLOCK] = {0};
    memcpy(weights, w + i, n * sizeof *w);
    memcpy(gradients, g + i, n * sizeof *g);
    memcpy(first, m + i, n);
    memcpy(second, v + i, n);
    block(&k, scale, ck_round_up(n, whole), weights, gradients, first, second, m_scale, v_scale);
    memcpy(w + i, weights, n * sizeof *w);
    memcpy(m + i, first, n);
    memcpy(v + i, second, n);
  }
}
