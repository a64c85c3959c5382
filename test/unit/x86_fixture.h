/* Compiles IR text with the x86 backend, runs it through the runtime and compares with the
 * reference. */
#ifndef X86_FIXTURE_H
#define X86_FIXTURE_H

#include "unit.h"

#include <adze/ir.h>
#include <adze/registry.h>
#include <adze_runtime.h>

#include <stdlib.h>
#include <unistd.h>

enum { X86_MAX_IO = 48 };

typedef struct x86_fixture {
    adze_context *context;
    adze_registry *registry;
    const adze_backend *backend;
    adze_text errors;
    char library[512];
    uint32_t random;
    int precision;
} x86_fixture;

static inline void x86_keep(void *self, const adze_diagnostic *diagnostic)
{
    adze_diagnostic_print(diagnostic, &((x86_fixture *)self)->errors);
}

static inline void x86_begin(x86_fixture *f)
{
    memset(f, 0, sizeof *f);
    f->context = adze_context_create();
    adze_context_set_sink(f->context, x86_keep, f);
    f->registry = adze_registry_create(f->context);
    f->backend = adze_registry_backend(f->registry, "x86");
    f->random = 1;
    f->precision = ADZE_PRECISION_F32;
    const char *folder = getenv("TMPDIR");
    snprintf(f->library, sizeof f->library, "%s/adze_x86_test_%ld.so", folder ? folder : "/tmp",
             (long)getpid());
}

static inline void x86_end(x86_fixture *f)
{
    unlink(f->library);
    adze_registry_destroy(f->registry);
    adze_context_destroy(f->context);
    adze_text_free(&f->errors);
}

static inline bool x86_emit(x86_fixture *f, const adze_module *module, const char *output)
{
    const adze_target *levels[] = {adze_registry_target(f->registry, "x86:x86-64-v4"),
                                   adze_registry_target(f->registry, "x86:x86-64-v3")};
    adze_emit_options options = {.struct_size = sizeof options,
                                 .output = output,
                                 .name = "test",
                                 .levels = levels,
                                 .n_levels = 2,
                                 .precision = f->precision};
    return levels[0] && levels[1] && f->backend && f->backend->emit(module, f->registry, &options);
}

/* ---- Values ---- */

static inline uint32_t x86_random(x86_fixture *f)
{
    f->random = f->random * 1664525u + 1013904223u;
    return f->random >> 8;
}

/* Every eleventh float is one that goes wrong easily. */
static inline double x86_random_float(x86_fixture *f)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 1e-40, 3e38};
    uint32_t r = x86_random(f);
    if (r % 11 == 0) return special[r / 11 % (sizeof special / sizeof *special)];
    return (double)(r % 4001) / 500 - 4;
}

static inline void x86_fill(x86_fixture *f, adze_value *v, bool special)
{
    uint64_t n = adze_value_count(v);
    for (uint64_t i = 0; i < n; i++) {
        double x = special ? x86_random_float(f) : (double)(x86_random(f) % 4001) / 500 - 4;
        int64_t k = (int64_t)(x86_random(f) % 61) - 30;
        switch ((adze_dtype)v->dtype) {
        case ADZE_DTYPE_f32:
            ((float *)v->data)[i] = (float)x;
            break;
        case ADZE_DTYPE_f64:
            ((double *)v->data)[i] = x;
            break;
        case ADZE_DTYPE_i64:
            ((int64_t *)v->data)[i] = k;
            break;
        case ADZE_DTYPE_i32:
            ((int32_t *)v->data)[i] = (int32_t)k;
            break;
        case ADZE_DTYPE_i8:
        case ADZE_DTYPE_u8:
            ((uint8_t *)v->data)[i] = (uint8_t)(k * 4);
            break;
        case ADZE_DTYPE_bool:
            ((uint8_t *)v->data)[i] = (uint8_t)(k & 1);
            break;
        default:
            CHECK(false);
        }
    }
}

static inline double x86_element(const adze_value *v, uint64_t i)
{
    switch ((adze_dtype)v->dtype) {
    case ADZE_DTYPE_f32:
        return (double)((const float *)v->data)[i];
    case ADZE_DTYPE_f64:
        return ((const double *)v->data)[i];
    case ADZE_DTYPE_i64:
        return (double)((const int64_t *)v->data)[i];
    case ADZE_DTYPE_i32:
        return ((const int32_t *)v->data)[i];
    case ADZE_DTYPE_i8:
        return ((const int8_t *)v->data)[i];
    default:
        return ((const uint8_t *)v->data)[i];
    }
}

static inline bool x86_near(double got, double want, double tolerance)
{
    if (got == want || (isnan(got) && isnan(want))) return true;
    return fabs(got - want) <= tolerance * fmax(1, fabs(want));
}

/* Differences between two outputs; the first is printed. */
static inline int x86_differences(const adze_value *got, const adze_value *want, const char *what,
                                  double tolerance)
{
    int count = 0;
    if (got->dtype != want->dtype || adze_value_count(got) != adze_value_count(want)) return -1;
    for (uint64_t i = 0; i < adze_value_count(want); i++) {
        double g = x86_element(got, i), w = x86_element(want, i);
        if (!x86_near(g, w, tolerance) && !count++)
            printf("%s: element %llu is %.9g, the reference says %.9g\n", what,
                   (unsigned long long)i, g, w);
    }
    return count;
}

