/* Counts the rewrites of a pipeline and asks whether each is wanted. */
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
