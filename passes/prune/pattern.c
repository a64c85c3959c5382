/* Patterns: what is removed together. */
#include "passes/prune/numerics.h"

#include <math.h>

static bool take_number(const char **at, size_t *out)
{
    size_t n = 0;
    const char *first = *at;
    while (**at >= '0' && **at <= '9' && n <= PRUNE_MAX_SIDE) n = 10 * n + (size_t)(*(*at)++ - '0');
    *out = n;
    return *at > first && n >= 1 && n <= PRUNE_MAX_SIDE;
}

bool prune_pattern_parse(const char *text, prune_pattern *out)
{
    *out = (prune_pattern){.rows = 1, .cols = 1};
    if (!*text) return true;
    size_t first, second;
    if (!take_number(&text, &first)) return false;
    char between = *text;
    if (between != ':' && between != 'x') return false;
    text++;
    if (!take_number(&text, &second) || *text) return false;
    if (between == 'x') {
        out->rows = first;
        out->cols = second;
        return true;
    }
    out->n = first;
    out->m = second;
    return first < second;
}

bool prune_divides(const prune_layer *layer)
{
    const prune_pattern *p = &layer->pattern;
    return layer->cols % (p->m ? p->m : p->cols) == 0 && layer->rows / layer->groups % p->rows == 0;
}

size_t prune_units(const prune_layer *layer)
{
    return layer->rows / layer->pattern.rows * (layer->cols / layer->pattern.cols);
}

prune_pattern prune_pattern_part(prune_pattern pattern, double part)
{
    if (!pattern.m) return pattern;
    size_t gone = (size_t)((double)(pattern.m - pattern.n) * part + 1e-9);
    pattern.n = pattern.m - gone;
    return pattern;
}
