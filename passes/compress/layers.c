/* Layers of a module, and what their formats take. */
#include <adze/arena.h>
#include <adze/compress.h>
#include <adze/table.h>

#include "passes/compress/structure.h"
#include "passes/weights/matrix.h"

#include <stdlib.h>
#include <string.h>

static uint64_t biases_of(const adze_op *op, uint64_t rows)
{
    enum { BIAS = 2 };
    const adze_ir_value *bias = adze_op_num_operands(op) > BIAS ? adze_op_operand(op, BIAS) : NULL;
    return bias && adze_value_const(bias) ? rows : 0;
}

static void describe(adze_layer *layer, const weight_matrix *m, const adze_stats *stats)
{
    weight_matrix other;
    layer->weights = adze_const_name(m->constant);
    layer->op = m->op;
    layer->rows = m->rows, layer->cols = m->cols, layer->channels = m->channels;
    layer->groups = m->groups;
    layer->kernel[0] = layer->kernel[1] = 1;
    const adze_type *type = adze_const_type(m->constant);
    for (uint32_t i = 0; i < 2 && adze_op_has_trait(m->op, ADZE_WINDOW) && adze_type_rank(type) == 4; i++) {
        int64_t extent = 1;
        if (adze_dim_is_const(adze_type_dim(type, 2 + i), &extent)) layer->kernel[i] = (uint64_t)extent;
    }
    layer->takes_rows = true;
    layer->has_gram = stats;
    for (const adze_use *use = adze_value_first_use(adze_const_value(m->constant)); use; use = adze_use_next(use)) {
        if (!weight_shares(m, use, &other)) continue;
        layer->n_ops++;
        layer->biases += biases_of(other.op, m->rows);
        layer->takes_rows = layer->takes_rows && weight_takes_rows(other.op, &other);
        const adze_value_stats *seen = stats ? adze_stats_of(stats, adze_op_operand(other.op, 0)) : NULL;
        layer->no_range = layer->no_range || (seen && !seen->count);
        const adze_gram *gram = stats ? adze_stats_gram(stats, other.op, 0) : NULL;
        layer->has_gram = layer->has_gram && gram && gram->rows && gram->size == m->cols && gram->n_groups == m->groups;
    }
}

/* How often each name would stand for a layer. */
static void count_name(adze_table *names, const char *name)
{
    uintptr_t n = (uintptr_t)adze_table_get_name(names, name);
    adze_table_put_name(names, name, (void *)(n + 1));
}

static bool is_node_of(const adze_op *op, const char *name)
{
    for (uint32_t i = 0; i < adze_op_num_nodes(op); i++)
        if (!strcmp(adze_op_node(op, i), name)) return true;
    return false;
}

/* What adze_layer_plan_find knows an op by: its nodes, and its result. */
static void count_names(adze_table *names, const adze_op *op)
{
    const char *result = adze_value_name(adze_op_result(op, 0));
    for (uint32_t i = 0; i < adze_op_num_nodes(op); i++) count_name(names, adze_op_node(op, i));
    if (result && !is_node_of(op, result)) count_name(names, result);
}

/* The first node's name where that is one of this layer alone; a constant's name always is, and is all that several ops
 * have in common. */
static const char *name_of(const adze_layer *layer, const adze_table *names)
{
    const char *node = adze_op_num_nodes(layer->op) ? adze_op_node(layer->op, 0) : "";
    bool mine = layer->n_ops == 1 && *node && adze_table_get_name(names, node) == (void *)1;
    return mine ? node : layer->weights;
}

