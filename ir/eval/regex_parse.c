/* Regular expressions as trees. Source: RE2's syntax; groups capture nothing, since only whole matches are asked for.
 */
#include "regex_private.h"

#include "decimal.h"

#include <adze/digit.h>

enum { MAX_DEPTH = 200, MAX_REPEAT = 1000, MAX_PATTERN = 1 << 16, LAST = 0x10FFFF };

typedef struct parser {
    regex_tree *tree;
    adze_string text;
    uint64_t at;
    uint32_t depth;
    bool any_case, dot_all, lines; /* (?i), (?s) and (?m) */
    bool quoted;                   /* between \Q and \E */
} parser;

static int32_t parse_alternatives(parser *p);

static int32_t fail(parser *p, const char *why)
{
    if (!p->tree->why) p->tree->why = why;
    return -1;
}

/* "why: 'piece' at byte N", of `size` bytes of the pattern; without the piece if it has none or is no plain text. */
static int32_t fail_at(parser *p, uint64_t at, uint64_t size, const char *why)
{
    enum { MOST = 16, AROUND = 64 };
    const char *middle = ": '", *behind = "' at byte ", *place = behind + 1;
    char *text, *out;
    uint64_t n = 0;
    for (uint64_t i = 0; i < size; i++)
        if (size > MOST || p->text.data[at + i] < ' ' || p->text.data[at + i] > '~') size = 0;
    while (why[n]) n++;
    out = text = p->tree->why ? NULL : ev_scratch(p->tree->env, n + MOST + AROUND, 1);
    if (!text) return fail(p, why);
    while (*why) *out++ = *why++;
    while (size && *middle) *out++ = *middle++;
    for (uint64_t i = 0; i < size; i++) *out++ = p->text.data[at + i];
    for (const char *c = size ? behind : place; *c; c++) *out++ = *c;
    out[ev_i64_to_text((int64_t)at, true, out)] = 0;
    return fail(p, text);
}

static bool more(const parser *p) { return p->at < p->text.size; }
static char peek(const parser *p) { return more(p) ? p->text.data[p->at] : 0; }

/* Where the letter stands; NULL: nowhere. */
static const char *find(const char *letters, char c)
{
    while (*letters && *letters != c) letters++;
    return *letters ? letters : NULL;
}

