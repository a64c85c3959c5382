/* Code that plug-ins bring for their ops and micro-kernels, by target and function. */
#include "ir/ir_private.h"

#include <string.h>

static bool is_same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool has_symbol(const adze_code *code, const char *symbol)
{
    for (const char *const *s = code->symbols; *s; s++)
        if (!strcmp(*s, symbol)) return true;
    return false;
}

/* LLVM bitcode begins with "BC" 0xC0DE, in a wrapper with 0x0B17C0DE; an object is an ELF file. */
static bool has_known_form(const adze_code *code)
{
    static const char *const magics[] = {"BC\xC0\xDE", "\xDE\xC0\x17\x0B", ("\x7F" "ELF")};
    const char *bytes = code->bytes, *end = code->end;
    if (!bytes || !end || end < bytes || end - bytes < 4) return false;
    for (int i = 0; i < 3; i++)
        if (!memcmp(bytes, magics[i], 4)) return true;
    return false;
}

static const char *contradiction(const adze_context *context, const adze_code *code)
{
    if (code->struct_size < sizeof *code) return "is shorter than this version's";
    if (!code->name || !*code->name) return "has no name";
    if (!code->target || !*code->target) return "has no target";
    if (!code->symbols || !*code->symbols) return "is for no function";
    if (!has_known_form(code)) return "is neither LLVM bitcode nor an ELF object";
    for (const adze_code_set *set = context->codes; set; set = set->next)
        for (const char *const *s = code->symbols; *s; s++)
            if (is_same(set->code->target, code->target) && is_same(set->code->level, code->level) &&
                has_symbol(set->code, *s))
                return "is for a function that has code already";
    return NULL;
}

bool adze_context_add_code(adze_context *context, const adze_code *code)
{
    const char *why = contradiction(context, code);
    if (why) return adze_error(adze_loc_unknown(context), "code '%s' %s", code->name ? code->name : "?", why);
    adze_code_set *set = ADZE_NEW(&context->arena, adze_code_set);
    *set = (adze_code_set){code, context->codes};
    context->codes = set;
    return true;
}

/* The code for one level; NULL = that for every level. */
static const adze_code *find(const adze_context *context, const char *target, const char *level, const char *symbol)
{
    for (const adze_code_set *set = context->codes; set; set = set->next)
        if (is_same(set->code->target, target) && is_same(set->code->level, level) && has_symbol(set->code, symbol))
            return set->code;
    return NULL;
}

const adze_code *adze_context_find_code(const adze_context *context, const char *target, const char *const *levels,
                                        const char *symbol)
{
    const adze_code *code = NULL;
    for (; levels && *levels && !code; levels++) code = find(context, target, *levels, symbol);
    return code ? code : find(context, target, NULL, symbol);
}
