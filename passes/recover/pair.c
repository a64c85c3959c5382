/* A student and its teachers over the same inputs, in one module.
 *
 * What a student still computes as its first teacher does is computed once: its readers read the teacher's value. So a
 * value that equals its target by construction is the same pointer, and a student that is its teacher needs no run.
 */
#include "passes/recover/recover.h"
#include "passes/weights/constant.h"
#include "passes/weights/copy.h"

#include <adze/registry.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const simplify = "simplify";

/* ---- Reading teachers ---- */

static adze_module *read_text(adze_context *context, const char *path)
{
    FILE *file = fopen(path, "rb");
    adze_text text = {0};
    char chunk[65536];
    size_t n;
    while (file && (n = fread(chunk, 1, sizeof chunk, file))) adze_text_write(&text, chunk, n);
    bool ok = file && !ferror(file);
    if (file) fclose(file);
    adze_module *module = ok ? adze_module_parse(context, path, text.data ? text.data : "", text.size) : NULL;
    adze_text_free(&text);
    if (!ok) adze_error(adze_loc_unknown(context), "recover: the teacher '%s' cannot be read", path);
    return module;
}

static adze_module *read_module(adze_pass_run *run, const char *path)
{
    const adze_frontend *frontend = adze_registry_frontend_for(run->registry, path);
    if (!frontend) return read_text(run->context, path);
    adze_read_options options = {.struct_size = sizeof options};
    return frontend->read(run->context, path, &options);
}

static adze_module *read_teacher(adze_pass_run *run, const char *path)
{
    adze_module *module = read_module(run, path);
    adze_pipeline *pipeline = module ? adze_pipeline_parse(run->registry, simplify) : NULL;
    adze_run_options options = {.struct_size = sizeof options, .precision = run->precision};
    bool ok = pipeline && adze_module_verify(module) && adze_pipeline_run(pipeline, module, &options);
    adze_pipeline_destroy(pipeline);
    if (ok && adze_module_main(module) && adze_func_return(adze_module_main(module))) return module;
    if (ok) adze_error(adze_loc_unknown(run->context), "recover: the teacher '%s' has no function", path);
    adze_module_destroy(module);
    return NULL;
}

/* ---- Equal parts ---- */

static bool same_const(const void *self, const void *item)
{
    const adze_const *a = self, *b = item;
    if (adze_const_type(a) != adze_const_type(b)) return false;
    if (adze_const_data(a) == adze_const_data(b)) return true;
    const void *x = adze_data_load(adze_const_data(a)), *y = adze_data_load(adze_const_data(b));
    bool same = x && y && !memcmp(x, y, adze_data_size(adze_const_data(a)));
    adze_data_unload(adze_const_data(a));
    adze_data_unload(adze_const_data(b));
    return same;
}

/* False after an error: it cannot be read. */
static bool hash_const(const adze_const *c, uint64_t *out)
{
    const void *bytes = adze_data_load(adze_const_data(c));
    if (!bytes) return false;
    *out = adze_hash_bytes(bytes, adze_data_size(adze_const_data(c)));
    adze_data_unload(adze_const_data(c));
    return true;
}

typedef struct wanted {
    const adze_const *constant;
    adze_table taken;
} wanted;

static bool same_free(const void *self, const void *item)
{
    const wanted *w = self;
    return !adze_table_get(&w->taken, item) && same_const(w->constant, item);
}

/* The student's constants become the teacher's where these are equal; two of the student's stay two, which may be
 * trained apart. `theirs`: where the teacher's begin. */
static bool merge_consts(recover_pair *p, adze_const *theirs)
{
    adze_table table = {0};
    wanted w = {0};
    bool ok = true;
    uint64_t hash;
    for (adze_const *c = theirs; ok && c; c = adze_const_next(c))
        if ((ok = hash_const(c, &hash))) adze_table_add(&table, hash, c);
    for (adze_const *c = adze_module_first_const(p->module); ok && c != theirs; c = adze_const_next(c)) {
        if (!(ok = hash_const(c, &hash))) break;
        w.constant = c;
        adze_const *found = adze_table_find(&table, hash, same_free, &w);
        if (found) adze_value_replace_uses(adze_const_value(c), adze_const_value(found));
        if (found) adze_table_put(&w.taken, found, found);
    }
    adze_table_free(&table);
    adze_table_free(&w.taken);
    return ok;
}

static bool same_op(const void *self, const void *item) { return adze_op_same(self, item); }

