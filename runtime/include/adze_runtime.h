/* The runtime: opens a compiled model and runs it.
 *
 * A *model* is what open gives: read-only afterwards, so any number of threads may share it. A
 * *session* holds what one run needs (bound inputs and outputs, arena, scratch, threads, profile):
 * one thread at a time uses a session, and several sessions of one model run at the same time.
 *
 *     adze_model *model;
 *     if (adze_model_open("net.so", NULL, &model)) puts(adze_model_error(model));
 *     adze_session *session;
 *     adze_session_create(model, NULL, &session);
 *     int64_t dims[] = {1, 3, 224, 224};
 *     adze_value x = adze_value_tensor(ADZE_DTYPE_f32, 4, dims, pixels), y;
 *     if (adze_session_set_input(session, 0, &x) || adze_session_run(session))
 *         puts(adze_session_error(session));
 *     adze_session_output(session, 0, &y);
 *
 * No function prints, exits or aborts; each failure is an adze_status with one line of detail.
 * Nothing is global: models, sessions and pools are independent of each other. Needs libc, libm,
 * pthread, dlopen. Strings and pointers that functions give out are borrowed from the object unless
 * they say otherwise.
 */
#ifndef ADZE_RUNTIME_H
#define ADZE_RUNTIME_H

#include <adze/abi.h>
#include <adze/artifact.h>
#include <adze/extension.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adze_model adze_model;
typedef struct adze_session adze_session;
typedef struct adze_pool adze_pool;

/* Where memory comes from. `alloc` returns `bytes` aligned to `alignment` (a power of two) or NULL;
 * `free` gets the same `bytes` back. Must be safe from several threads if sessions are used from
 * several. */
typedef struct adze_allocator {
    void *self;
    void *(*alloc)(void *self, size_t bytes, size_t alignment);
    void (*free)(void *self, void *memory, size_t bytes);
} adze_allocator;

/* A dense row-major tensor as bind, output and the rest take it. `dims` (rank entries) and `data`
 * are borrowed. */
static inline adze_value adze_value_tensor(adze_dtype dtype, uint32_t rank, const int64_t *dims,
                                           const void *data)
{
    adze_value v = {
        ADZE_VALUE_TENSOR, (uint32_t)dtype, rank, 0, dims, (void *)(uintptr_t)data, 0, 0};
    return v;
}

/* ---- status.c ---- */

/* A status in a few words, never NULL: "out of memory". */
const char *adze_status_text(adze_status status);
/* "f32"; "?" for a number that is no element type. */
const char *adze_dtype_name(adze_dtype dtype);

/* ---- cpu.c ---- */

/* ADZE_CPU_* bits of what this CPU and its operating system can run. */
uint64_t adze_cpu_features(void);

/* ---- model.c, model_file.c ---- */

typedef struct adze_open_options {
    uint32_t struct_size; /* sizeof(adze_open_options) */
    uint32_t describe_only; /* 1: open even if this CPU can run no level; such a model makes no session */
    uint64_t hide_features;          /* ADZE_CPU_* bits to do without, as on an older CPU */
    const char *level;               /* take this level by name instead of the best; NULL = best */
    const char *weights_folder;      /* where a linked-in model's weights_file lies; NULL = "." */
    const adze_allocator *allocator; /* for the model and its sessions; NULL = malloc */
} adze_open_options;

/* Opens a compiled shared object. Its ELF header and descriptor are read and checked before the
 * loader sees it. Errors: FILE, FORMAT, ABI, CPU, NO_MEMORY, ARGUMENT. *out_model is set on failure
 * too (NULL only when there is no memory for it), so that adze_model_error tells why; close it
 * either way. `options` may be NULL. */
adze_status adze_model_open(const char *path, const adze_open_options *options,
                            adze_model **out_model);
/* The same for a model linked into the program; `artifact` must outlive the model. */
adze_status adze_model_open_linked(const adze_artifact *artifact, const adze_open_options *options,
                                   adze_model **out_model);
/* Closes what open gave; all its sessions must be gone. NULL is allowed. */
void adze_model_close(adze_model *model);
/* Why open failed, "" if it did not; "out of memory" for NULL. */
const char *adze_model_error(const adze_model *model);

/* One input or output. A dim that the caller chooses has value -1 and a text such as "N" or
 * "2*N+1"; one that a run computes has the text "?". */
typedef struct adze_io_info {
    const char *name;
    adze_dtype dtype;
    uint32_t rank;
    const int64_t *dims;          /* rank entries; -1 where not fixed */
    const char *const *dims_text; /* rank entries */
} adze_io_info;

uint32_t adze_model_num_inputs(const adze_model *model);
uint32_t adze_model_num_outputs(const adze_model *model);
uint32_t adze_model_num_steps(const adze_model *model);
/* ARGUMENT if there is no such index. */
adze_status adze_model_input(const adze_model *model, uint32_t index, adze_io_info *out_info);
adze_status adze_model_output(const adze_model *model, uint32_t index, adze_io_info *out_info);
/* What an input or output holds that adze_io_info does not say (a sequence, an optional, a map, strings, a tensor of
 * any rank): its type as artifact.h describes it. NULL: a tensor as adze_io_info says, or no such index. */
