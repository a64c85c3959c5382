/* A device runs one model: the reference or compiled code, behind one set of functions (feed.h). */
#include "feed.h"

#include <stdlib.h>
#include <string.h>

adze_device_kind adze_device_choose(const adze_common *common, const char *path)
{
    if (adze_is_artifact(path) || !adze_common_is_reference(common)) return ADZE_DEVICE_COMPILED;
    return common->passes || common->level >= 0 ? ADZE_DEVICE_LOWERED : ADZE_DEVICE_REFERENCE;
}

static bool fail(const adze_device *d, const char *message)
{
    return adze_error(adze_loc_unknown(d->work->context), "%s: %s", d->path, message);
}

static bool make_ports(adze_device *d, uint32_t n_inputs, uint32_t n_outputs)
{
    d->inputs = calloc(n_inputs + 1u, sizeof *d->inputs);
    d->outputs = calloc(n_outputs + 1u, sizeof *d->outputs);
    d->results = calloc(n_outputs + 1u, sizeof *d->results);
    if (!d->inputs || !d->outputs || !d->results) return fail(d, "out of memory");
    d->n_inputs = n_inputs;
    d->n_outputs = n_outputs;
    return true;
}

/* ---- Reference ---- */

static bool has_ukernel(const adze_region *region)
{
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        if (adze_op_is(op, "ukernel")) return true;
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (has_ukernel(adze_op_region(op, i))) return true;
    }
    return false;
}

/* Native twins of the micro-kernels that a tiled module calls come with their backend. */
static bool load_ukernels(const adze_device *d, const adze_common *common)
{
    for (const adze_func *f = adze_module_first_func(d->module); f; f = adze_func_next(f)) {
        if (!has_ukernel(adze_func_body(f))) continue;
        const adze_target *target = adze_work_target(d->work, common);
        return target && adze_registry_backend(d->work->registry, adze_target_name(target));
    }
    return true;
}

static bool open_module(adze_device *d, const adze_common *common, adze_module *module, adze_device_kind kind)
{
    adze_context *context = d->work->context;
    d->module = module;
    if (!d->module) return false;
    if (kind == ADZE_DEVICE_LOWERED && !adze_work_lower(d->work, common, d->module, false)) return false;
    if (kind == ADZE_DEVICE_MEANT && !adze_work_lower_lossy(d->work, common, d->module, &d->lossy)) return false;
    if (!adze_module_verify(d->module) || !load_ukernels(d, common)) return false;
    const adze_func *func = adze_module_main(d->module);
    if (!func) return fail(d, "the module has no function");
    const adze_region *body = adze_func_body(func);
    if (!make_ports(d, adze_region_num_args(body), adze_func_num_results(func))) return false;
    for (uint32_t i = 0; i < d->n_inputs; i++) {
        const adze_ir_value *arg = adze_region_arg(body, i);
        const char *name = adze_value_name(arg);
        d->inputs[i] = (adze_port){name ? name : adze_internf(context, "input_%u", i), adze_value_type(arg)};
    }
    for (uint32_t i = 0; i < d->n_outputs; i++) {
        const char *name = adze_func_result_name(func, i);
        d->outputs[i] =
            (adze_port){name ? name : adze_internf(context, "output%u", i), adze_func_result_type(func, i)};
    }
    return true;
}

/* ---- Compiled code ---- */