static bool take(parser *p, const char *word)
{
    size_t n = 0;
    while (word[n]) n++;
    if (p->text.size - p->at < n || memcmp(p->text.data + p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

static int32_t new_node(parser *p, regex_node node)
{
    regex_tree *t = p->tree;
    if (t->n_nodes == t->nodes_capacity) {
        regex_node *nodes = regex_grow(t->env, t->nodes, t->n_nodes, &t->nodes_capacity, sizeof *nodes);
        if (!nodes) return fail(p, "memory is out");
        t->nodes = nodes;
    }
    t->nodes[t->n_nodes] = node;
    return (int32_t)t->n_nodes++;
}

/* ---- Sets ---- */

static bool add_range(parser *p, uint32_t low, uint32_t high)
{
    regex_tree *t = p->tree;
    if (t->n_ranges == t->ranges_capacity) {
        regex_range *ranges = regex_grow(t->env, t->ranges, t->n_ranges, &t->ranges_capacity, sizeof *ranges);
        if (!ranges) return fail(p, "memory is out") >= 0;
        t->ranges = ranges;
    }
    t->ranges[t->n_ranges++] = (regex_range){low, high};
    return true;
}

/* Not of ASCII, and a case of the letters s and k: the long s and the sign of the kelvin. */
static const uint32_t folded[] = {0x17F, 0x212A};

/* Has no character of these another case? False where that is not known without Unicode's tables. */
static bool caseless(uint32_t low, uint32_t high)
{
    /* ASCII; Hebrew to Myanmar; punctuation, signs of money; East Asian scripts, in two parts; emoji; more of those */
    static const regex_range blocks[] = {{0, 0x7F},        {0x590, 0x109F},    {0x2000, 0x20FF},  {0x2E80, 0xA63F},
                                         {0xAC00, 0xFAFF}, {0x1F000, 0x1F0FF}, {0x1F200, 0x3FFFF}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (low >= blocks[i].low && high <= blocks[i].high) return true;
    return false;
}

/* The characters of the item of the pattern that begins at `at`; with (?i) also those of the other case. */
static bool add(parser *p, uint64_t at, uint32_t low, uint32_t high)
{
    static const char twice[] = "sk";
    if (low > high) return fail_at(p, at, p->at - at, "a range that ends before it begins") >= 0;
    if (!add_range(p, low, high)) return false;
    if (p->any_case && !caseless(low, high))
        return fail_at(p, at, p->at - at, "an unsupported (?i) of letters that are not of ASCII") >= 0;
    for (uint32_t c = 'A'; p->any_case && c <= 'Z'; c++) {
        bool upper = c >= low && c <= high, lower = c + 32 >= low && c + 32 <= high;
        const char *more_cases = find(twice, (char)(c + 32));
        uint32_t third = more_cases ? folded[more_cases - twice] : 0;
        if (upper != lower && !add_range(p, upper ? c + 32 : c, upper ? c + 32 : c)) return false;
        if ((upper || lower) && third && !add_range(p, third, third)) return false;
    }
    return true;
}

/* A range, or if `negated` what lies between *from and it; behind it goes on from there. */
static bool add_part(parser *p, uint32_t low, uint32_t high, bool negated, uint32_t *from)
{
    bool ok = !negated ? add_range(p, low, high) : low <= *from || add_range(p, *from, low - 1);
    *from = high + 1;
    return ok;
}

/* The ranges of pairs of characters. `negated`: all others; pairs are in order. A pair that begins at 1 begins at 0,
 * which a list that ends in 0 cannot say. */
static bool add_pairs(parser *p, const char *pairs, bool negated)
{
    uint32_t from = 0;
    bool ok = true, letters = false;
    for (; ok && *pairs; pairs += 2) {
        uint32_t low = (uint8_t)pairs[0] == 1 ? 0 : (uint8_t)pairs[0], high = (uint8_t)pairs[1];
        letters = letters || (low <= 'k' && high >= 's');
        ok = add_part(p, low, high, negated, &from);
    }
    for (int i = 0; i < 2 && ok && letters && p->any_case; i++)
        ok = add_part(p, folded[i], folded[i], negated, &from);
    return ok && (!negated || add_range(p, from, LAST));
}

static bool class_escape(parser *p, char c)
{
    switch (c) {
    case 'd':
    case 'D':
        return add_pairs(p, "09", c == 'D');
    case 'w':
    case 'W':
        return add_pairs(p, "09AZ__az", c == 'W');
    default:
        return add_pairs(p, "\t\n\f\r  ", c == 'S');
    }
}

static bool is_class(char c) { return find("dDwWsS", c) != NULL; }

static bool named_class(parser *p)
{
    static const struct {
        const char *name, *pairs;
    } rows[] = {{"alnum:]", "09AZaz"},   {"alpha:]", "AZaz"},    {"ascii:]", "\1\x7f"}, {"blank:]", "\t\t  "},
                {"digit:]", "09"},       {"lower:]", "az"},      {"upper:]", "AZ"},     {"space:]", "\t\r  "},
                {"punct:]", "!/:@[`{~"}, {"word:]", "09AZ__az"}, {"xdigit:]", "09AFaf"}};
    uint64_t begin = p->at - 2;
    bool negated = take(p, "^");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!take(p, rows[i].name)) continue;
        bool one_case = !memcmp(rows[i].name, "lower", 5) || !memcmp(rows[i].name, "upper", 5);
        return add_pairs(p, one_case && p->any_case ? "AZaz" : rows[i].pairs, negated);
    }
    return fail_at(p, begin, 0, "a class of characters that is not known") >= 0;
}

/* \x41 or \x{1F600}, behind the x. */
static bool hex_escape(parser *p, uint32_t *out)
{
    bool braces = take(p, "{");
    uint32_t n = 0;
    *out = 0;
    for (; (braces || n < 2) && adze_hex_digit(peek(p)) >= 0 && n < 6; n++)
        *out = *out * 16 + (uint32_t)adze_hex_digit(p->text.data[p->at++]);
    return n > 0 && (braces ? take(p, "}") : n == 2) && *out <= LAST;
}

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* \0, \12 or \012; one digit other than 0 would be what a group has matched, which there is not. */
static bool octal_escape(parser *p, char first, uint32_t *out)
{
    *out = (uint32_t)(first - '0');
    if (first != '0' && !is_octal(peek(p))) return false;
    for (int n = 0; n < 2 && is_octal(peek(p)); n++) *out = *out * 8 + (uint32_t)(p->text.data[p->at++] - '0');
    return true;
}

/* The character of an escape, behind the backslash. */
static bool escape(parser *p, uint32_t *out)
{
    static const char letters[] = "tnrfva", values[] = "\t\n\r\f\v\a";
    uint64_t begin = p->at - 1;
    if (!more(p)) return fail_at(p, begin, 0, "a backslash at its end,") >= 0;
    char c = p->text.data[p->at++];
    const char *known = find(letters, c);
    *out = (uint8_t)(known ? values[known - letters] : c);
    bool ok = c == 'x' ? hex_escape(p, out) : is_octal(c) ? octal_escape(p, c, out) : known || c == '_';
    if (ok || (c >= ' ' && c < 127 && !regex_is_word((uint32_t)c))) return true;
    const char *why = find("pPC", c) ? "an escape that is not supported" : "an escape that is not known";
    return fail_at(p, begin, p->at - begin, why) >= 0;
}

static bool character(parser *p, uint32_t *out)
{
    uint32_t bytes;
    *out = regex_decode(p->text, p->at, &bytes);
    p->at += bytes;
    return true;
}

/* One item of [...]: a class, a character or a range. */
static bool set_item(parser *p)
{
    uint64_t begin = p->at;
    uint32_t low, high;
    if (take(p, "[:")) return named_class(p);
    if (take(p, "\\")) {
        if (is_class(peek(p))) return class_escape(p, p->text.data[p->at++]);
        if (!escape(p, &low)) return false;
    } else if (!character(p, &low)) {
        return false;
    }
    bool ranged = peek(p) == '-' && p->at + 1 < p->text.size && p->text.data[p->at + 1] != ']';
    if (!ranged) return add(p, begin, low, low);
    p->at++;
    if (!(take(p, "\\") ? escape(p, &high) : character(p, &high))) return false;
    return add(p, begin, low, high);
}

/* Ranges as a heap whose root ends last: that at `at` moves down to its place. */
static void sink(regex_range *ranges, uint32_t at, uint32_t n)
{
    for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && ranges[child + 1].low > ranges[child].low) child++;
        if (ranges[at].low >= ranges[child].low) return;
        regex_range moved = ranges[at];
        ranges[at] = ranges[child];
        ranges[child] = moved;
    }
}

