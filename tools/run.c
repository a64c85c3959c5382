/* adze run: one run of a model, on the reference or as compiled code. */
#include "compare.h"
#include "feed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 6 };

typedef struct options {
    adze_common common;
    adze_feed_flags feed;
    const char *outputs;
} options;

static const adze_flag flags[] = {
    ADZE_FEED_FLAGS(options, feed),
    {"--outputs", "FILE.npz", "where the outputs go", ADZE_FLAG_TEXT, offsetof(options, outputs)},
    ADZE_COMMON_FLAGS,
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

static const char usage[] =
    "Usage: adze run IN.onnx|IN.adz|IN.so [flags]\n"
    "Runs a model once and prints a line for each output. A model runs on the reference, or compiled with\n"
    "--target; with --passes or -O the reference runs what the passes made. Without inputs, seeded random\n"
    "ones are made, where symbolic dims are 1 or what --dim says.\n"
    "Example: adze run model.onnx --inputs=x.npz --outputs=y.npz --target=x86\n";

static void print_element(const adze_value *v, uint64_t i)
{
    if (v->dtype == ADZE_DTYPE_str) {
        char text[ADZE_STRING_ROOM];
        adze_string_print((const adze_string *)v->data + i, text);
        printf("%s", text);
    } else if (v->dtype == ADZE_DTYPE_c64) {
        const float *c = (const float *)v->data + 2 * i;
        printf("%.6g%+.6gi", (double)c[0], (double)c[1]);
    } else if (v->dtype == ADZE_DTYPE_c128) {
        const double *c = (const double *)v->data + 2 * i;
        printf("%.6g%+.6gi", c[0], c[1]);
    } else {
        printf("%.6g", adze_value_real(v, i));
    }
}

static void print_first(const adze_value *v, uint64_t count)
{
    const char *space = " first ";
    for (uint64_t i = 0; i < count && i < FIRST; i++, space = " ") {
        printf("%s", space);
        print_element(v, i);
    }
}

static void print_tensor(const adze_value *v)
{
    uint64_t count = adze_value_count(v), nans = 0;
    double low = HUGE_VAL, high = -HUGE_VAL, sum = 0;
    printf("%s[", adze_dtype_name((adze_dtype)v->dtype));
    for (uint32_t k = 0; k < v->rank; k++) printf("%s%lld", k ? "," : "", (long long)v->dims[k]);
    printf("]");
    bool number = adze_dtype_is_number((adze_dtype)v->dtype);
    for (uint64_t i = 0; number && i < count; i++) {
        double x = adze_value_real(v, i);
        if (isnan(x)) nans++;
        else low = fmin(low, x), high = fmax(high, x), sum += x;
    }
    if (number && count > nans)
        printf(" min %.6g max %.6g mean %.6g", low, high, sum / (double)(count - nans));
    if (nans) printf(" nan %llu", (unsigned long long)nans);
    print_first(v, count);
}

static void print_map(const adze_value *v)
{
    uint64_t count = v->n_items == 2 ? adze_value_count(&v->items[0]) : 0;
    printf("map of %llu", (unsigned long long)count);
    for (uint64_t i = 0; i < count && i < FIRST; i++) {
        printf("%s", i ? ", " : " first ");
        print_element(&v->items[0], i);
        printf(": ");
        print_element(&v->items[1], i);
    }
}

static void print_value(const adze_value *v)
{
    if (v->kind == ADZE_VALUE_TENSOR)
        print_tensor(v);
    else if (v->kind == ADZE_VALUE_SEQUENCE) {
        printf("sequence of %llu", (unsigned long long)v->n_items);
        if (v->n_items && v->items[0].kind == ADZE_VALUE_MAP) {
            printf(", first ");
            print_map(&v->items[0]);
        }
    } else if (v->kind == ADZE_VALUE_MAP)
        print_map(v);
    else if (v->kind == ADZE_VALUE_OPTIONAL)
        printf("optional, %s", v->n_items ? "present" : "absent");
    else
        printf("absent");
}

static bool write_outputs(const adze_device *d, const adze_value *results, const char *path)
{
    adze_io_error error = {""};
    adze_array *arrays = calloc(d->n_outputs + 1u, sizeof *arrays);
    adze_loc loc = adze_loc_unknown(d->work->context);
    bool ok = arrays || adze_error(loc, "out of memory");
    for (uint32_t i = 0; ok && i < d->n_outputs; i++) {
        ok = results[i].kind == ADZE_VALUE_TENSOR;
        if (ok)
            arrays[i] = adze_value_array(d->outputs[i].name, &results[i]);
        else
            adze_error(loc, "%s: output '%s' is no tensor, which an .npz cannot hold", path, d->outputs[i].name);
    }
    if (ok && adze_npz_write(path, arrays, d->n_outputs, &error)) ok = adze_error(loc, "%s", error.text);
    free(arrays);
    return ok;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    const options *o = given;
    const char *path = files[0];
    adze_device device;
    adze_feed feed = {0};
    const adze_value *results;
    (void)n_files;
    bool ok = adze_device_open(&device, work, &o->common, path, adze_device_choose(&o->common, path)) &&
              adze_feed_load(&feed, &device, &o->common, &o->feed);
    adze_progress *progress = ok ? adze_progress_begin(work, "run") : NULL;
    ok = ok && adze_device_run(&device, feed.values, &results);
    adze_progress_end(progress);
    if (ok && o->outputs) ok = write_outputs(&device, results, o->outputs);
    bool quiet = o->outputs && !strcmp(o->outputs, "-"); /* stdout is the .npz then */
    for (uint32_t i = 0; ok && !quiet && i < device.n_outputs; i++) {
        printf("%s: ", device.outputs[i].name);
        print_value(&results[i]);
        printf("\n");
    }
    adze_feed_tell(&feed, &device, ok);
    adze_feed_free(&feed);
    adze_device_close(&device);
    return !ok;
}

const adze_command adze_command_run = {
    .name = "run",
    .summary = "run a model or an artifact",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .files_min = 1,
    .files_max = 1,
    .run = run,
};
