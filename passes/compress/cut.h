/* One layer as a module of its own. */
#ifndef ADZE_COMPRESS_CUT_H
#define ADZE_COMPRESS_CUT_H

#include <adze/compress.h>
#include <adze/registry.h>

/* main(x) gives what the layer's first op makes of its input x, in that format and with the dims of `sample`; the rest
 * is gone. The format's plan goes through a file at `plan_path`. *out_cut is NULL where the op reads more than one
 * value that is no constant. False after an error. */
bool layer_cut(adze_registry *registry, const adze_module *module, const adze_layer *layer, adze_format format,
               const adze_layer_settings *settings, const char *plan_path, const adze_value *sample,
               adze_module **out_cut);
/* The inputs of all layers as results of main, in order; NULL after an error. */
adze_module *layer_inputs(const adze_module *module, const adze_layer *layers, uint32_t n_layers);

#endif