/* ---- Running ---- */

typedef struct x86_io {
    adze_value in[X86_MAX_IO], want[X86_MAX_IO];
    int64_t dims[X86_MAX_IO][ADZE_MAX_RANK];
    uint32_t n_in, n_out;
} x86_io;

static inline bool x86_symbol(void *self, const char *name, int64_t *out)
{
    *out = name[0] == 'N' ? ((const int64_t *)self)[0] : ((const int64_t *)self)[1];
    return true;
}

/* Random inputs for `main` with N and M (all other symbols) as given, and what the reference makes
 * of them. */
static inline bool x86_reference(x86_fixture *f, const adze_func *func, const int64_t sizes[2],
                                 bool special, x86_io *io)
{
    const adze_region *body = adze_func_body(func);
    memset(io, 0, sizeof *io);
    io->n_in = adze_region_num_args(body);
    io->n_out = adze_func_num_results(func);
    for (uint32_t i = 0; i < io->n_in; i++) {
        const adze_type *type = adze_value_type(adze_region_arg(body, i));
        adze_value *v = &io->in[i];
        *v = adze_value_tensor(adze_type_dtype(type), adze_type_rank(type), io->dims[i], NULL);
        for (uint32_t k = 0; k < v->rank; k++)
            adze_dim_evaluate(adze_type_dim(type, k), NULL, 0, x86_symbol, (void *)(uintptr_t)sizes,
                              &io->dims[i][k]);
        v->data = aligned_alloc(
            64, (adze_dtype_bytes((adze_dtype)v->dtype, adze_value_count(v)) + 64) / 64 * 64);
        x86_fill(f, v, special);
    }
    return adze_interpret(func, io->in, io->n_in, io->want, io->n_out, NULL, NULL);
}

static inline void x86_io_free(x86_io *io)
{
    for (uint32_t i = 0; i < io->n_in; i++) free(io->in[i].data);
    adze_outputs_free(io->want, io->n_out);
}

/* Runs the library at one level with `threads`; -1 where it does not run, else the number of
 * differences. */
static inline int x86_run(x86_fixture *f, const x86_io *io, const char *level, uint32_t threads,
                          double tolerance)
{
    adze_open_options open = {.struct_size = sizeof open, .level = level};
    adze_session_options with = {.struct_size = sizeof with, .n_threads = threads};
    adze_model *model;
    adze_session *session = NULL;
    int result = -1;
    adze_status status = adze_model_open(f->library, &open, &model);
    if (!status) status = adze_session_create(model, &with, &session);
    for (uint32_t i = 0; !status && i < io->n_in; i++)
        status = adze_session_set_input(session, i, &io->in[i]);
    if (!status) status = adze_session_run(session);
    if (status)
        printf("%s: %s%s\n", level, adze_model_error(model),
               session ? adze_session_error(session) : "");
    for (uint32_t i = 0; !status && i < io->n_out; i++) {
        adze_value got;
        CHECK_INT(adze_session_output(session, i, &got), ADZE_OK);
        int n = x86_differences(&got, &io->want[i], level, tolerance);
        result = n < 0 ? n : result < 0 ? n : result + n;
        if (n < 0) break;
    }
    adze_session_destroy(session);
    adze_model_close(model);
    return result;
}

/* Every level that the CPU has, one thread and three. */
static inline int x86_run_all(x86_fixture *f, const x86_io *io, double tolerance)
{
    static const char *const levels[] = {"x86-64-v4", "x86-64-v3"};
    static const uint64_t needs[] = {ADZE_CPU_X86_64_V4, ADZE_CPU_X86_64_V3};
    int sum = 0;
    for (int i = 0; i < 2; i++)
        for (uint32_t threads = 1; threads <= 3; threads += 2) {
            if (!(adze_cpu_features() & needs[i])) continue;
            int n = x86_run(f, io, levels[i], threads, tolerance);
            if (n < 0) return n;
            sum += n;
        }
    return sum;
}

/* The whole comparison of one module; `sizes` are pairs of N and M, ended by a negative one. */
static inline void x86_compare(x86_fixture *f, const char *name, const char *text,
                               const int64_t (*sizes)[2], bool special, double tolerance)
{
    adze_module *module = adze_module_parse(f->context, name, text, strlen(text));
    bool ok = module && adze_module_verify(module) && x86_emit(f, module, f->library);
    CHECK(ok);
    if (!ok) printf("%s: %s\n", name, f->errors.data ? f->errors.data : "");
    for (; ok && (*sizes)[0] >= 0; sizes++) {
        x86_io io;
        bool known = x86_reference(f, adze_module_main(module), *sizes, special, &io);
        CHECK(known);
        int differences = known ? x86_run_all(f, &io, tolerance) : -1;
        CHECK_INT(differences, 0);
        if (differences || !known)
            printf("%s with N = %d, M = %d\n%s", name, (int)(*sizes)[0], (int)(*sizes)[1],
                   f->errors.data ? f->errors.data : "");
        if (known) x86_io_free(&io);
    }
    if (module) adze_module_destroy(module);
}

#endif
