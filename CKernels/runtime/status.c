#include "ck_runtime.h"

const char *ck_status_text(ck_status status) {
  switch (status) {
  case CK_OK:
    return "done";
  case CK_BAD_SHAPE:
    return "the extents do not agree, or their product is too large";
  case CK_BAD_ARGUMENT:
    return "a value is outside its range, or a team was called from inside its own work";
  case CK_NO_MEMORY:
    return "out of memory";
  case CK_NO_KERNEL:
    return "no kernel for the allowed instruction sets";
  case CK_NO_THREAD:
    return "the system refused to start a thread";
  }
  return "unknown status";
}
