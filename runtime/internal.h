/* What the runtime's own files share; not installed. */
#ifndef ADZE_RUNTIME_INTERNAL_H
#define ADZE_RUNTIME_INTERNAL_H

#include <adze_runtime.h>
#include <stdarg.h>
#include <stdatomic.h>

enum {
    ERROR_SIZE = 512,
    MAX_THREADS = 1024,
    MAX_DIM_DEPTH = 64,
    MAX_DIM_CODE = 1 << 20,
    MAX_DIM_TEXT_CODE = 512,
    VALUE_SLACK = 64 /* bytes behind a value: code may read a vector past its end */
};

struct adze_model {
    const adze_artifact *artifact;
    const adze_artifact_level *level;
    adze_allocator allocator;
    const char *weights;
    void *mapping; /* of weights_file, or NULL */
    size_t mapping_bytes;
    void *library; /* what unload takes, or NULL */
    void (*unload)(void *library);
    adze_extension_fn *extension; /* of sessions that bring none, or NULL */
    adze_io_info *io; /* inputs, then outputs; one block with their dims and texts */
    size_t io_bytes;
    char error[ERROR_SIZE];
};

/* A piece of memory that a session took; its payload starts 64 bytes after the header. That of a late sequence holds
 * its items, and for each of them the block that its contents lie in, behind each other; several sequences may hold
 * one. */
typedef struct block {
    struct block *next;
    uint64_t capacity, used;
    uint64_t holders; /* beside the first one */
    uint64_t n_parts; /* items */
} block;

/* One input or output of a session. */
typedef struct slot {
    const adze_io_info *info;
    const uint32_t *dim_index; /* indices into session.dims */
    int64_t dims[ADZE_MAX_RANK];
    void *data;
    const uint32_t *type; /* as in adze_artifact.io_types */
    adze_value value;     /* where `type` is set */
    uint64_t bytes;       /* of the tensor, known once bound */
    bool is_set;    /* the caller gave it */
    bool is_late;   /* an output whose dims or items a run computes */
    bool is_ready;  /* late and handed over by the last run */
    uint32_t rank;  /* of `dims` */
    void *owned;    /* an output's memory when the caller gave none */
    uint64_t owned_bytes;
} slot;

/* Memory of a late value. */
typedef struct late {
    block *memory;
    uint64_t room; /* bytes from the value's data to the end of the memory */
    int64_t dims[ADZE_MAX_RANK];
} late;

typedef struct step_times {
    uint64_t runs, last_ns, min_ns, total_ns;
} step_times;

/* A step that went back to one before it, which it does at the end of each iteration of a loop. */
typedef struct step_back {
    uint64_t times;
    uint32_t to;
} step_back;

struct adze_session {
    const adze_model *model;
    adze_allocator allocator;
    adze_pool *own_pool;
    adze_parallel_for_fn *parallel_for; /* NULL = no helpers */
    void *parallel_self;
    uint32_t n_workers;
    uint32_t fp_control; /* floating-point control word of a run */
    uint64_t max_memory, memory;

    slot *slots; /* inputs, then outputs */
    void **io;   /* their data, as the frame shows it */
    int64_t *symbols, *dims;
    step_times *times;
    step_back *back; /* of each step, in this run */
    adze_value *late_values; /* as the frame shows them */
    late *late;
    bool *is_late_dim; /* of each of `dims`: a step of the run gives a symbol in it its value */
    block *own_scratch; /* where a run needed more than bind foresaw */
    bool has_shapes, is_bound, has_run, is_profiled;

    uint64_t arena_bytes; /* that the shapes ask for, with scratch as far as it is known before a run */
    void *given_arena;
    uint64_t given_arena_bytes;
    char *own_arena;
    uint64_t own_arena_bytes;
    block *kept;             /* from env->output, to the end of the next run */
    block *scratch;          /* from env->scratch, newest first */
    block *spare;            /* done with; `used` is the number of the run in which that was */
    uint64_t n_runs;
    uint64_t spare_bytes, most_used; /* in `spare`; most of `memory` that was in use at once, which bounds those */
    uint64_t scratch_wanted; /* most that one step took so far */

    adze_env env;
    adze_frame frame;
    uint32_t next; /* step, as the frame shows it */
    atomic_int step_error; /* status that env->error was first called with in this step */
    char step_message[ERROR_SIZE];
    char error[ERROR_SIZE];
};

