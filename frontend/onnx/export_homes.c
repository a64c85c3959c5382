/* Initializers of inner graphs: small constants stand in the innermost graph that holds all who read them.
 *
 * Those who read a model without a memory of what lies around a graph (shape inference in a Loop's body, onnx.checker)
 * find them there. What is read in again lists the initializers of a graph where it comes to it; so that the order of
 * constants is the same then, a constant stands no deeper than the next one in that order allows.
 */
#include "export.h"

#include <stdlib.h>

/* Larger ones stay in the main graph, where they may go to a file beside the model. */
enum { LARGEST = 256 };

struct adze_onnx_homes {
    adze_map *of;     /* adze_const -> the inner region whose graph has it */
    adze_map *firsts; /* that region -> its first constant */
};

typedef struct search {
    const adze_onnx_export *x;
    adze_map *numbers; /* region -> place in the order of reading + 1 */
    adze_map *inner;   /* constant -> innermost region that holds all who read it */
    uintptr_t count;
} search;

static adze_onnx_homes *create(void)
{
    adze_onnx_homes *homes = malloc(sizeof *homes);
    if (!homes) abort();
    *homes = (adze_onnx_homes){.of = adze_map_create(), .firsts = adze_map_create()};
    if (!homes->of || !homes->firsts) abort();
    return homes;
}

void adze_onnx_homes_free(adze_onnx_homes *homes)
{
    if (!homes) return;
    adze_map_destroy(homes->of);
    adze_map_destroy(homes->firsts);
    free(homes);
}

static const adze_region *around(const adze_region *region)
{
    const adze_op *op = adze_region_op(region);
    return op ? adze_op_parent(op) : NULL;
}

static uint32_t depth(const adze_region *region)
{
    uint32_t depth = 0;
    while ((region = around(region))) depth++;
    return depth;
}

static const adze_region *common(const adze_region *a, const adze_region *b)
{
    uint32_t of_a = depth(a), of_b = depth(b);
    for (; of_a > of_b; of_a--) a = around(a);
    for (; of_b > of_a; of_b--) b = around(b);
    for (; a != b; a = around(a)) b = around(b);
    return a;
}

static void look_at(search *s, const adze_region *region)
{
    adze_map_set(s->numbers, region, (void *)++s->count);
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
            const adze_ir_value *operand = adze_op_operand(op, i);
            const adze_const *constant = operand ? adze_value_const(operand) : NULL;
            if (!constant) continue;
            const adze_region *so_far = adze_map_get(s->inner, constant);
            adze_map_set(s->inner, constant, (void *)(uintptr_t)(so_far ? common(so_far, region) : region));
        }
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) look_at(s, adze_op_region(op, i));
    }
}

static bool is_small(const adze_const *constant)
{
    return adze_type_dtype(adze_const_type(constant)) != ADZE_DTYPE_str &&
           adze_data_size(adze_const_data(constant)) <= LARGEST;
}

/* All that are written, in their order. The caller frees the list. */
static const adze_const **list(const adze_onnx_export *x, size_t *out_count)
{
    size_t count = 0;
    for (const adze_const *c = adze_module_first_const(x->module); c; c = adze_const_next(c)) count++;
    const adze_const **all = malloc((count + 1) * sizeof(adze_const *));
    if (!all) abort();
    *out_count = 0;
    for (const adze_const *c = adze_module_first_const(x->module); c; c = adze_const_next(c))
        if (adze_onnx_is_written(x, c)) all[(*out_count)++] = c;
    return all;
}

/* From the last constant to the first, as each bounds those before it. */
static adze_onnx_homes *choose(search *s)
{
    const adze_region *main_graph = adze_func_body(s->x->func);
    adze_onnx_homes *homes = NULL;
    uintptr_t limit = s->count;
    size_t count;
    const adze_const **all = list(s->x, &count);
    for (size_t i = count; i-- > 0;) {
        const adze_region *home = adze_map_get(s->inner, all[i]);
        if (!home || !is_small(all[i])) home = main_graph;
        while ((uintptr_t)adze_map_get(s->numbers, home) > limit) home = around(home);
        limit = (uintptr_t)adze_map_get(s->numbers, home);
        if (home == main_graph) continue;
        if (!homes) homes = create();
        adze_map_set(homes->of, all[i], (void *)(uintptr_t)home);
        adze_map_set(homes->firsts, home, (void *)(uintptr_t)all[i]);
    }
    free(all);
    return homes;
}

adze_onnx_homes *adze_onnx_find_homes(const adze_onnx_export *x)
{
    if (adze_onnx_ir_version(x) < ADZE_ONNX_FREE_INITIALIZERS) return NULL;
    search s = {.x = x, .numbers = adze_map_create(), .inner = adze_map_create()};
    if (!s.numbers || !s.inner) abort();
    look_at(&s, adze_func_body(x->func));
    adze_onnx_homes *homes = s.count > 1 ? choose(&s) : NULL;
    adze_map_destroy(s.numbers);
    adze_map_destroy(s.inner);
    return homes;
}

bool adze_onnx_has_home(const adze_onnx_export *x, const adze_const *constant)
{
    return x->homes && adze_map_get(x->homes->of, constant);
}

void adze_onnx_put_initializers(adze_onnx_export *x, const adze_region *region, adze_onnx_bytes *out)
{
    if (!x->homes) return;
    for (const adze_const *c = adze_map_get(x->homes->firsts, region); c; c = adze_const_next(c)) {
        const adze_region *home = adze_map_get(x->homes->of, c);
        if (home && home != region) break;
        if (!home) continue; /* not written at all: those of the main graph are before it */
        uint8_t bytes[LARGEST];
        adze_data *data = adze_const_data(c);
        uint64_t size = adze_data_size(data);
        if (!adze_data_read(data, 0, bytes, size)) x->failed = true;
        size_t begin = adze_onnx_put_begin(out, 5);
        adze_onnx_put_tensor_start(x, out, c);
        adze_onnx_put_bytes(out, 9, bytes, size);
        adze_onnx_put_end(out, begin);
    }
}
