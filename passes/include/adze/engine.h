/* Running modules from inside passes and searches: compiled code where whoever holds the registry brings a compiler,
 * else the reference. And the data that they run on.
 *
 * libadze links no runtime and no code generator, so programs that have them (`adze`) set an engine.
 */
#ifndef ADZE_ENGINE_H
#define ADZE_ENGINE_H

#include <adze/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Engines (engine.c) ---- */

/* A descriptor. Errors go to the context of the module. */
typedef struct adze_engine {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name; /* for messages: "x86:x86-64-v3", "reference" */
    void *self;       /* handed to `open` */
    /* A program that runs the main function of `module`, which it may change, but neither keeps nor destroys. NULL
     * after an error. */
    void *(*open)(void *self, adze_module *module);
    /* One value an argument of main, dense, of dims that fit. *out_results, one a result of main, belongs to the
     * program and is valid until its next run or close. */
    bool (*run)(void *program, const adze_value *inputs, const adze_value **out_results);
    void (*close)(void *program);
} adze_engine;

/* Replaces the engine; it must outlive the registry. NULL = the reference again. */
ADZE_API void adze_registry_set_engine(adze_registry *registry, const adze_engine *engine);
/* The one that was set, else the reference, which evaluates op by op. Never NULL. */
ADZE_API const adze_engine *adze_registry_engine(const adze_registry *registry);

/* A module that was opened in an engine. */
typedef struct adze_program adze_program;
/* Runs main of a copy of the module: the module itself stays as it is, and may change or end before the program.
 * NULL after an error. */
ADZE_API adze_program *adze_program_open(adze_registry *registry, const adze_module *module);
ADZE_API bool adze_program_run(adze_program *program, const adze_value *inputs, const adze_value **out_results);
ADZE_API void adze_program_close(adze_program *program); /* NULL is allowed */

/* ---- Calibration data ---- */

/* Samples of a model's inputs; labels are not needed. */
typedef struct adze_calibration {
    uint32_t struct_size;
    uint32_t n_inputs;    /* of main */
    uint64_t count;       /* samples, or batches where the model takes several at once; at least 1 */
    uint64_t fingerprint; /* hash of all that `sample` gives */
    const char *name;     /* for messages: a path */
    void *self;           /* handed to `sample` */
    /* The inputs of main for sample `index` < count, n_inputs dense values that are valid until the next call. The same
     * index gives the same values. False after an error. */
    bool (*sample)(void *self, uint64_t index, adze_value *out_inputs);
} adze_calibration;

#ifdef __cplusplus
}
#endif
#endif