/* A dim of the artifact, postfix code, as an expression. */
static const adze_dim *read_dim(adze_context *context, const adze_artifact *artifact, uint32_t index)
{
    static const adze_dim_kind kinds[] = {
        [ADZE_DIM_CODE_ADD] = ADZE_DIM_ADD,           [ADZE_DIM_CODE_MUL] = ADZE_DIM_MUL,
        [ADZE_DIM_CODE_FLOORDIV] = ADZE_DIM_FLOORDIV, [ADZE_DIM_CODE_CEILDIV] = ADZE_DIM_CEILDIV,
        [ADZE_DIM_CODE_MOD] = ADZE_DIM_MOD,           [ADZE_DIM_CODE_MIN] = ADZE_DIM_MIN,
        [ADZE_DIM_CODE_MAX] = ADZE_DIM_MAX,
    };
    enum { MAX_STACK = 64 };
    const adze_dim *stack[MAX_STACK];
    uint32_t n = 0;
    if (index >= artifact->n_dims) return adze_dim_unknown(context);
    const adze_artifact_dim *dim = &artifact->dims[index];
    for (uint64_t i = 0; i < dim->n_code && n < MAX_STACK; i++) {
        int64_t code = dim->code[i];
        if (code <= ADZE_DIM_CODE_SYMBOL) {
            int64_t operand = ++i < dim->n_code ? dim->code[i] : 0;
            if (code == ADZE_DIM_CODE_CONST)
                stack[n++] = adze_dim_const(context, operand);
            else if (operand >= 0 && operand < artifact->n_symbols)
                stack[n++] = adze_dim_symbol(context, artifact->symbols[operand].name);
        } else if (n >= 2 && code <= ADZE_DIM_CODE_MAX) {
            n--;
            stack[n - 1] = adze_dim_binary(context, kinds[code], stack[n - 1], stack[n]);
        } else {
            return adze_dim_unknown(context);
        }
    }
    return n == 1 ? stack[0] : adze_dim_unknown(context);
}

/* A type as the descriptor's io_types says it. */
static const adze_type *read_type(adze_context *context, const uint32_t *words)
{
    if (words[0] == ADZE_VALUE_SEQUENCE) return adze_type_sequence(context, read_type(context, words + 1));
    if (words[0] == ADZE_VALUE_OPTIONAL) return adze_type_optional(context, read_type(context, words + 1));
    if (words[0] == ADZE_VALUE_MAP)
        return adze_type_map(context, (adze_dtype)words[1], read_type(context, words + 2));
    if (words[2] == ADZE_ARTIFACT_RANK_ANY) return adze_type_unranked(context, (adze_dtype)words[1]);
    const adze_dim *dims[ADZE_MAX_RANK];
    for (uint32_t i = 0; i < words[2]; i++) dims[i] = adze_dim_unknown(context);
    return adze_type_tensor(context, (adze_dtype)words[1], words[2], dims, NULL);
}

static adze_port read_port(adze_context *context, const adze_artifact *artifact, const adze_artifact_io *io,
                           const uint32_t *words)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    if (words && !io->rank) return (adze_port){adze_intern_z(context, io->name), read_type(context, words)};
    for (uint32_t k = 0; k < io->rank; k++) dims[k] = read_dim(context, artifact, io->dims[k]);
    return (adze_port){adze_intern_z(context, io->name),
                       adze_type_tensor(context, (adze_dtype)io->dtype, io->rank, dims, NULL)};
}

/* Does an input's dim read the symbol? Others stand for what a run finds out. */
static bool is_chosen(const adze_artifact *a, uint32_t symbol)
{
    for (uint32_t i = 0; i < a->n_inputs; i++)
        for (uint32_t k = 0; k < a->inputs[i].rank; k++) {
            uint32_t index = a->inputs[i].dims[k];
            if (index >= a->n_dims) continue;
            const adze_artifact_dim *dim = &a->dims[index];
            for (uint64_t c = 0; c + 1 < dim->n_code; c++) {
                if (dim->code[c] > ADZE_DIM_CODE_SYMBOL) continue;
                if (dim->code[c++] == ADZE_DIM_CODE_SYMBOL && dim->code[c] == symbol) return true;
            }
        }
    return false;
}

/* An artifact is what it is: --dim only says what its open dims are where inputs are made up. */
static bool check_dims(const adze_device *d, const adze_common *common, const adze_artifact *a)
{
    for (uint32_t i = 0; i < common->dims.count; i++) {
        const char *item = common->dims.items[i];
        size_t n = strcspn(item, "=");
        adze_text names = {0};
        bool found = false;
        for (uint32_t k = 0; k < a->n_symbols; k++) {
            const char *name = a->symbols[k].name;
            if (!is_chosen(a, k)) continue;
            found |= strlen(name) == n && !strncmp(name, item, n);
            adze_text_append(&names, "%s%s", names.size ? ", " : "; it has ", name);
        }
        if (!found)
            adze_error(adze_loc_unknown(d->work->context), "%s: the artifact has no symbolic dim '%.*s'%.*s", d->path,
                       (int)n, item, (int)names.size, names.data ? names.data : "");
        adze_text_free(&names);
        if (!found) return false;
    }
    return true;
}

