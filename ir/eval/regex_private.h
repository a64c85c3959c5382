/* What the parser and the matcher of regular expressions share. Private. */
#ifndef ADZE_REGEX_PRIVATE_H
#define ADZE_REGEX_PRIVATE_H

#include "eval.h"
#include "regex.h"

typedef enum regex_kind {
    REGEX_EMPTY,
    REGEX_SET,    /* one character of a set */
    REGEX_BEGIN,  /* of the text */
    REGEX_END,
    REGEX_LINE_BEGIN, /* of the text or behind the end of a line */
    REGEX_LINE_END,   /* of the text or ahead of the end of a line */
    REGEX_WORD,   /* at the edge of a word */
    REGEX_INSIDE, /* not at one */
    REGEX_CAT,    /* a, then b */
    REGEX_ALT,    /* a or b */
    REGEX_REPEAT  /* a, min to max times; max < 0 = without end */
} regex_kind;

typedef struct regex_node {
    regex_kind kind;
    int32_t a, b, min, max;
    uint32_t first, count; /* ranges of a set */
    bool negated;
} regex_node;

typedef struct regex_range {
    uint32_t low, high;
} regex_range;

typedef struct regex_tree {
    const adze_env *env;
    regex_node *nodes;
    regex_range *ranges;
    uint32_t n_nodes, n_ranges, nodes_capacity, ranges_capacity;
    const char *why; /* what is wrong; NULL = nothing */
} regex_tree;

/* An array of `count` elements of `size` bytes that is full, with twice its room; NULL if memory is out. */
static inline void *regex_grow(const adze_env *env, const void *old, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t room = count ? 2 * count : 64;
    void *grown = ev_scratch(env, room, size);
    if (!grown) return NULL;
    if (count) memcpy(grown, old, count * size);
    *capacity = room;
    return grown;
}

/* The root, or -1 and tree->why. */
int32_t regex_parse(regex_tree *tree, adze_string pattern);
/* The next character of UTF-8, and its bytes; a byte that is none stands for U+FFFD. */
uint32_t regex_decode(adze_string text, uint64_t at, uint32_t *out_bytes);
bool regex_is_word(uint32_t c);

#endif
