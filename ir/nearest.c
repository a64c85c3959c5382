/* The nearest of some names, for "did you mean". */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <adze/row.h>
#include <adze/text.h>

enum { MAX_NAME = 64, ALMOST = 1 };

/* Case does not matter, nor which of - and _ stands between words. */
static char plain(char c) { return c == '_' ? '-' : (char)tolower((unsigned char)c); }

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours from `a` to `b`, both shorter than MAX_NAME. */
static uint32_t edits(const char *a, const char *b)
{
    uint32_t rows[3][MAX_NAME + 1], n = (uint32_t)strlen(b), i = 0;
    uint32_t *above2 = rows[0], *above = rows[1], *row = rows[2];
    for (uint32_t k = 0; k <= n; k++) row[k] = k;
    for (; a[i]; i++) {
        uint32_t *oldest = above2;
        above2 = above, above = row, row = oldest;
        row[0] = i + 1;
        for (uint32_t k = 0; k < n; k++) {
            bool same = plain(a[i]) == plain(b[k]);
            row[k + 1] = least(least(above[k + 1], row[k]) + 1, above[k] + !same);
            if (i && k && plain(a[i]) == plain(b[k - 1]) && plain(a[i - 1]) == plain(b[k]))
                row[k + 1] = least(row[k + 1], above2[k - 1] + 1);
        }
    }
    return row[n];
}

static bool begins(const char *name, const char *with)
{
    while (*with && plain(*name) == plain(*with)) name++, with++;
    return !*with;
}

void adze_nearest_offer(adze_nearest *nearest, const char *name)
{
    size_t n = strlen(nearest->wanted);
    if (n >= MAX_NAME || strlen(name) >= MAX_NAME) return;
    uint32_t distance = edits(nearest->wanted, name), bound = n < 3 ? ALMOST : ((uint32_t)n + 2) / 3;
    if (n > 2 && begins(name, nearest->wanted)) distance = ALMOST;
    if (distance > bound || (nearest->name && distance >= nearest->distance)) return;
    nearest->name = name;
    nearest->distance = distance;
}

void adze_nearest_offer_ops(adze_nearest *nearest, const adze_context *context)
{
    for (uint32_t i = 0; i < adze_row_count(context); i++) adze_nearest_offer(nearest, adze_row_get(context, i)->name);
}

const char *adze_nearest_ask(const adze_nearest *nearest, char *buffer, size_t size)
{
    if (!nearest->name) return "";
    snprintf(buffer, size, "; did you mean '%s'?", nearest->name);
    return buffer;
}