static bool is_plain(const adze_op *op)
{
    return adze_op_has_trait(op, ADZE_PURE) && !adze_op_num_regions(op) && adze_op_num_results(op);
}

static void merge_ops(recover_pair *p)
{
    adze_table table = {0};
    adze_op *op = adze_region_first(adze_func_body(adze_module_main(p->module)));
    for (; op != p->first; op = adze_op_next(op))
        if (is_plain(op)) adze_table_add(&table, adze_op_hash(op), op);
    for (; op; op = adze_op_next(op)) {
        adze_op *found = is_plain(op) ? adze_table_find(&table, adze_op_hash(op), same_op, op) : NULL;
        if (found) adze_table_put(&p->merged, op, found);
        for (uint32_t i = 0; found && i < adze_op_num_results(op); i++)
            adze_value_replace_uses(adze_op_result(op, i), adze_op_result(found, i));
    }
    adze_table_free(&table);
}

/* ---- The copy ---- */

static bool not_same_inputs(const recover_pair *p, uint32_t index)
{
    return adze_error(adze_loc_unknown(p->run->context),
                      "recover: the teacher '%s' has other inputs than the model: input %u is not the same",
                      p->names[p->n_teachers - 1], index);
}

/* Arguments of the teacher are those of the copy. */
static bool map_args(const recover_pair *p, const adze_module *teacher, adze_map *map)
{
    const adze_region *theirs = adze_func_body(adze_module_main(teacher));
    const adze_region *mine = adze_func_body(adze_module_main(p->module));
    uint32_t n = adze_region_num_args(theirs);
    for (uint32_t i = 0; i < n || i < adze_region_num_args(mine); i++) {
        if (i >= n || i >= adze_region_num_args(mine)) return not_same_inputs(p, i);
        adze_ir_value *a = adze_region_arg(theirs, i), *b = adze_region_arg(mine, i);
        const char *x = adze_value_name(a), *y = adze_value_name(b);
        bool same = adze_type_compatible(adze_value_type(a), adze_value_type(b)) && (!x || !y || !strcmp(x, y));
        if (!same) return not_same_inputs(p, i);
        adze_map_set(map, a, b);
    }
    return true;
}

/* A reference of what a constant holds that needs nothing of its module. NULL after an error. */
static adze_data *own_data(const adze_const *c)
{
    adze_data *data = adze_const_data(c);
    if (!adze_data_is_derived(data, NULL, NULL, NULL, NULL)) return adze_data_retain(data);
    const void *bytes = adze_data_load(data);
    adze_context *context = adze_type_context(adze_const_type(c));
    adze_data *copy = bytes ? adze_data_copy(context, bytes, adze_data_size(data)) : NULL;
    if (bytes) adze_data_unload(data);
    return copy;
}

/* Puts the teacher's ops above the student's. */
static bool add_teacher(recover_pair *p, const adze_module *teacher)
{
    adze_func *func = adze_module_main(teacher);
    adze_map *map = adze_map_create();
    adze_builder b = adze_builder_before(p->first);
    uint32_t t = p->n_teachers++;
    bool ok = map_args(p, teacher, map);
    const adze_const *c = adze_module_first_const(teacher);
    for (; ok && c; c = adze_const_next(c)) {
        adze_data *data = own_data(c);
        adze_const *made =
            data ? adze_module_add_const(p->module, adze_const_name(c), adze_const_type(c), data) : NULL;
        ok = made;
        if (made) adze_map_set(map, adze_const_value(c), adze_const_value(made));
    }
    for (adze_op *op = adze_region_first(adze_func_body(func)); ok && op != adze_func_return(func);
         op = adze_op_next(op)) {
        adze_op *twin = adze_clone(&b, op, map);
        ok = adze_op_num_regions(twin) || adze_op_infer(twin);
        for (uint32_t i = 0; ok && i < adze_op_num_results(op); i++) {
            const char *name = adze_value_name(adze_op_result(op, i));
            if (name) adze_table_put_name(&p->by_name[t], name, adze_op_result(twin, i));
        }
        for (uint32_t i = 0; ok && adze_op_num_results(op) == 1 && i < adze_op_num_nodes(op); i++)
            adze_table_put_name(&p->by_node[t], adze_op_node(op, i), adze_op_result(twin, 0));
    }
    const adze_op *end = adze_func_return(func);
    uint32_t n = adze_op_num_operands(end);
    if (ok && n != p->n_outputs)
        ok = adze_error(adze_func_loc(func), "recover: the teacher '%s' has %u outputs, the model %u",
                        p->names[t], n, p->n_outputs);
    p->outputs[t] = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, n + 1u);
    for (uint32_t i = 0; ok && i < n; i++) {
        adze_ir_value *value = adze_op_operand(end, i), *twin = adze_map_get(map, value);
        p->outputs[t][i] = twin ? twin : value;
        ok = adze_type_compatible(adze_value_type(p->outputs[t][i]), adze_value_type(p->own_outputs[i]));
        if (!ok)
            adze_error(adze_func_loc(func),
                       "recover: output %u of the teacher '%s' is of another type than the model's", i, p->names[t]);
    }
    adze_map_destroy(map);
    return ok;
}