const uint32_t *adze_model_input_type(const adze_model *model, uint32_t index);
const uint32_t *adze_model_output_type(const adze_model *model, uint32_t index);
/* Index by name, or -1. */
int64_t adze_model_find_input(const adze_model *model, const char *name);
int64_t adze_model_find_output(const adze_model *model, const char *name);
/* Name of the level that was chosen, e.g. "x86-64-v4". */
const char *adze_model_level(const adze_model *model);
/* The artifact's own table: steps, flags, compiler version, weights_size. */
const adze_artifact *adze_model_artifact(const adze_model *model);

/* ---- pool.c ---- */

/* A pool of `n_threads` including the caller (0 = one per CPU that the process may use). One pool
 * may serve several sessions; when it is busy with one, another runs its chunks on its own thread.
 */
adze_status adze_pool_create(uint32_t n_threads, adze_pool **out_pool);
void adze_pool_destroy(adze_pool *pool);
uint32_t adze_pool_num_threads(const adze_pool *pool);
/* An adze_parallel_for_fn; `pool` is an adze_pool. Not to be called from inside a chunk. */
void adze_pool_parallel_for(void *pool, adze_chunk_fn *chunk, void *arg, int64_t n);

/* ---- session.c, bind.c, run.c ---- */

typedef struct adze_session_options {
    uint32_t struct_size; /* sizeof(adze_session_options) */
    uint32_t n_threads; /* threads of the session's own pool, the caller included; 0 and 1 = caller
                           only */
    adze_pool *pool;    /* a pool to share instead; n_threads must be 0 then */
    /* The caller's own way to run chunks; n_threads is then the number of its workers (at least 1).
     */
    adze_parallel_for_fn *parallel_for;
    void *parallel_for_self;
    const adze_allocator *allocator; /* NULL = the model's */
    uint64_t max_memory;             /* bytes this session may hold; 0 = no bound */
    uint64_t seed;                   /* of random ops */
    /* Gives what ops ask of libraries beside the runtime: image decoders (images.h). NULL: adze_extension_find for a
     * model that was opened as a file, nothing for one that is linked in, whose program then needs no dlopen. */
    adze_extension_fn *extension;
    void *extension_self;
} adze_session_options;

/* Errors: ARGUMENT, NO_MEMORY. `options` may be NULL: one thread. The model must outlive the
 * session. */
adze_status adze_session_create(const adze_model *model, const adze_session_options *options,
                                adze_session **out_session);
void adze_session_destroy(adze_session *session);
/* One line about the last call that failed on this session; "" if none did. */
const char *adze_session_error(const adze_session *session);

/* Gives input `index`. Dims are copied (of values inside others they are not), data and items are borrowed until the
 * input is set again or the session ends. Keys of a map may be in any order; of equal ones the last counts. Fixed
 * dims, dtype, rank and alignment are checked here, symbols by bind. Errors: ARGUMENT, DTYPE, RANK, DIM, ALIGNMENT;
 * the input then counts as not set. */
adze_status adze_session_set_input(adze_session *session, uint32_t index, const adze_value *value);
/* Gives memory for output `index`; dims as adze_session_output_dims tells, checked by bind. It must
 * not overlap an input or another output. NULL: the session allocates it (which is how a session
 * starts). An output with dims that a run computes cannot be given (ARGUMENT). */
adze_status adze_session_set_output(adze_session *session, uint32_t index, const adze_value *value);
/* Memory for arena and scratch, 64-byte aligned, adze_session_memory(session) bytes, which stay the same while the
 * inputs' dims do. NULL: allocate. What only a run finds out the size of is allocated in any case. */
adze_status adze_session_set_arena(adze_session *session, void *memory, uint64_t bytes);

/* What follows from the inputs set so far, without taking memory. `out_dims` has room for the
 * output's rank; -1 stands for a dim that a run computes. Errors: MISSING, DIM, SYMBOL. */
adze_status adze_session_output_dims(adze_session *session, uint32_t index, int64_t *out_dims);
adze_status adze_session_memory(adze_session *session, uint64_t *out_bytes);

/* Checks everything and takes the memory that a run needs; keeps it while shapes stay the same.
 * Errors: MISSING, DIM, SYMBOL, RANK, DTYPE, ARGUMENT, NO_MEMORY. */
adze_status adze_session_bind(adze_session *session);
/* Runs once; binds first if inputs or outputs changed. Blocks until done. Results do not depend on
 * the number of threads. The floating-point state is the caller's again on return. Errors: those of
 * bind, and what a step reports: VALUE, UNSUPPORTED, NO_MEMORY. */
adze_status adze_session_run(adze_session *session);
/* Output of the last run, or after bind where its memory will be. Valid until the next set_*, bind
 * or run. */
adze_status adze_session_output(adze_session *session, uint32_t index, adze_value *out_value);

/* ---- profile.c ---- */

typedef struct adze_step_profile {
    const char *name;
    const char *nodes; /* ONNX node names, separated by '\n' */
    uint32_t flags;    /* ADZE_STEP_* */
    uint32_t reserved;
    int64_t macs;  /* of one run; -1 = none or unknown */
    int64_t bytes; /* -1 = unknown */
    uint64_t runs; /* since profiling began */
    uint64_t last_ns, min_ns, total_ns;
} adze_step_profile;

/* Starts (clearing old figures) or stops timing each step; costs two clock readings a step. */
adze_status adze_session_set_profile(adze_session *session, bool on);
/* Figures of step `index`. ARGUMENT if there is no such step, or before a bind. */
adze_status adze_session_profile(adze_session *session, uint32_t index,
                                 adze_step_profile *out_profile);

#ifdef __cplusplus
}
#endif
#endif