/* In order (heapsort), those that touch as one, so that a character is looked up in the logarithm of their number. */
static uint32_t put_in_order(regex_range *ranges, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = n / 2; i-- > 0;) sink(ranges, i, n);
    for (uint32_t end = n; end > 1;) {
        regex_range last = ranges[0];
        ranges[0] = ranges[--end];
        ranges[end] = last;
        sink(ranges, 0, end);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!kept || ranges[i].low > ranges[kept - 1].high + 1) ranges[kept++] = ranges[i];
        else if (ranges[i].high > ranges[kept - 1].high) ranges[kept - 1].high = ranges[i].high;
    }
    return kept;
}

static int32_t end_set(parser *p, uint32_t first, bool negated)
{
    regex_tree *t = p->tree;
    if (t->n_ranges > first) t->n_ranges = first + put_in_order(t->ranges + first, t->n_ranges - first);
    return new_node(
        p, (regex_node){.kind = REGEX_SET, .first = first, .count = t->n_ranges - first, .negated = negated});
}

static int32_t parse_set(parser *p)
{
    uint64_t begin = p->at - 1;
    uint32_t first = p->tree->n_ranges;
    bool negated = take(p, "^"), begun = false;
    while (more(p) && (peek(p) != ']' || !begun)) {
        if (!set_item(p)) return -1;
        begun = true;
    }
    return take(p, "]") ? end_set(p, first, negated) : fail_at(p, begin, 0, "a [ without its ]");
}

