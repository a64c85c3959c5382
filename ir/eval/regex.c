/* Regular expressions: trees become automata, which run through the text once with all their states (Thompson 1968). */
#include "regex_private.h"

enum { MAX_STATES = 1 << 17, MAX_VISITS = 1 << 26 };

typedef enum state_kind { MATCH, SPLIT, STEP, TEST } state_kind;

typedef struct state {
    state_kind kind;
    uint32_t node; /* of the tree: the set of a STEP, the kind of a TEST */
    uint32_t next, other;
} state;

struct adze_regex {
    regex_tree tree;
    state *states;
    uint32_t n_states, capacity, begin;
    uint32_t visits; /* of nodes of the tree while states are made of them */
    uint64_t before; /* bytes and ends of texts that were matched */
    uint64_t *seen;  /* for matching: per state 1 + the place where it was entered last, counted through all texts */
    uint32_t *lists; /* for matching: 4 n_states + 1 */
};

bool regex_is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

uint32_t regex_decode(adze_string text, uint64_t at, uint32_t *out_bytes)
{
    const uint8_t *s = (const uint8_t *)text.data + at;
    uint64_t left = text.size - at;
    uint32_t n = s[0] < 0x80                   ? 1
                 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                               : 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    bool ok = n > 0 && n <= left;
    for (uint32_t i = 1; ok && i < n; i++) {
        ok = (s[i] & 0xC0) == 0x80;
        c = c << 6 | (s[i] & 0x3F);
    }
    *out_bytes = ok ? n : 1;
    return ok ? c : 0xFFFD;
}

/* ---- The automaton ---- */

/* States are made from the end: each knows what follows it. 0 is the match; false with tree.why. */
static bool new_state(adze_regex *r, state s, uint32_t *out)
{
    if (r->n_states == MAX_STATES) return r->tree.why = "an expression that is too large", false;
    if (r->n_states == r->capacity) {
        state *states = regex_grow(r->tree.env, r->states, r->n_states, &r->capacity, sizeof *states);
        if (!states) return r->tree.why = "memory is out", false;
        r->states = states;
    }
    r->states[r->n_states] = s;
    *out = r->n_states++;
    return true;
}

static bool compile(adze_regex *r, int32_t node, uint32_t next, uint32_t *out);

static bool compile_repeat(adze_regex *r, const regex_node *n, uint32_t next, uint32_t *out)
{
    uint32_t body, tail = next;
    if (n->max < 0) {
        if (!new_state(r, (state){.kind = SPLIT, .other = next}, &tail) || !compile(r, n->a, tail, &body)) return false;
        r->states[tail].next = body;
    }
    for (int32_t i = n->min; i < n->max; i++)
        if (!compile(r, n->a, tail, &body) || !new_state(r, (state){.kind = SPLIT, .next = body, .other = next}, &tail))
            return false;
    for (int32_t i = 0; i < n->min; i++) {
        if (!compile(r, n->a, tail, &body)) return false;
        if (body == tail) break; /* of nothing once is as often as wanted; repetitions of it in each other multiply */
        tail = body;
    }
    *out = tail;
    return true;
}

/* Recursion follows groups and repetitions, whose depth the parser bounds; sequences are walked from their end. */
static bool compile(adze_regex *r, int32_t node, uint32_t next, uint32_t *out)
{
    if (r->visits++ == MAX_VISITS) return r->tree.why = "an expression that is too large", false;
    for (; r->tree.nodes[node].kind == REGEX_CAT; node = r->tree.nodes[node].a)
        if (!compile(r, r->tree.nodes[node].b, next, &next)) return false;
    const regex_node n = r->tree.nodes[node];
    switch (n.kind) {
    case REGEX_EMPTY:
        *out = next;
        return true;
    case REGEX_SET:
        return new_state(r, (state){.kind = STEP, .node = (uint32_t)node, .next = next}, out);
    case REGEX_REPEAT:
        return compile_repeat(r, &n, next, out);
    case REGEX_ALT:
        break;
    default:
        return new_state(r, (state){.kind = TEST, .node = (uint32_t)node, .next = next}, out);
    }
    uint32_t one, other;
    if (!compile(r, n.b, next, &other)) return false;
    for (node = n.a; r->tree.nodes[node].kind == REGEX_ALT; node = r->tree.nodes[node].a)
        if (!compile(r, r->tree.nodes[node].b, next, &one) ||
            !new_state(r, (state){.kind = SPLIT, .next = one, .other = other}, &other))
            return false;
    return compile(r, node, next, &one) && new_state(r, (state){.kind = SPLIT, .next = one, .other = other}, out);
}

