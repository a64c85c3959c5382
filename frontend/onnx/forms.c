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
    size_t low = 0, high = sizeof forms / sizeof *forms; /* the table is sorted by name */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(forms[middle].op, op) < 0) low = middle + 1;
        else high = middle;
    }
    for (size_t i = low; i < sizeof forms / sizeof *forms && !strcmp(forms[i].op, op); i++) {
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

static bool is_many(char mark) { return mark == '*' || mark == '+'; }

uint32_t adze_onnx_form_inputs(const adze_onnx_form *form)
{
    uint32_t n = 0;
    for (const char *at = form->signature; *at != '>'; at++) {
        if (is_many(*at)) return UINT32_MAX;
        n += *at != '?';
    }
    return n;
}

uint32_t adze_onnx_form_least(const adze_onnx_form *form)
{
    uint32_t n = 0, least = 0;
    for (const char *at = form->signature; *at != '>'; at++) {
        if (*at == '?' || is_many(*at)) continue;
        n++;
        if (at[1] != '?' && at[1] != '*') least = n;
    }
    return least;
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
            bool many = at + 1 < stop && is_many(at[1]);
            if (at == stop) return false;
            if (!bind(&b, *at, any && many, types[i])) return false;
            if (!many) at += at + 1 < stop && at[1] == '?' ? 2 : 1;
        }
    }
    return true;
}
