/* adze check: does compiled code compute what the reference, or a file of outputs, says? */
#include "check.h"

#include <adze/onnx.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct options {
    adze_common common;
    adze_feed_flags feed;
    const char *expect;
    adze_flag_list sets;
    double rtol, atol;
} options;

static const adze_flag flags[] = {
    ADZE_FEED_FLAGS(options, feed),
    {"--expect", "FILE.npz", "compare with these outputs, not with the reference", ADZE_FLAG_TEXT,
     offsetof(options, expect)},
    {"--data-set", "DIR", "compare with input_0.pb, output_0.pb, … of an ONNX test; repeatable", ADZE_FLAG_LIST,
     offsetof(options, sets)},
    {"--rtol", "X", "tolerance relative to the output's largest magnitude (default 1e-5)", ADZE_FLAG_NUMBER,
     offsetof(options, rtol)},
    {"--atol", "X", "absolute tolerance, also of integers (default 0; 1e-7 with --data-set)", ADZE_FLAG_NUMBER,
     offsetof(options, atol)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze check IN [FLAGS]\n\n"
    "Compiles IN (.onnx or .adz) for --target (default x86:host; an artifact runs as it is), runs it and compares\n"
    "every output with the reference, --expect or --data-set (there --rtol is 1e-3). On a difference, names the\n"
    "first op that differs, with its ONNX node. Where a pass may change results, as quantize-fuse does, the reference\n"
    "runs what it left, and a line says how far that is from the model as written; --precision=strict runs no such\n"
    "pass. --target=reference checks the reference itself; with --passes or -O, what these make of IN there.\n"
    "Without inputs, seeded random ones are made, where symbolic dims are 1 or what --dim says.\n\n"
    "Example: adze check model.onnx --target=x86:x86-64-v3 --inputs=x.npz\n";

static bool fail(const adze_check *c, const char *path, const char *what)
{
    return adze_error(adze_loc_unknown(c->work->context), "%s: %s", path, what);
}

/* Prints a line for each output and marks those that differ; their number. */
static uint32_t compare_outputs(const adze_check *c, const adze_device *device, const adze_value *got,
                                const adze_value *wanted, bool *differ)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < device->n_outputs; i++) {
        adze_difference d;
        char at[160];
        bool same = adze_values_compare(&got[i], &wanted[i], c->tolerance, &d);
        if (same) {
            printf("%s: ok, difference %.3g of the largest magnitude\n", device->outputs[i].name,
                   d.largest > 0 ? d.largest / d.scale : 0.0);
            continue;
        }
        bad++;
        differ[i] = true;
        adze_difference_place(&d, at, sizeof at);
        if (*d.why)
            printf("%s: DIFFERS: %s\n", device->outputs[i].name, d.why);
        else
            printf("%s: DIFFERS: %.9g, not %.9g, at %s; %llu of %llu elements are off, difference %.3g of the largest "
                   "magnitude\n",
                   device->outputs[i].name, d.got, d.wanted, at, (unsigned long long)d.n_over,
                   (unsigned long long)d.count, d.scale > 0 ? d.largest / d.scale : d.largest);
    }
    return bad;
}

static bool same_dims(const adze_value *a, const adze_value *b)
{
    if (a->kind != ADZE_VALUE_TENSOR || b->kind != ADZE_VALUE_TENSOR) return true;
    return a->rank == b->rank && (!a->rank || !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims));
}

/* The end of a comparison: the first op that differs, and one error. No op is looked for where the dims are
 * others: the inputs are, not the code. */
static bool conclude(const adze_check *c, const adze_device *device, const adze_value *inputs, const adze_value *got,
                     const adze_value *wanted)
{
    bool *differ = calloc(device->n_outputs + 1u, sizeof *differ);
    if (!differ) return fail(c, c->path, "out of memory");
    uint32_t other_dims = 0, bad = compare_outputs(c, device, got, wanted, differ);
    for (uint32_t i = 0; i < device->n_outputs; i++) other_dims += !same_dims(&got[i], &wanted[i]);
    fflush(stdout);
    adze_loc loc = adze_loc_unknown(c->work->context);
    if (bad && !other_dims && !adze_is_artifact(c->path)) adze_check_first(c, inputs, differ);
    free(differ);
    if (other_dims)
        return adze_error(loc, "%s: the dims of %u of %u outputs differ from the expected ones%s", c->path, other_dims,
                          device->n_outputs, c->made_inputs ? "; the inputs were made up, give --inputs" : "");
    return !bad || adze_error(loc, "%s: %u of %u outputs differ", c->path, bad, device->n_outputs);
}