static bool begin(recover_pair *p, adze_pass_run *run, adze_module *student)
{
    *p = (recover_pair){.run = run, .student = student};
    adze_func *func = adze_module_main(student);
    if (!func || !adze_func_return(func))
        return adze_error(adze_loc_unknown(run->context), "recover: the module has no function");
    if (!run->calibration || !run->calibration->count)
        return adze_error(adze_func_loc(func), "recover needs calibration data: --calib=DATA");
    p->module = adze_module_clone(student);
    adze_func *mine = adze_module_main(p->module);
    adze_op *end = adze_func_return(mine);
    p->first = adze_region_first(adze_func_body(mine));
    p->n_outputs = adze_op_num_operands(end);
    p->own_outputs = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, p->n_outputs + 1u);
    for (uint32_t i = 0; i < p->n_outputs; i++) p->own_outputs[i] = adze_op_operand(end, i);
    return true;
}

/* When all is merged: which op is whose, and what the ops read. */
static void pair_twins(recover_pair *p)
{
    const adze_func *func = adze_module_main(p->student);
    adze_op *origin = adze_region_first(adze_func_body(func)), *op = p->first;
    for (; origin; origin = adze_op_next(origin), op = adze_op_next(op)) {
        pair_twin *t = ADZE_NEW(&p->arena, pair_twin);
        t->origin = origin;
        t->n = adze_op_num_operands(op);
        t->operands = ADZE_NEW_ARRAY(&p->arena, adze_ir_value *, t->n + 1u);
        for (uint32_t i = 0; i < t->n; i++) t->operands[i] = adze_op_operand(op, i);
        adze_table_put(&p->twins, op, t);
    }
    const adze_op *end = adze_func_return(adze_module_main(p->module));
    for (uint32_t i = 0; i < p->n_outputs; i++) p->own_outputs[i] = adze_op_operand(end, i);
}

static bool join(recover_pair *p, const adze_module *first)
{
    adze_const *last = adze_module_first_const(p->module), *theirs;
    while (last && adze_const_next(last)) last = adze_const_next(last);
    if (!add_teacher(p, first)) return false;
    theirs = last ? adze_const_next(last) : adze_module_first_const(p->module);
    if (!merge_consts(p, theirs)) return false;
    merge_ops(p);
    return true;
}

static void settle(recover_pair *p)
{
    pair_twins(p);
    copy_set_results(adze_module_main(p->module), NULL, 0);
}

bool pair_open_module(recover_pair *p, adze_pass_run *run, adze_module *student, const adze_module *teacher)
{
    if (!begin(p, run, student)) return false;
    p->names[0] = adze_module_name(teacher);
    if (!join(p, teacher)) return false;
    settle(p);
    return true;
}

bool pair_open(recover_pair *p, adze_pass_run *run, adze_module *student, const char *files)
{
    if (!begin(p, run, student)) return false;
    for (const char *at = files; *at;) {
        size_t size = strcspn(at, ",");
        if (p->n_teachers == RECOVER_MAX_TEACHERS)
            return adze_error(adze_loc_unknown(run->context), "recover: at most %d teachers", RECOVER_MAX_TEACHERS);
        const char *path = adze_intern(run->context, at, size);
        adze_module *teacher = size ? read_teacher(run, path) : NULL;
        if (!size) adze_error(adze_loc_unknown(run->context), "recover: a teacher without a name in '%s'", files);
        if (!teacher) return false;
        p->teachers[p->n_teachers] = teacher;
        p->names[p->n_teachers] = path;
        if (!(p->n_teachers ? add_teacher(p, teacher) : join(p, teacher))) return false;
        at += size;
        if (*at == ',') at++;
    }
    settle(p);
    return true;
}

void pair_close(recover_pair *p)
{
    adze_module_destroy(p->module);
    for (uint32_t i = 0; i < RECOVER_MAX_TEACHERS; i++) {
        adze_module_destroy(p->teachers[i]);
        adze_table_free(&p->by_name[i]);
        adze_table_free(&p->by_node[i]);
    }
    adze_table_free(&p->twins);
    adze_table_free(&p->merged);
    adze_arena_free(&p->arena);
}

