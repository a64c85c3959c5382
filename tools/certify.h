/* adze opt --certify, --bisect and --rewrite-limit: what passes do to the outputs, and which rewrite does it. */
#ifndef ADZE_TOOLS_CERTIFY_H
#define ADZE_TOOLS_CERTIFY_H

#include "feed.h"

#include <adze/certify.h>

typedef struct adze_certify_flags {
    const char *inputs; /* NULL = not asked for, "" = made inputs */
    double bound;       /* 0 = the usual one */
    int64_t seed;
    bool bisect;
} adze_certify_flags;

#define ADZE_CERTIFY_FLAGS(type, field)                                                                            \
    {"--certify", "FILE.npz", "fail a pass that does more to the outputs, on the reference, than it declares",     \
     ADZE_FLAG_MAYBE, offsetof(type, field.inputs)},                                                               \
        {"--certify-bound", "X", "how far FAST passes may go, of an output's largest magnitude (default 2e-5)",    \
         ADZE_FLAG_NUMBER, offsetof(type, field.bound)},                                                           \
        {"--seed", "N", "of made inputs", ADZE_FLAG_INT, offsetof(type, field.seed)},                              \
    {                                                                                                              \
        "--bisect", NULL, "find the first pass, and in it the first rewrite, that --certify or the verifier fails", \
            ADZE_FLAG_BOOL, offsetof(type, field.bisect)                                                           \
    }

/* What the library is asked to do, and the inputs it is given. */
typedef struct adze_certifying {
    adze_certify_options options; /* `report` and `self` are the caller's to set */
    adze_feed feed;
    adze_device device; /* of a copy of the module, whose inputs the feed fills */
} adze_certifying;

/* Reads the inputs for `module`, which came from `path`. False after an error; end it either way. */
bool adze_certifying_begin(adze_certifying *c, adze_work *work, const adze_common *common,
                           const adze_certify_flags *flags, const adze_module *module, const char *path);
void adze_certifying_end(adze_certifying *c);
/* One row of the table, on stderr; its head before the first one. */
void adze_certificate_print(const adze_certificate *c);

/* The line of -v for a rewrite: "rewrite 12 (run 3): cse: merge: %5 = relu(%4) : f32[8]; ONNX nodes: act1". */
void adze_print_rewrite(const adze_rewrite_info *info);
/* The first line of an op's text, and its ONNX nodes as "a, b"; both may be empty. */
void adze_op_describe(const adze_op *op, adze_text *out_op, adze_text *out_nodes);

/* bisect.c: finds the first bad pass and rewrite and prints them to stdout. Changes the module. 0: nothing is bad; 1:
 * something is, or an error was reported. */
int adze_bisect(adze_work *work, adze_pipeline *pipeline, adze_module *module, const adze_run_options *run,
                const adze_certify_options *certify);

#endif