uint32_t adze_layers_find(const adze_module *module, const adze_stats *stats, adze_layer **out_layers)
{
    adze_layer *layers = NULL;
    uint32_t n = 0;
    adze_table seen = {0}, names = {0};
    const adze_func *main = adze_module_main(module);
    for (adze_op *op = main ? adze_region_first(adze_func_body(main)) : NULL; op; op = adze_op_next(op)) {
        weight_matrix m;
        if (!weight_describe(op, &m)) continue;
        count_names(&names, op);
        if (adze_table_get(&seen, m.constant)) continue;
        adze_table_put(&seen, m.constant, m.constant);
        layers = adze_realloc(layers, (n + 1u) * sizeof *layers);
        layers[n] = (adze_layer){0};
        describe(&layers[n++], &m, stats);
    }
    for (const adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c))
        count_name(&names, adze_const_name(c));
    for (uint32_t i = 0; i < n; i++) layers[i].name = name_of(&layers[i], &names);
    adze_table_free(&seen);
    adze_table_free(&names);
    *out_layers = layers;
    return n;
}

void adze_layers_free(adze_layer *layers) { free(layers); }

bool adze_layer_settings_need_gram(const adze_layer_settings *settings)
{
    bool rounds = settings->weights && strcmp(settings->weights, "rtn") != 0;
    return rounds || (settings->clip && !strcmp(settings->clip, "gram"));
}

bool adze_layer_takes(const adze_layer *layer, adze_format format, bool gram)
{
    if (!adze_layer_concrete(layer, format, &format)) return false;
    if (format.structure != ADZE_DENSE && !layer->has_gram) return false; /* chosen, and refitted, by Gram matrices */
    if (format.kind == ADZE_FORMAT_FLOAT || format.kind == ADZE_FORMAT_CAST) return true;
    if (gram && !layer->has_gram) return false;
    if (format.kind == ADZE_FORMAT_STATIC && layer->no_range) return false;
    /* The last group of a product may be short. */
    bool even = layer->cols == layer->channels || !format.group || layer->channels % format.group == 0;
    if (format.group && (format.group >= layer->channels || !even)) return false;
    return format.kind != ADZE_FORMAT_ROWS || layer->takes_rows;
}

/* Of n weights of so many bits each, those that are not zero and what tells where they are. */
static uint64_t kept_bytes(uint64_t n, uint64_t bits, adze_format format)
{
    uint64_t dense = (n * bits + 7) / 8;
    if (!adze_format_leaves_zeros_out(format)) return dense;
    bool blocks = format.structure == ADZE_SPARSE_BLOCKS && format.kind == ADZE_FORMAT_FLOAT;
    uint64_t block = blocks ? (uint64_t)format.first * format.second : 1;
    uint64_t kept = (uint64_t)((double)n * layer_density(format) + 0.5) * bits / 8 + (n / block + 7) / 8;
    return kept < dense ? kept : dense;
}

/* Of one factor, without biases; `channels` of its columns share a tap. */
static uint64_t factor_bytes(layer_factor f, uint64_t channels, adze_format format)
{
    uint64_t n = f.rows * f.cols;
    if (format.kind == ADZE_FORMAT_FLOAT) return kept_bytes(n, 32, format);
    if (format.kind == ADZE_FORMAT_CAST) return kept_bytes(n, 16, format);
    uint64_t bits = format.bits <= 4 ? 4 : 8; /* narrower codes lie in these */
    uint64_t scales = format.group ? f.rows * (f.cols / channels) * ((channels + format.group - 1) / format.group)
                                   : f.rows;
    uint64_t zeros = format.kind == ADZE_FORMAT_WEIGHTS ? scales : 0;            /* a byte each */
    uint64_t scale = format.kind == ADZE_FORMAT_WEIGHTS && format.group ? 2 : 4; /* f16, or f32 */
    return kept_bytes(n, bits, format) + scale * scales + zeros;
}

uint64_t adze_layer_bytes(const adze_layer *layer, adze_format format)
{
    layer_factor factors[LAYER_MAX_FACTORS];
    if (!adze_layer_concrete(layer, format, &format)) format.structure = ADZE_DENSE;
    uint32_t n = layer_factors(layer, format, factors);
    uint64_t bytes = 4 * layer->biases;
    for (uint32_t i = 0; i < n; i++)
        bytes += factor_bytes(factors[i], n == 1 ? layer->channels : factors[i].cols, format);
    return bytes;
}