static bool open_model(adze_device *d, const adze_common *common, adze_model *model)
{
    d->model = model;
    if (!d->model) return false;
    const adze_artifact *artifact = adze_model_artifact(d->model);
    if (adze_is_artifact(d->path) && !check_dims(d, common, artifact)) return false;
    if (!make_ports(d, artifact->n_inputs, artifact->n_outputs)) return false;
    for (uint32_t i = 0; i < d->n_inputs; i++)
        d->inputs[i] = read_port(d->work->context, artifact, &artifact->inputs[i], adze_model_input_type(d->model, i));
    for (uint32_t i = 0; i < d->n_outputs; i++)
        d->outputs[i] = read_port(d->work->context, artifact, &artifact->outputs[i],
                                  adze_model_output_type(d->model, i));
    if (!*adze_model_level(d->model)) return true; /* to look at only */
    adze_status status = ADZE_OK;
    if (common->threads != 1) status = adze_pool_create((uint32_t)common->threads, &d->pool);
    adze_session_options options = {
        .struct_size = sizeof options, .pool = d->pool, .max_memory = d->work->max_memory};
    if (!status) status = adze_session_create(d->model, &options, &d->session);
    return !status || fail(d, adze_status_text(status));
}

static bool run_model(adze_device *d, const adze_value *inputs)
{
    adze_status status = ADZE_OK;
    for (uint32_t i = 0; i < d->n_inputs && !status; i++)
        status = adze_session_set_input(d->session, i, &inputs[i]);
    if (!status) status = adze_session_run(d->session);
    for (uint32_t i = 0; i < d->n_outputs && !status; i++)
        status = adze_session_output(d->session, i, &d->results[i]);
    return !status || fail(d, adze_session_error(d->session));
}

/* ---- Both ---- */

bool adze_device_open(adze_device *device, adze_work *work, const adze_common *common, const char *path,
                      adze_device_kind kind)
{
    *device = (adze_device){.work = work, .path = path};
    if (kind == ADZE_DEVICE_DESCRIBED) return open_model(device, common, adze_work_describe(work, path));
    if (kind == ADZE_DEVICE_COMPILED) return open_model(device, common, adze_work_device(work, common, path));
    if (adze_is_artifact(path)) return fail(device, "an artifact cannot run on the reference");
    return open_module(device, common, adze_work_read(work, common, path), kind);
}

bool adze_device_open_module(adze_device *device, adze_work *work, const adze_common *common, adze_module *module,
                             const char *path, adze_device_kind kind)
{
    *device = (adze_device){.work = work, .path = path};
    if (kind != ADZE_DEVICE_COMPILED) return open_module(device, common, module, kind);
    adze_model *model = adze_work_compiled(work, common, module, path);
    adze_module_destroy(module);
    return open_model(device, common, model);
}

void adze_device_close(adze_device *device)
{
    if (device->module && device->results) adze_outputs_free(device->results, device->n_outputs);
    adze_session_destroy(device->session);
    adze_pool_destroy(device->pool);
    adze_model_close(device->model);
    adze_module_destroy(device->module);
    free(device->inputs);
    free(device->outputs);
    free(device->results);
    *device = (adze_device){0};
}

bool adze_device_run(adze_device *device, const adze_value *inputs, const adze_value **out_results)
{
    *out_results = device->results;
    if (device->model) return run_model(device, inputs);
    adze_outputs_free(device->results, device->n_outputs);
    return adze_interpret(adze_module_main(device->module), inputs, device->n_inputs, device->results,
                          device->n_outputs, device->observe, device->observe_self);
}

bool adze_device_memory(adze_device *device, uint64_t *out_bytes)
{
    return !adze_session_memory(device->session, out_bytes) ||
           adze_error(adze_loc_unknown(device->work->context), "%s: %s", device->path,
                      adze_session_error(device->session));
}
