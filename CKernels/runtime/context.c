#include "runtime/isa.h"
#include "runtime/team.h"
#include <stdlib.h>

// A set without what its members imply would name kernels that cannot run: such members are dropped, weakest first.
static ck_isa closed(ck_isa set) {
  ck_isa kept = CK_ISA_PORTABLE;
#define CK_ISA(NAME, name, bit, implied, detected)                                                                     \
  if ((set & UINT32_C(1) << bit) && (kept & (ck_isa)(implied)) == (ck_isa)(implied)) kept |= (ck_isa)CK_ISA_##NAME;
#include "runtime/isa.inc.h"
#undef CK_ISA
  return kept;
}

ck_status ck_context_create(ck_isa allowed, ck_team *team, ck_context **out) {
  *out = NULL;
  ck_context *context = malloc(sizeof *context);
  if (context == NULL) return CK_NO_MEMORY;
  *context = (ck_context){.isa = closed(allowed & ck_isa_detected()), .team = team};
  *out = context;
  return CK_OK;
}

void ck_context_destroy(ck_context *context) { free(context); }
ck_isa ck_context_isa(const ck_context *context) { return context->isa; }
ck_caches ck_context_caches(const ck_context *context) { return ck_team_caches(context->team); }
bool ck_context_notes(const ck_context *context) { return context->list != NULL; }
uint32_t ck_context_workers(const ck_context *context) { return ck_team_workers(context->team); }

ck_status ck_submit(const ck_context *context, ck_program *program, const void *job, size_t job_bytes, ck_needs needs) {
  if (job_bytes > CK_JOB_BYTES) return CK_BAD_ARGUMENT;
  if (context->list != NULL) return ck_list_append(context->list, program, job, job_bytes, needs);
  // The caller waits, so its job block stays where it is.
  ck_step step = {program, job, needs.work_ns};
  return ck_team_run(context->team, &step, 1, needs);
}
