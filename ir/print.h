/* What the files of the printer share. */
#ifndef ADZE_PRINT_H
#define ADZE_PRINT_H

#include "ir/ir_private.h"
#include "ir/text.h"

/* `{a = 1, …}` with a space before it; nothing where all are defaults. */
void adze_print_slots(adze_text *text, adze_context *context, const adze_op_row *row,
                      const adze_slot *slots);
void adze_print_free_attrs(adze_text *text, const adze_attr_list *list);

/* ---- Names (print_names.c) ---- */

/* The names that the values of one function have in text: unique ones, and numbers in the order of the text. */
typedef struct adze_names {
    adze_arena arena;
    adze_table names; /* value -> text with sigil */
    adze_table taken; /* name -> suffix_count */
    adze_table types; /* type -> text: values are many, their types few */
    adze_text scratch;
    uint32_t next_number;
} adze_names;

/* `names` is zeroed. */
void adze_names_open(adze_names *names, const adze_region *body);
void adze_names_close(adze_names *names);
/* With the sigil; constants too. A value of another function prints as %?. */
void adze_names_print(adze_names *names, adze_text *text, const adze_ir_value *value);
void adze_names_print_type(adze_names *names, adze_text *text, const adze_type *type);

/* Where large constants go. */
typedef struct adze_blob_writer {
    const adze_print_options *options;
    int file; /* open blob file, -1 = none yet; under another name until it is complete */
    char *temporary;
    uint64_t offset; /* its end */
    char *folder;    /* real path that blob paths are relative to, NULL = any */
} adze_blob_writer;

/* One line `const @name: type = …`. False after an error in reading or writing the bytes. */
bool adze_print_const(adze_text *text, const adze_const *constant, adze_blob_writer *blobs);
bool adze_blob_writer_open(adze_blob_writer *blobs, adze_context *context,
                           const adze_print_options *options);
/* Gives the blob file its name if `keep`, else removes it. */
bool adze_blob_writer_close(adze_blob_writer *blobs, adze_context *context, bool keep);

#endif