/* memory.c */
extern const adze_allocator adze_rt_malloc;
void *adze_rt_model_alloc(const adze_allocator *a, size_t bytes, size_t alignment);
/* Counted against the session's bound; 64-byte aligned. NULL if there is no memory. */
void *adze_rt_session_alloc(adze_session *s, uint64_t bytes);
void adze_rt_session_free(adze_session *s, void *memory, uint64_t bytes);
/* At least `bytes`, of a spare block where one fits; NULL: there is no memory. */
block *adze_rt_block_create(adze_session *s, uint64_t bytes);
/* A list that nobody reads any more: its blocks serve until the end of the next run, as far as they are no more than
 * what was ever in use: a loop whose values grow is done with more and more. Memory that went back to the system at
 * once would cost a page fault for each page of an output in every run. */
void adze_rt_block_list_spare(adze_session *s, block **list);
/* Frees what was spare throughout the last run. */
void adze_rt_spare_begin(adze_session *s);
void adze_rt_block_list_free(adze_session *s, block **list);
/* One holder less; the last one frees the block, and lets go of its parts. NULL is allowed. */
void adze_rt_block_release(adze_session *s, block *b);
static inline char *block_data(block *b) { return (char *)b + 64; }
static inline block **block_parts(block *b)
{
    return (block **)(void *)(block_data(b) + b->n_parts * sizeof(adze_value));
}
/* Bytes that the data of such elements must be a multiple of. */
size_t adze_rt_alignment(uint32_t dtype);
/* False on overflow, else *out = bytes of a tensor with these dims. */
bool adze_rt_tensor_bytes(uint32_t dtype, uint32_t rank, const int64_t *dims, uint64_t *out);
static inline uint64_t align64(uint64_t n) { return (n + 63) & ~UINT64_C(63); }

/* status.c: writes the text and gives the status back. */
__attribute__((format(printf, 3, 4))) adze_status
adze_rt_fail(char error[ERROR_SIZE], adze_status status, const char *format, ...);

/* cpu.c */
adze_status adze_rt_cpu_enable(uint64_t features);
uint32_t adze_rt_fp_control(bool keep_denormals);
uint32_t adze_rt_fp_enter(uint32_t control);
void adze_rt_fp_leave(uint32_t saved);

/* dims.c */
bool adze_rt_dim_is_valid(const adze_artifact_dim *dim, uint32_t n_symbols);
bool adze_rt_dim_eval(const adze_artifact_dim *dim, const int64_t *symbols, int64_t *out);
/* The fixed value of a dim without symbols, else -1. */
int64_t adze_rt_dim_fixed(const adze_artifact_dim *dim);
bool adze_rt_dim_is_symbol(const adze_artifact_dim *dim, int64_t *out_symbol);
/* Like snprintf: the length needed without the zero byte. Very long expressions print as "...". */
size_t adze_rt_dim_text(const adze_artifact_dim *dim, const adze_artifact_symbol *symbols,
                        char *out, size_t size);

/* validate.c */
adze_status adze_rt_artifact_check(const adze_artifact *artifact, char error[ERROR_SIZE]);

/* model.c: the steps after the descriptor is at hand. */
adze_status adze_rt_model_create(const adze_open_options *options, adze_model **out_model);
adze_status adze_rt_model_finish(adze_model *model, const adze_artifact *artifact,
                                 const adze_open_options *options, const char *folder,
                                 size_t folder_size);

/* weights.c */
adze_status adze_rt_weights_open(adze_model *model, const char *folder, size_t folder_size);
void adze_rt_weights_close(adze_model *model);

/* elf.c: FORMAT, ABI or FILE unless `path` is a shared object with a descriptor that we can read.
 */
adze_status adze_rt_elf_check(const char *path, char error[ERROR_SIZE]);

/* pool.c */
adze_status adze_rt_pool_create(uint32_t n_threads, const adze_allocator *allocator,
                                adze_pool **out_pool);

/* bind.c */
adze_status adze_rt_session_shapes(adze_session *s);

/* nested.c: OK if the value has that type, as adze_artifact.io_types says it, and can be read as far as pointers and
 * sizes tell; else DTYPE, RANK, DIM, ALIGNMENT or ARGUMENT, and *out_why says what is wrong. */
adze_status adze_rt_check_type(const adze_value *value, const uint32_t *type, const char **out_why);
/* A copy with all items and the bytes of all strings in one block; NULL if there is no memory or it is absurd. */
block *adze_rt_copy(adze_session *s, const adze_value *from, adze_value *out);

/* share.c: a copy of a sequence whose items stay where they are as far as late values hold them. NULL as above. */
block *adze_rt_share(adze_session *s, const adze_value *from, adze_value *out);

/* late.c */
void adze_rt_late_init(adze_session *s);
void adze_rt_late_free(adze_session *s);

/* env.c */
void adze_rt_env_init(adze_session *s);
void adze_rt_env_run_begin(adze_session *s);
void adze_rt_env_step_begin(adze_session *s);

#endif