/* ---- Against the reference ---- */

/* Where LOSSY passes changed the model, how far that takes it from the model as imported. */
static bool report_loss(const adze_check *c, const adze_device *meant, const adze_value *inputs, const adze_value *got)
{
    const adze_value *written;
    adze_device reference = {0};
    if (!meant->lossy) return true;
    bool ok = adze_device_open(&reference, c->work, c->common, c->path, ADZE_DEVICE_REFERENCE) &&
              adze_device_run(&reference, inputs, &written);
    for (uint32_t i = 0; ok && i < meant->n_outputs; i++) {
        adze_difference d;
        adze_values_compare(&got[i], &written[i], c->tolerance, &d);
        if (*d.why) {
            ok = adze_error(adze_loc_unknown(c->work->context), "%s: lossy passes change output %s: %s", c->path,
                            meant->outputs[i].name, d.why);
            continue;
        }
        printf("%s: lossy passes leave it %.3g of the largest magnitude from the model as written\n",
               meant->outputs[i].name, d.scale > 0 ? d.largest / d.scale : d.largest);
    }
    adze_device_close(&reference);
    return ok;
}

static bool check_reference(const adze_check *c, adze_device *device, const adze_feed *feed)
{
    const adze_value *got, *wanted;
    adze_device reference = {0};
    if (c->kind == ADZE_DEVICE_REFERENCE || adze_is_artifact(c->path))
        return fail(c, c->path, "there is nothing to compare with; give --expect or --data-set");
    bool ok = adze_device_open(&reference, c->work, c->common, c->path, ADZE_DEVICE_MEANT) &&
              adze_device_run(&reference, feed->values, &wanted) && adze_device_run(device, feed->values, &got);
    ok = ok && report_loss(c, &reference, feed->values, wanted);
    ok = ok && conclude(c, device, feed->values, got, wanted);
    adze_device_close(&reference);
    return ok;
}

/* ---- Against a file of outputs ---- */

static bool read_expected(const adze_check *c, const adze_device *device, const char *path, adze_array *arrays)
{
    adze_io_error error = {""};
    adze_npz *npz = NULL;
    adze_status status = adze_npz_open(path, &npz, &error);
    bool ok = !status;
    for (uint32_t i = 0; ok && i < device->n_outputs; i++) {
        int64_t index = adze_npz_find(npz, device->outputs[i].name);
        adze_dtype dtype = adze_type_dtype(device->outputs[i].type);
        if (index < 0) {
            ok = adze_error(adze_loc_unknown(c->work->context), "%s: there is no array '%s', the model's output", path,
                            device->outputs[i].name);
            continue;
        }
        ok = adze_feed_read(c->work, npz, path, (uint32_t)index, &arrays[i]);
        /* Types that numpy lacks; any other mismatch is the comparison's to tell. */
        if (ok && arrays[i].dtype != dtype && adze_array_retype(&arrays[i], dtype, &error) == ADZE_ERR_VALUE)
            status = ADZE_ERR_VALUE;
        ok = ok && !status;
    }
    if (status) adze_error(adze_loc_unknown(c->work->context), "%s", error.text);
    if (npz) adze_npz_close(npz);
    return ok;
}

static bool check_expected(const adze_check *c, adze_device *device, const adze_feed *feed, const char *path)
{
    uint32_t n = device->n_outputs;
    const adze_value *got;
    adze_array *arrays = calloc(n + 1u, sizeof *arrays);
    adze_value *wanted = calloc(n + 1u, sizeof *wanted);
    bool ok = (arrays && wanted) || fail(c, path, "out of memory");
    ok = ok && read_expected(c, device, path, arrays) && adze_device_run(device, feed->values, &got);
    for (uint32_t i = 0; ok && i < n; i++) wanted[i] = adze_array_value(&arrays[i]);
    ok = ok && conclude(c, device, feed->values, got, wanted);
    for (uint32_t i = 0; arrays && i < n; i++) adze_array_free(&arrays[i]);
    free(arrays);
    free(wanted);
    return ok;
}

/* ---- Against an ONNX test data set ---- */