adze_regex *adze_regex_create(const adze_env *env, adze_string pattern, const char **out_why)
{
    adze_regex *r = ev_scratch(env, 1, sizeof *r);
    uint32_t match;
    *out_why = "memory is out";
    if (!r) return NULL;
    *r = (adze_regex){.tree = {.env = env}};
    int32_t root = regex_parse(&r->tree, pattern);
    if (root < 0 || !new_state(r, (state){.kind = MATCH}, &match) || !compile(r, root, match, &r->begin)) {
        *out_why = r->tree.why;
        return NULL;
    }
    r->seen = ev_scratch(env, r->n_states, sizeof *r->seen);
    r->lists = ev_scratch(env, 4 * (uint64_t)r->n_states + 1, sizeof *r->lists);
    if (!r->seen || !r->lists) return NULL;
    memset(r->seen, 0, r->n_states * sizeof *r->seen);
    return r;
}

/* ---- Matching ---- */

typedef struct run {
    const adze_regex *regex;
    adze_string text;
    uint64_t at, before;
    uint64_t *seen;
    uint32_t *stack, *now, *then;
    uint32_t n_now, n_then;
} run;

static bool holds(const run *m, regex_kind kind)
{
    bool begin = m->at == 0, end = m->at == m->text.size;
    if (kind == REGEX_BEGIN) return begin;
    if (kind == REGEX_END) return end;
    if (kind == REGEX_LINE_BEGIN) return begin || m->text.data[m->at - 1] == '\n';
    if (kind == REGEX_LINE_END) return end || m->text.data[m->at] == '\n';
    bool before = !begin && regex_is_word((uint8_t)m->text.data[m->at - 1]);
    bool behind = !end && regex_is_word((uint8_t)m->text.data[m->at]);
    return (before != behind) == (kind == REGEX_WORD);
}

/* Enters a state and all that follow without a character. */
static void enter(run *m, uint32_t first, uint32_t *list, uint32_t *count)
{
    uint32_t depth = 0;
    m->stack[depth++] = first;
    while (depth) {
        uint32_t at = m->stack[--depth];
        const state *s = &m->regex->states[at];
        if (m->seen[at] == m->before + m->at + 1) continue;
        m->seen[at] = m->before + m->at + 1;
        if (s->kind == STEP || s->kind == MATCH) list[(*count)++] = at;
        if (s->kind == SPLIT) m->stack[depth++] = s->other;
        if (s->kind == SPLIT || (s->kind == TEST && holds(m, m->regex->tree.nodes[s->node].kind)))
            m->stack[depth++] = s->next;
    }
}

static bool in_set(const adze_regex *r, uint32_t node, uint32_t c)
{
    const regex_node *n = &r->tree.nodes[node];
    const regex_range *ranges = r->tree.ranges + n->first;
    uint32_t low = 0, high = n->count; /* the first range that ends at c or behind it */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (ranges[middle].high < c) low = middle + 1;
        else high = middle;
    }
    return (low < n->count && c >= ranges[low].low) != n->negated;
}

static bool match(run *m)
{
    enter(m, m->regex->begin, m->now, &m->n_now);
    while (m->at < m->text.size && m->n_now) {
        uint32_t bytes, c = regex_decode(m->text, m->at, &bytes), *list = m->now;
        m->at += bytes;
        m->n_then = 0;
        for (uint32_t i = 0; i < m->n_now; i++) {
            const state *s = &m->regex->states[list[i]];
            if (s->kind == STEP && in_set(m->regex, s->node, c)) enter(m, s->next, m->then, &m->n_then);
        }
        m->now = m->then;
        m->then = list;
        m->n_now = m->n_then;
    }
    return m->n_now && m->seen[0] == m->before + m->text.size + 1;
}

bool adze_regex_matches(adze_regex *regex, adze_string text)
{
    size_t n = regex->n_states;
    run m = {.regex = regex, .text = text, .before = regex->before, .seen = regex->seen, .stack = regex->lists};
    regex->before += text.size + 1;
    m.now = m.stack + 2 * n + 1; /* a state waits at most twice */
    m.then = m.now + n;
    return match(&m);
}
