/* What a pass tells while it runs: its rewrites are counted, and asked for, one by one; its progress is passed on. */
#include "passes/pipeline.h"

bool adze_rewrite(adze_pass_run *self, const adze_op *op, const char *what)
{
    adze_rewrites *r = self ? self->rewrites : NULL;
    if (!r) return true;
    r->count++;
    adze_rewrite_info info = {
        .struct_size = sizeof info, .run = r->run, .number = r->count, .pass = r->pass, .what = what, .op = op};
    return !r->ask || r->ask(r->self, &info);
}

void adze_pass_progress(adze_pass_run *self, uint64_t done, uint64_t total, const char *what)
{
    const adze_rewrites *r = self ? self->rewrites : NULL;
    if (!r || !r->within || !total || !r->n_passes) return;
    double part = (double)(done < total ? done : total) / (double)total;
    r->within(r->self, r->pass->name, ((double)r->index + part) / (double)r->n_passes, what);
}
