/* Arrays in, arrays out: what run, bench, check and eval share.
 *
 * A *device* runs one model: the reference (the imported module, op by op) or compiled code. A *feed*
 * holds one value for each input, read from files or made up from the inputs' types.
 * Functions that return false have reported an error to the work's context.
 */
#ifndef ADZE_FEED_H
#define ADZE_FEED_H

#include "command.h"

#include <adze_io.h>

/* One input or output. Symbolic dims are adze_dim symbols in both kinds of device. */
typedef struct adze_port {
    const char *name;
    const adze_type *type;
} adze_port;

typedef enum adze_device_kind {
    ADZE_DEVICE_REFERENCE, /* the model as imported */
    ADZE_DEVICE_MEANT,     /* what LOSSY passes of --passes or -O made of it: compiled code must keep its results */
    ADZE_DEVICE_LOWERED,   /* the reference on what --passes or -O made of the model */
    ADZE_DEVICE_COMPILED,  /* an artifact, or the model compiled for --target */
    ADZE_DEVICE_DESCRIBED  /* an artifact to look at, which this CPU may not be able to run */
} adze_device_kind;

/* Exactly one of module and model is set. */
typedef struct adze_device {
    adze_work *work;
    const char *path;
    adze_module *module;
    adze_model *model;
    adze_session *session;
    adze_pool *pool;
    adze_port *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    adze_value *results; /* of the last run */
    bool lossy; /* MEANT: it is not the model as imported */
    adze_observer *observe; /* set by the caller: sees every op of a reference or lowered device */
    void *observe_self;
} adze_device;

/* What run takes: COMPILED for an artifact and with --target, LOWERED with --passes or -O,
 * else REFERENCE. */
adze_device_kind adze_device_choose(const adze_common *common, const char *path);
/* `common->threads`: 1 = the caller's only, 0 = one per CPU. Close the device either way. */
bool adze_device_open(adze_device *device, adze_work *work, const adze_common *common, const char *path,
                      adze_device_kind kind);
/* The same for a module, which it takes and changes; `path` stands for it in messages. */
bool adze_device_open_module(adze_device *device, adze_work *work, const adze_common *common, adze_module *module,
                             const char *path, adze_device_kind kind);
void adze_device_close(adze_device *device);
/* `inputs` has n_inputs values. *out_results (n_outputs values) belongs to the device and is valid
 * until its next run or close. */
bool adze_device_run(adze_device *device, const adze_value *inputs, const adze_value **out_results);

/* Bytes of arena and scratch that the last run of compiled code took. */
bool adze_device_memory(adze_device *device, uint64_t *out_bytes);

/* ---- Feeds ---- */

typedef struct adze_feed_flags {
    const char *inputs;     /* --inputs=x.npz */
    adze_flag_list singles; /* --input NAME=x.npy */
    int64_t seed;           /* --seed */
} adze_feed_flags;

#define ADZE_FEED_FLAGS(type, field)                                                                        \
    {"--inputs", "FILE.npz", "arrays named as the inputs", ADZE_FLAG_TEXT, offsetof(type, field.inputs)},   \
        {"--input", "NAME=FILE.npy", "one input; repeatable", ADZE_FLAG_LIST, offsetof(type, field.singles)}, \
    {                                                                                                       \
        "--seed", "N", "of random inputs, where none are given", ADZE_FLAG_INT, offsetof(type, field.seed)  \
    }

typedef struct adze_feed {
    uint32_t count;
    adze_array *arrays; /* own the memory */
    adze_value *values; /* the same for adze_device_run; dims and data lie in `arrays` */
    adze_text ones;     /* "B = S": symbolic dims that are 1 because nobody said what they are; empty: none */
} adze_feed;

/* Reads the files that the flags name; without any, makes random values: floats in [-1, 1), integers of
 * 32 and 64 bits 0 or 1 (they may be indices or masks), small integers of any value. Symbolic dims are
 * what --dim says, else 1. Free the feed either way. */
bool adze_feed_load(adze_feed *feed, const adze_device *device, const adze_common *common,
                    const adze_feed_flags *flags);
/* After the run: one note where made-up inputs have symbolic dims of 1; if the run failed, with what to try. */
void adze_feed_tell(const adze_feed *feed, const adze_device *device, bool ok);
void adze_feed_free(adze_feed *feed);
/* Reads entry `index` of an archive, held to the memory bound; false after an error. */
bool adze_feed_read(adze_work *work, const adze_npz *npz, const char *path, uint32_t index, adze_array *out);
/* Makes `array` fit `port`: element type (adze_array_retype), rank and constant dims. `from` names the
 * file in the message. For arrays with a leading axis of samples, retype alone is the thing. */
bool adze_array_fit(adze_work *work, adze_array *array, const adze_port *port, const char *from);
/* A borrowed view, both ways; `value` must be a tensor. */
adze_value adze_array_value(const adze_array *array);
adze_array adze_value_array(const char *name, const adze_value *value);

#endif