/* ---- Expressions ---- */

static int32_t assertion(parser *p, regex_kind kind) { return new_node(p, (regex_node){.kind = kind}); }

static int32_t parse_escape(parser *p)
{
    uint64_t begin = p->at - 1;
    uint32_t first = p->tree->n_ranges, c;
    if (take(p, "A")) return assertion(p, REGEX_BEGIN);
    if (take(p, "z")) return assertion(p, REGEX_END);
    if (take(p, "b")) return assertion(p, REGEX_WORD);
    if (take(p, "B")) return assertion(p, REGEX_INSIDE);
    if (is_class(peek(p))) return class_escape(p, p->text.data[p->at++]) ? end_set(p, first, false) : -1;
    return escape(p, &c) && add(p, begin, c, c) ? end_set(p, first, false) : -1;
}

/* Flags up to their : or ), behind the "(?". */
static bool parse_flags(parser *p)
{
    uint64_t begin = p->at - 2;
    bool on = true, any = true; /* a minus has a flag behind it */
    for (; more(p); p->at++) {
        char c = peek(p);
        if (c == '-' && on) on = any = false;
        else if (c == 'i') p->any_case = on, any = true;
        else if (c == 'm') p->lines = on, any = true;
        else if (c == 's') p->dot_all = on, any = true;
        else if (c == 'U') any = true; /* the longest match or the shortest: all of the text matches or not */
        else if ((c == ':' || c == ')') && any) return p->at++, true;
        else return fail_at(p, p->at, 1, "a flag that is not known; i, m, s and U are") >= 0;
    }
    return fail_at(p, begin, 0, "a ( without its )") >= 0;
}

/* Flags without a group, which hold to the end of the group around: "(?i)". */
static bool is_flags(const parser *p)
{
    uint64_t at = p->at + 2;
    if (p->text.size < at || memcmp(p->text.data + p->at, "(?", 2) != 0) return false;
    while (at < p->text.size && find("imsU-", p->text.data[at])) at++;
    return at < p->text.size && p->text.data[at] == ')';
}

/* Flags, and where quotation begins and ends: no items themselves, so that what repeats stands behind them too. */
static bool marks(parser *p)
{
    for (;;) {
        if (take(p, p->quoted ? "\\E" : "\\Q")) {
            p->quoted = !p->quoted;
        } else if (!p->quoted && is_flags(p)) {
            p->at += 2;
            if (!parse_flags(p)) return false;
        } else {
            return true;
        }
    }
}

/* Behind "(?": a group with flags, with a name, or without a number. */
static bool begin_group(parser *p)
{
    uint64_t begin = p->at - 2;
    if (!take(p, "P<") && !take(p, "<")) return parse_flags(p);
    uint64_t name = p->at;
    while (regex_is_word((uint8_t)peek(p))) p->at++;
    if (p->at == name) return fail_at(p, begin, 0, "a group whose name is empty or odd,") >= 0;
    return take(p, ">") || fail_at(p, begin, 0, "a group whose name does not end,") >= 0;
}

static int32_t parse_group(parser *p)
{
    uint64_t begin = p->at - 1;
    bool any_case = p->any_case, dot_all = p->dot_all, lines = p->lines;
    if (take(p, "?") && !begin_group(p)) return -1;
    if (p->depth == MAX_DEPTH) return fail_at(p, begin, 0, "groups that are nested too deep,");
    p->depth++;
    int32_t inner = parse_alternatives(p);
    p->depth--;
    p->any_case = any_case;
    p->dot_all = dot_all;
    p->lines = lines;
    return inner < 0 || take(p, ")") ? inner : fail_at(p, begin, 0, "a ( without its )");
}

static int32_t parse_character(parser *p)
{
    uint64_t begin = p->at;
    uint32_t first = p->tree->n_ranges, c;
    return character(p, &c) && add(p, begin, c, c) ? end_set(p, first, false) : -1;
}

static bool repetition(parser *p, int32_t *min, int32_t *max);

