/* Splits a program into parts for jobs.
 *
 * The split depends on the program alone. Kernels go, largest first, to the part that has least; a
 * kernel's steps go with it; steps that run the same evaluation stay together, so that it is
 * generated once.
 */
#include "backends/x86/compile.h"

#include <stdlib.h>

enum { COST_OF_PART = 2500, COST_OF_FLOOR = 200 };

static uint32_t lightest(const uint64_t *load, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (load[i] < load[best]) best = i;
    return best;
}

typedef struct item {
    uint64_t cost;
    uint32_t index;
} item;

static int by_cost(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static void place_kernels(x86_compile *c, uint64_t *load)
{
    const x86_program *p = &c->program;
    item *items = adze_malloc(p->n_kernels * sizeof *items);
    for (uint32_t i = 0; i < p->n_kernels; i++) items[i] = (item){p->kernels[i].cost, i};
    qsort(items, p->n_kernels, sizeof *items, by_cost);
    for (uint32_t i = 0; i < p->n_kernels; i++) {
        uint32_t part = lightest(load, c->n_parts);
        c->part_of_kernel[items[i].index] = part;
        load[part] += items[i].cost;
    }
    free(items);
}

static void place_steps(x86_compile *c, uint64_t *load)
{
    adze_table rows = {0}; /* adze_op_row -> part + 1 */
    for (uint32_t i = 0; i < c->program.n_steps; i++) {
        const x86_step *step = &c->program.steps[i];
        if (step->kind == X86_STEP_KERNEL) {
            c->part_of_step[i] = c->part_of_kernel[step->kernel];
            continue;
        }
        uintptr_t known = step->row ? (uintptr_t)adze_table_get(&rows, step->row) : 0;
        uint32_t part = known ? (uint32_t)(known - 1) : lightest(load, c->n_parts);
        if (!known) load[part] += step->row ? COST_OF_FLOOR : 1;
        if (step->row && !known) adze_table_put(&rows, step->row, (void *)(uintptr_t)(part + 1));
        c->part_of_step[i] = part;
    }
    adze_table_free(&rows);
}

void x86_parts_make(x86_compile *c, uint32_t max)
{
    x86_program *p = &c->program;
    uint64_t total = 0;
    for (uint32_t i = 0; i < p->n_kernels; i++) total += p->kernels[i].cost;
    for (uint32_t i = 0; i < p->n_steps; i++)
        total += p->steps[i].kind == X86_STEP_FLOOR ? COST_OF_FLOOR : 0;
    uint64_t wanted = 1 + total / COST_OF_PART;
    c->n_parts = wanted < max ? (uint32_t)wanted : max;
    c->part_of_kernel = ADZE_NEW_ARRAY(&p->arena, uint32_t, p->n_kernels);
    c->part_of_step = ADZE_NEW_ARRAY(&p->arena, uint32_t, p->n_steps);
    uint64_t *load = ADZE_NEW_ARRAY(&p->arena, uint64_t, c->n_parts);
    place_kernels(c, load);
    place_steps(c, load);
}
