#ifndef IR_SCALE_MODEL_H
#define IR_SCALE_MODEL_H

#include <adze/ir.h>

/* Appends a module of at least that many ops; how many it has. */
uint32_t model_text(adze_text *text, uint32_t ops);

#endif
