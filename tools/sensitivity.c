/* adze info --sensitivity: how much each weight of a model matters, as one measure sees it. */
#include "command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct summary {
    double mean, least, median, most;
} summary;

/* NaN is above all numbers. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return isnan(x) || isnan(y) ? !!isnan(x) - !!isnan(y) : (x > y) - (x < y);
}

/* Sorts the scores. */
static summary summarise(double *scores, uint64_t n)
{
    double sum = 0;
    qsort(scores, n, sizeof *scores, by_value);
    for (uint64_t i = 0; i < n; i++) sum += scores[i];
    return (summary){sum / (double)n, scores[0], (scores[(n - 1) / 2] + scores[n / 2]) / 2, scores[n - 1]};
}

/* The type of a weight: dense floats of at least one axis, known dims and one element or more. */
static bool is_weight(const adze_ir_value *value, int64_t *dims, uint64_t *out_count)
{
    if (!value || adze_value_def(value) != ADZE_DEF_CONST) return false;
    const adze_type *type = adze_value_type(value);
    int64_t count;
    if (!adze_type_is_tensor(type) || adze_dtype_get_kind(adze_type_dtype(type)) != ADZE_KIND_FLOAT) return false;
    if (adze_type_has_layout(type) || !adze_type_rank(type)) return false;
    if (!adze_dim_is_const(adze_type_count(type), &count) || count < 1) return false;
    for (uint32_t k = 0; k < adze_type_rank(type); k++) adze_dim_is_const(adze_type_dim(type, k), &dims[k]);
    *out_count = (uint64_t)count;
    return true;
}

static void print_row(const adze_sensitivity_query *query, const adze_ir_value *constant, const summary *s)
{
    char type[256], name[80];
    adze_type_print(adze_value_type(constant), type, sizeof type);
    snprintf(name, sizeof name, "@%s", adze_value_name(constant));
    printf("  %-28s %-10s %-20s %11.4g %11.4g %11.4g %11.4g\n", name, adze_op_name(query->op), type, s->mean, s->least,
           s->median, s->most);
}

/* One operand; what the measure cannot say is a row of its own. */
static bool print_weight(const adze_sensitivity *measure, const adze_op *op, uint32_t operand)
{
    int64_t dims[ADZE_MAX_RANK];
    uint64_t count;
    const adze_ir_value *constant = adze_op_operand(op, operand);
    if (!is_weight(constant, dims, &count)) return true;
    adze_data *data = adze_const_data(adze_value_const(constant));
    const void *bytes = adze_data_load(data);
    double *scores = bytes ? malloc(count * sizeof *scores) : NULL;
    if (bytes && !scores) adze_error(adze_op_loc(op), "out of memory for %llu scores", (unsigned long long)count);
    if (!scores) return false;
    adze_value weight = {.kind = ADZE_VALUE_TENSOR,
                         .dtype = adze_type_dtype(adze_value_type(constant)),
                         .rank = adze_type_rank(adze_value_type(constant)),
                         .dims = dims,
                         .data = (void *)(uintptr_t)bytes};
    adze_sensitivity_query query = {.struct_size = sizeof query, .operand = operand, .op = op, .weight = &weight};
    const char *why = "it gives no reason";
    if (measure->score(&query, scores, &why)) {
        summary s = summarise(scores, count);
        print_row(&query, constant, &s);
    } else {
        printf("  @%-27s %-10s %s\n", adze_value_name(constant), adze_op_name(op), why);
    }
    free(scores);
    adze_data_unload(data);
    return true;
}

static bool print_region(const adze_sensitivity *measure, const adze_region *region)
{
    bool ok = true;
    for (adze_op *op = adze_region_first(region); op && ok; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_operands(op) && ok; i++) ok = print_weight(measure, op, i);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && ok; i++) ok = print_region(measure, adze_op_region(op, i));
    }
    return ok;
}

const adze_sensitivity *adze_find_sensitivity(const adze_work *work, const char *name)
{
    const adze_sensitivity *found = adze_registry_find_sensitivity(work->registry, name);
    if (found) return found;
    adze_text list = {0};
    for (uint32_t i = 0; i < adze_registry_num_sensitivities(work->registry); i++)
        adze_text_append(&list, "%s%s", i ? ", " : "", adze_registry_sensitivity(work->registry, i)->name);
    adze_usage_error("there is no sensitivity '%s'; there are %s", name, list.size ? list.data : "none");
    adze_text_free(&list);
    return NULL;
}

bool adze_print_sensitivity(const adze_sensitivity *measure, const adze_module *module)
{
    printf("%-8s %s: %s\n", "scores", measure->name, measure->help);
    printf("  %-28s %-10s %-20s %11s %11s %11s %11s\n", "weight", "op", "type", "mean", "min", "median", "max");
    return print_region(measure, adze_func_body(adze_module_main(module)));
}