adze_ir_value *pair_match(const recover_pair *p, uint32_t teacher, const adze_ir_value *value)
{
    const char *name = adze_value_name(value);
    const adze_op *op = adze_value_op(value);
    adze_ir_value *found = name ? adze_table_get_name(&p->by_name[teacher], name) : NULL;
    uint32_t n = op && adze_op_num_results(op) == 1 ? adze_op_num_nodes(op) : 0;
    if (!found && !name && n) found = adze_table_get_name(&p->by_node[teacher], adze_op_node(op, n - 1));
    return found && adze_type_compatible(adze_value_type(found), adze_value_type(value)) ? found : NULL;
}

/* ---- Running ---- */

adze_builder pair_begin(recover_pair *p)
{
    adze_op *end = adze_func_return(adze_module_main(p->module));
    p->mark = adze_op_prev(end);
    adze_builder b = adze_builder_before(end);
    b.n_origin = 0;
    return b;
}

void pair_end(recover_pair *p)
{
    adze_op *end = adze_func_return(adze_module_main(p->module));
    copy_set_results(adze_module_main(p->module), NULL, 0);
    for (adze_op *op = adze_op_prev(end); op && op != p->mark; op = adze_op_prev(end)) adze_op_erase(op);
}

adze_program *pair_program(recover_pair *p, adze_ir_value *const *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!values[i]) return NULL;
    copy_set_results(adze_module_main(p->module), values, n);
    return adze_program_open(p->run->registry, p->module);
}

bool pair_sample(const recover_pair *p, uint64_t index, adze_value *out_inputs)
{
    const adze_calibration *data = p->run->calibration;
    if (!data->sample(data->self, index, out_inputs)) return false;
    for (uint32_t i = 0; i < data->n_inputs; i++) {
        const adze_value *x = &out_inputs[i];
        if (x->kind != ADZE_VALUE_TENSOR || x->dtype != ADZE_DTYPE_f32) continue;
        for (uint64_t k = 0; k < adze_value_count(x); k++)
            if (!isfinite(((const float *)x->data)[k]))
                return adze_error(adze_loc_unknown(p->run->context), "%s: sample %llu holds NaN or infinity",
                                  data->name, (unsigned long long)index);
    }
    return true;
}

uint64_t pair_samples(const recover_pair *p, int64_t most)
{
    uint64_t n = p->run->calibration->count;
    return most > 0 && (uint64_t)most < n ? (uint64_t)most : n;
}

bool pair_is_held(uint64_t index, double hold)
{
    double before = floor((double)index * hold), after = floor((double)(index + 1) * hold);
    return after > before;
}

/* ---- Taking over ---- */

/* Operand `index` of the student's op becomes a constant of the copy's; `made` has those of the student by these, once
 * for all that read them. */
static bool commit_operand(recover_pair *p, const pair_twin *t, uint32_t index, const adze_const *c, adze_table *made)
{
    adze_const *mine = adze_table_get(made, c);
    if (!mine) {
        adze_data *data = adze_data_retain(adze_const_data(c));
        mine = adze_module_add_const(p->student, adze_const_name(c), adze_const_type(c), data);
    }
    if (!mine) return false;
    const adze_ir_value *old = adze_op_operand(t->origin, index);
    constant_put(t->origin, index, adze_const_value(mine));
    adze_const *was = old ? adze_value_const(old) : NULL;
    adze_table_put(made, c, adze_value_const(constant_settle(was, adze_const_value(mine))));
    return true;
}

adze_outcome pair_commit(recover_pair *p)
{
    adze_outcome outcome = ADZE_UNCHANGED;
    adze_table made = {0};
    for (adze_op *op = p->first; op; op = adze_op_next(op)) {
        const pair_twin *t = adze_table_get(&p->twins, op);
        if (!t || adze_op_has_trait(op, ADZE_TERMINATOR)) continue;
        for (uint32_t i = 0; outcome != ADZE_FAILED && i < adze_op_num_operands(op); i++) {
            adze_ir_value *value = adze_op_operand(op, i);
            if (i < t->n && t->operands[i] == value) continue;
            bool ok = commit_operand(p, t, i, adze_value_const(value), &made);
            outcome = ok ? ADZE_CHANGED : ADZE_FAILED;
        }
    }
    adze_table_free(&made);
    return outcome;
}