static adze_value_kind kind_of(const adze_type *type)
{
    adze_type_kind kind = adze_type_get_kind(type);
    return kind == ADZE_TYPE_SEQUENCE   ? ADZE_VALUE_SEQUENCE
           : kind == ADZE_TYPE_OPTIONAL ? ADZE_VALUE_OPTIONAL
           : kind == ADZE_TYPE_MAP      ? ADZE_VALUE_MAP
                                        : ADZE_VALUE_TENSOR;
}

/* Reads PREFIX_0.pb, PREFIX_1.pb, …: by position, or by the name in the file where that is a port's. */
static bool read_set(const adze_check *c, const char *folder, const char *prefix, const adze_port *ports, uint32_t n,
                     adze_value *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *path = adze_internf(c->work->context, "%s/%s_%u.pb", folder, prefix, i);
        adze_value value = {0};
        const char *name = NULL;
        if (access(path, R_OK) != 0 && i + 1 == n) break; /* told below */
        if (!adze_onnx_read_value(c->work->context, path, kind_of(ports[i].type), &value, &name)) return false;
        uint32_t to = i;
        for (uint32_t k = 0; name && k < n; k++)
            if (!strcmp(ports[k].name, name)) to = k;
        if (out[to].kind != ADZE_VALUE_ABSENT) adze_onnx_value_free(&out[to]);
        out[to] = value;
    }
    for (uint32_t i = 0; i < n; i++)
        if (out[i].kind == ADZE_VALUE_ABSENT)
            return adze_error(adze_loc_unknown(c->work->context), "%s: there is no %s_%u.pb for '%s'", folder, prefix,
                              i, ports[i].name);
    return true;
}

static bool check_set(const adze_check *c, adze_device *device, const char *folder)
{
    uint32_t n_in = device->n_inputs, n_out = device->n_outputs;
    adze_value *in = calloc(n_in + 1u, sizeof *in), *wanted = calloc(n_out + 1u, sizeof *wanted);
    const adze_value *got;
    bool ok = (in && wanted) || fail(c, folder, "out of memory");
    ok = ok && read_set(c, folder, "input", device->inputs, n_in, in) &&
         read_set(c, folder, "output", device->outputs, n_out, wanted);
    printf("%s\n", folder);
    ok = ok && adze_device_run(device, in, &got);
    ok = ok && conclude(c, device, in, got, wanted);
    for (uint32_t i = 0; in && i < n_in; i++) adze_onnx_value_free(&in[i]);
    for (uint32_t i = 0; wanted && i < n_out; i++) adze_onnx_value_free(&wanted[i]);
    free(in);
    free(wanted);
    return ok;
}

/* ---- The command ---- */

static bool run_check(const options *o, const adze_check *c, adze_device *device)
{
    if (!adze_device_open(device, c->work, c->common, c->path, c->kind)) return false;
    bool ok = true;
    for (uint32_t i = 0; i < o->sets.count; i++) ok &= check_set(c, device, o->sets.items[i]);
    if (o->sets.count) return ok;
    adze_feed feed;
    ok = adze_feed_load(&feed, device, c->common, &o->feed) &&
         (o->expect ? check_expected(c, device, &feed, o->expect) : check_reference(c, device, &feed));
    adze_feed_tell(&feed, device, ok);
    adze_feed_free(&feed);
    return ok;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    (void)n_files;
    if (o->sets.count && (o->expect || o->feed.inputs || o->feed.singles.count))
        return adze_usage_error("--data-set brings its own inputs and outputs");
    double usual = o->sets.count ? 1e-3 : 1e-5, atol = o->atol < 0 && o->sets.count ? 1e-7 : o->atol;
    adze_check check = {.work = work,
                        .common = &o->common,
                        .path = files[0],
                        .tolerance = {o->rtol, atol, usual},
                        .made_inputs = !o->sets.count && !o->feed.inputs && !o->feed.singles.count,
                        .expected = o->sets.count || o->expect,
                        .kind = ADZE_DEVICE_COMPILED};
    if (o->common.target) check.kind = adze_device_choose(&o->common, files[0]);
    adze_device device = {0};
    bool ok = run_check(o, &check, &device);
    adze_device_close(&device);
    return !ok;
}

static const options defaults = {.common = ADZE_COMMON_START, .rtol = -1, .atol = -1};

const adze_command adze_command_check = {
    .name = "check",
    .summary = "compare compiled code with the reference",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .defaults = &defaults,
    .files_min = 1,
    .files_max = 1,
    .run = run,
};
