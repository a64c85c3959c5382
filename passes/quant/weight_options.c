/* Options of passes that round weights: reading them, and what they mean for one layer. */
#include "passes/quant/weights.h"
#include "passes/weights/plan.h"

#include <adze/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- Layer plans ---- */

static bool is_kind(adze_format format, adze_format_kind kind) { return format.kind == kind; }

adze_layer_plan *weight_layers(const char *path, adze_format_kind kind, adze_module *module)
{
    adze_layer_plan *layers = adze_layer_plan_load(adze_module_context(module), path);
    if (!layers || weight_check_plan(layers, path, module, NULL, is_kind, kind)) return layers;
    adze_layer_plan_destroy(layers);
    return NULL;
}

bool weight_format(const adze_layer_plan *layers, adze_format_kind kind, const adze_op *op, adze_format *out)
{
    int64_t index = adze_layer_plan_find(layers, op);
    if (index < 0) return false;
    *out = adze_layer_plan_format(layers, (uint32_t)index);
    return out->kind == kind;
}

/* ---- Options ---- */

static bool read_plan(const weight_options *o, adze_loc loc, const char *pass, const char *method, weight_plan *plan)
{
    *plan = (weight_plan){.bits = (uint32_t)o->bits, .group = (size_t)o->group, .symmetric = o->symmetric,
                          .act_order = o->act_order, .polish = (uint32_t)o->polish, .refit = (uint32_t)o->refit,
                          .progressive = o->progressive};
    if (!weight_method_parse(loc.context, o->method, &plan->method)) return false;
    if (!weight_clip_parse(loc.context, o->clip, &plan->clip)) return false;
    plan->half_scales = o->scales && !strcmp(o->scales, "f16");
    if (o->scales && !plan->half_scales && strcmp(o->scales, "f32") != 0)
        return adze_error(loc, "%s: scales of groups are f32 or f16, not '%s'", pass, o->scales);
    if (o->bits < 2 || o->bits > 8 || o->edge_bits < 2 || o->edge_bits > 8)
        return adze_error(loc, "%s: bits and edge-bits are 2 to 8", pass);
    if (o->group < 0 || o->polish < 0 || o->polish > 1000 || o->refit < 0 || o->refit > 1000)
        return adze_error(loc, "%s: group is not negative, polish and refit 0 to 1000", pass);
    if (o->sequential && !weight_needs_gram(plan))
        return adze_error(loc, "%s: sequential is for what reads Gram matrices: %s=gptq, awq, cd or awq-gptq, "
                               "clip=gram, polish, refit", pass, method);
    bool awq = plan->method == WEIGHT_AWQ || plan->method == WEIGHT_AWQ_GPTQ;
    if (weight_needs_gram(plan) && !o->stats && (!o->sequential || awq))
        return adze_error(loc, "%s: gptq, awq, cd, clip=gram, polish and refit need statistics: stats=FILE, which "
                               "adze calibrate --gram writes", pass);
    return true;
}

bool weight_choice_begin(weight_choice *choice, const weight_options *options, const char *pass, const char *method,
                         adze_format_kind kind, adze_module *module)
{
    adze_context *context = adze_module_context(module);
    *choice = (weight_choice){.options = options, .kind = kind};
    if (!read_plan(options, adze_loc_unknown(context), pass, method, &choice->plan)) return false;
    if (options->plan && !(choice->layers = weight_layers(options->plan, kind, module))) return false;
    if (!options->stats) return true;
    choice->plan.stats = choice->stats = adze_stats_load(context, options->stats);
    return choice->stats && adze_stats_attach(choice->stats, module);
}

void weight_choice_enter(weight_choice *choice, adze_func *func) { weight_edges(func, &choice->first, &choice->last); }

bool weight_choice_of(const weight_choice *choice, const weight_matrix *m, weight_plan *out)
{
    const weight_options *o = choice->options;
    adze_format format;
    *out = choice->plan;
    if (choice->layers) {
        if (!weight_format(choice->layers, choice->kind, m->op, &format)) return false;
        out->bits = format.bits;
        out->group = format.group;
        return true;
    }
    bool edge = adze_table_get(&choice->first, m->op) || adze_table_get(&choice->last, m->op);
    if (edge && out->bits < (uint32_t)o->edge_bits) out->bits = (uint32_t)o->edge_bits;
    return m->rows * m->cols >= (size_t)o->min_elements;
}

void weight_choice_leave(weight_choice *choice)
{
    adze_table_free(&choice->first);
    adze_table_free(&choice->last);
}

void weight_choice_end(weight_choice *choice)
{
    adze_stats_destroy(choice->stats);
    adze_layer_plan_destroy(choice->layers);
}
