// What both precisions of AdamW's moments check.
#ifndef CK_ADAMW_OPTIONS_H
#define CK_ADAMW_OPTIONS_H
#include "ck_adamw.h"

// Written so that NaN fails. A correction below 1 would be 1 - beta^t instead of its inverse.
static inline bool ck_adamw_options_fit(const ck_adamw_options *o) {
  return o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1 && o->epsilon >= 0 && o->correction1 >= 1 &&
         o->correction2 >= 1;
}
#endif