static int32_t parse_atom(parser *p)
{
    uint64_t begin = p->at;
    uint32_t first = p->tree->n_ranges;
    int32_t min, max;
    if (p->quoted) return parse_character(p);
    if (take(p, "(")) return parse_group(p);
    if (take(p, "[")) return parse_set(p);
    if (take(p, "\\")) return parse_escape(p);
    if (take(p, "^")) return assertion(p, p->lines ? REGEX_LINE_BEGIN : REGEX_BEGIN);
    if (take(p, "$")) return assertion(p, p->lines ? REGEX_LINE_END : REGEX_END);
    if (repetition(p, &min, &max)) return fail_at(p, begin, p->at - begin, "a repetition of nothing");
    if (take(p, ".")) {
        bool ok = p->dot_all ? add_range(p, 0, LAST) : add_range(p, 0, '\n' - 1) && add_range(p, '\n' + 1, LAST);
        return ok ? end_set(p, first, false) : -1;
    }
    return parse_character(p);
}

/* More than MAX_REPEAT is MAX_REPEAT + 1. */
static bool number(parser *p, int32_t *out)
{
    uint64_t begin = p->at;
    for (*out = 0; adze_is_digit(peek(p)); p->at++) {
        *out = *out * 10 + (peek(p) - '0');
        if (*out > MAX_REPEAT) *out = MAX_REPEAT + 1;
    }
    return p->at > begin;
}

/* "{2}", "{2,}" or "{2,5}"; other braces are characters. */
static bool counts(parser *p, int32_t *min, int32_t *max)
{
    uint64_t at = p->at;
    bool ok = take(p, "{") && number(p, min);
    *max = *min;
    if (ok && take(p, ",") && !number(p, max)) *max = -1;
    ok = ok && take(p, "}");
    if (!ok) p->at = at;
    return ok;
}

static bool repetition(parser *p, int32_t *min, int32_t *max)
{
    *min = 0;
    *max = -1;
    if (take(p, "*")) return true;
    if (take(p, "+")) return *min = 1, true;
    if (take(p, "?")) return *max = 1, true;
    return counts(p, min, max);
}

/* At most one repetition, so that trees are no deeper than groups are. */
static int32_t parse_repeat(parser *p)
{
    int32_t atom = parse_atom(p), min, max;
    if (atom < 0 || !marks(p)) return -1;
    uint64_t begin = p->at;
    if (p->quoted || !more(p) || !repetition(p, &min, &max)) return atom;
    if (min > MAX_REPEAT || max > MAX_REPEAT || (max >= 0 && max < min))
        return fail_at(p, begin, p->at - begin, "a repetition out of range");
    take(p, "?"); /* the shortest match first: all of the text matches or not, either way */
    atom = new_node(p, (regex_node){.kind = REGEX_REPEAT, .a = atom, .min = min, .max = max});
    if (!marks(p)) return -1;
    uint64_t again = p->at;
    bool twice = !p->quoted && repetition(p, &min, &max);
    return twice ? fail_at(p, again, p->at - again, "a repetition of a repetition") : atom;
}

static int32_t parse_sequence(parser *p)
{
    int32_t all = -1;
    while (marks(p) && more(p) && (p->quoted || (peek(p) != '|' && peek(p) != ')'))) {
        int32_t next = parse_repeat(p);
        if (next < 0) return -1;
        all = all < 0 ? next : new_node(p, (regex_node){.kind = REGEX_CAT, .a = all, .b = next});
        if (all < 0) return -1;
    }
    return p->tree->why ? -1 : all < 0 ? assertion(p, REGEX_EMPTY) : all;
}

static int32_t parse_alternatives(parser *p)
{
    int32_t all = parse_sequence(p);
    while (all >= 0 && take(p, "|")) {
        int32_t next = parse_sequence(p);
        all = next < 0 ? -1 : new_node(p, (regex_node){.kind = REGEX_ALT, .a = all, .b = next});
    }
    return all;
}

int32_t regex_parse(regex_tree *tree, adze_string pattern)
{
    parser p = {.tree = tree, .text = pattern};
    if (pattern.size > MAX_PATTERN) return fail(&p, "a pattern of more than 64 KB");
    int32_t root = parse_alternatives(&p);
    return root < 0 || !more(&p) ? root : fail_at(&p, p.at, 0, "a ) without its (");
}
