/* Which op ONNX has at which opset, from the table forms.def. */
#include "export.h"

#include <stdio.h>
#include <string.h>

static const adze_onnx_form forms[] = {
#define FORM(op, since, signature, attributes, a, b, c, d) {op, since, signature, attributes, {a, b, c, d}},
#include "forms.def"
};

const adze_onnx_form *adze_onnx_form_find(const char *op, int64_t opset, int32_t *out_first)
{
    const adze_onnx_form *found = NULL;
    int32_t first = 0;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i].op, op) != 0) continue;
        if (!first) first = forms[i].since;
        if (forms[i].since <= opset) found = &forms[i];
    }
    if (out_first) *out_first = first;
    return found;
}

bool adze_onnx_form_has(const adze_onnx_form *form, const char *attribute)
{
    char word[80];
    int n = snprintf(word, sizeof word, " %s ", attribute);
    return n > 0 && (size_t)n < sizeof word && strstr(form->attributes, word);
}

uint32_t adze_onnx_form_inputs(const adze_onnx_form *form)
{
    size_t n = strcspn(form->signature, ">");
    return n && form->signature[n - 1] == '*' ? UINT32_MAX : (uint32_t)n;
}

/* Which element type each letter stands for, as far as it is known. */
typedef struct binding {
    const adze_onnx_form *form;
    adze_dtype dtype[ADZE_ONNX_LETTERS];
} binding;

static bool bind(binding *b, char letter, bool varies, adze_dtype dtype)
{
    uint32_t at = (uint32_t)(letter - 'A');
    if (dtype == ADZE_DTYPE_NONE || at >= ADZE_ONNX_LETTERS) return true;
    uint32_t allowed = b->form->dtypes[at];
    if (allowed && !(allowed >> (dtype - 1) & 1)) return false;
    if (!varies && b->dtype[at] != ADZE_DTYPE_NONE && b->dtype[at] != dtype) return false;
    b->dtype[at] = dtype;
    return true;
}

bool adze_onnx_form_takes(const adze_onnx_form *form, const adze_dtype *in, uint32_t n_in, const adze_dtype *out,
                          uint32_t n_out)
{
    binding b = {.form = form};
    const char *end = strchr(form->signature, '>');
    for (int side = 0; side < 2; side++) {
        const char *at = side ? end + 1 : form->signature, *stop = side ? at + strlen(at) : end;
        const adze_dtype *types = side ? out : in;
        uint32_t n = side ? n_out : n_in;
        /* what branches give and loops carry may be of any kind, each its own */
        bool any = !strcmp(form->op, "If") || !strcmp(form->op, "Loop");
        for (uint32_t i = 0; i < n; i++) {
            bool many = at + 1 < stop && at[1] == '*';
            if (at == stop) return false;
            if (!bind(&b, *at, any && many, types[i])) return false;
            if (!many) at++;
        }
    }
    return true;
}
