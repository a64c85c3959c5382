/* The best choice of formats: a multiple-choice knapsack, by a dynamic program over the layers.
 *
 * A state is a way to choose for the layers so far. Those stand that no other state beats in cost, bounded other cost
 * and loss. Frantar and Alistarh ("Optimal Brain Compression", 2022) put costs into buckets; here they are exact, and
 * states in one bucket become one only where there are too many.
 */
#include <adze/arena.h>
#include <adze/compress.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATES = 1 << 15, CELLS = 180 }; /* CELLS^2 < MAX_STATES */

typedef struct state {
    double cost, other, loss; /* other: 0 where it is not bounded */
    uint32_t from, choice;    /* state of the layer before, and what is chosen in this one */
} state;

/* What is left of a state when its layer is done. */
typedef struct step {
    uint32_t from, choice;
} step;

typedef struct search {
    const adze_choices *layers;
    uint32_t n_layers;
    bool seconds;  /* the cost is time */
    double bound;  /* on the other cost */
    double *least; /* other cost of the layers from i on, at least */
    state *states; /* behind the layers so far */
    uint32_t n_states;
    step **done;   /* of each layer, one a state behind it */
} search;

static double cost_of(const search *s, const adze_choice *c) { return s->seconds ? c->seconds : (double)c->bytes; }

static double other_of(const search *s, const adze_choice *c)
{
    if (!isfinite(s->bound)) return 0;
    return s->seconds ? (double)c->bytes : c->seconds;
}

static int compare(double a, double b) { return a < b ? -1 : a > b; }

/* Cheapest first; then what is better in the rest, so that it stands before what it beats. */
static int by_cost(const void *left, const void *right)
{
    const state *a = left, *b = right;
    int order = compare(a->cost, b->cost);
    if (!order) order = compare(a->other, b->other);
    if (!order) order = compare(a->loss, b->loss);
    if (!order) order = compare(a->from, b->from);
    return order ? order : compare(a->choice, b->choice);
}

/* ---- States that stand ---- */

/* States that nothing beats so far, by rising `other` and falling loss. */
typedef struct stairs {
    double (*steps)[2]; /* other, loss */
    uint32_t count;
} stairs;

/* False where a step lies at or below this one in both. */
static bool climb(stairs *s, double other, double loss)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (s->steps[middle][0] <= other)
            low = middle + 1;
        else
            high = middle;
    }
    if (low && s->steps[low - 1][1] <= loss) return false;
    uint32_t from = low && s->steps[low - 1][0] == other ? low - 1 : low, to = from;
    while (to < s->count && s->steps[to][1] >= loss) to++;
    memmove(s->steps + from + 1, s->steps + to, (s->count - to) * sizeof *s->steps);
    s->steps[from][0] = other;
    s->steps[from][1] = loss;
    s->count = s->count - (to - from) + 1;
    return true;
}

/* Sorts, and keeps what nothing beats. */
static uint32_t prune(state *items, uint32_t n)
{
    stairs s = {.steps = adze_malloc((n + 1u) * sizeof *s.steps)};
    uint32_t kept = 0;
    qsort(items, n, sizeof *items, by_cost);
    for (uint32_t i = 0; i < n; i++)
        if (climb(&s, items[i].other, items[i].loss)) items[kept++] = items[i];
    free(s.steps);
    return kept;
}

/* Which of `cells` equal parts of [least, most] a number lies in. */
static uint32_t cell_of(double x, double least, double most, uint32_t cells)
{
    if (most <= least) return 0;
    double part = (x - least) / (most - least) * cells;
    return part >= cells ? cells - 1 : (uint32_t)part;
}

/* Of too many states, those that lie close in both costs count as one: the best of them. */
static uint32_t thin(state *items, uint32_t n, bool bounded)
{
    double least[2] = {INFINITY, INFINITY}, most[2] = {-INFINITY, -INFINITY};
    uint32_t rows = bounded ? CELLS : 1, columns = bounded ? CELLS : MAX_STATES, kept = 0;
    uint32_t *best = adze_malloc((size_t)rows * columns * sizeof *best); /* place among those kept, + 1 */
    memset(best, 0, (size_t)rows * columns * sizeof *best);
    for (uint32_t i = 0; i < n; i++) {
        least[0] = fmin(least[0], items[i].cost), most[0] = fmax(most[0], items[i].cost);
        least[1] = fmin(least[1], items[i].other), most[1] = fmax(most[1], items[i].other);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t cell = cell_of(items[i].other, least[1], most[1], rows) * columns +
                        cell_of(items[i].cost, least[0], most[0], columns);
        if (!best[cell]) {
            items[kept] = items[i];
            best[cell] = ++kept;
        } else if (items[i].loss < items[best[cell] - 1].loss) {
            items[best[cell] - 1] = items[i];
        }
    }
    free(best);
    return kept;
}

static void extend(search *s, uint32_t layer)
{
    const adze_choices *choices = &s->layers[layer];
    state *items = adze_malloc(((size_t)s->n_states * choices->count + 1) * sizeof *items);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_states; i++)
        for (uint32_t k = 0; k < choices->count; k++) {
            const state *b = &s->states[i];
            const adze_choice *c = &choices->items[k];
            state next = {b->cost + cost_of(s, c), b->other + other_of(s, c), b->loss + c->loss, i, k};
            if (next.other + s->least[layer + 1] <= s->bound) items[n++] = next;
        }
    n = prune(items, n);
    if (n > MAX_STATES) n = thin(items, n, isfinite(s->bound));
    s->done[layer] = adze_malloc((n + 1u) * sizeof **s->done);
    for (uint32_t i = 0; i < n; i++) s->done[layer][i] = (step){items[i].from, items[i].choice};
    free(s->states);
    s->states = items;
    s->n_states = n;
}

/* Adds up what was chosen, exactly. */
static void trace(const search *s, uint32_t index, adze_mix *out)
{
    *out = (adze_mix){.chosen = out->chosen};
    for (uint32_t layer = s->n_layers; layer-- > 0;) {
        const step *at = &s->done[layer][index];
        const adze_choice *c = &s->layers[layer].items[at->choice];
        out->bytes += c->bytes;
        out->seconds += c->seconds;
        out->loss += c->loss;
        out->chosen[layer] = at->choice;
        index = at->from;
    }
}

/* The last layer's states by cost and loss alone; `from` then says which one each was. */
static void finish(search *s)
{
    for (uint32_t i = 0; i < s->n_states; i++) {
        s->states[i].other = 0;
        s->states[i].from = i;
    }
    s->n_states = prune(s->states, s->n_states);
}

static void begin(search *s)
{
    s->done = adze_malloc((s->n_layers + 1u) * sizeof *s->done);
    s->states = adze_malloc(sizeof *s->states);
    s->states[0] = (state){0};
    s->n_states = 1;
    s->least = adze_malloc((s->n_layers + 1u) * sizeof *s->least);
    s->least[s->n_layers] = 0;
    for (uint32_t i = s->n_layers; i-- > 0;) {
        double least = INFINITY;
        for (uint32_t k = 0; k < s->layers[i].count; k++) least = fmin(least, other_of(s, &s->layers[i].items[k]));
        s->least[i] = s->least[i + 1] + least;
    }
}

void adze_mixes_find(const adze_choices *layers, uint32_t n_layers, adze_cost cost, double max_other, adze_mixes *out)
{
    search s = {.layers = layers, .n_layers = n_layers, .seconds = cost == ADZE_COST_SECONDS, .bound = max_other};
    begin(&s);
    for (uint32_t i = 0; i < n_layers; i++) extend(&s, i);
    finish(&s);
    uint32_t n = s.n_states;
    out->count = n;
    out->items = adze_malloc((n + 1u) * sizeof *out->items);
    out->memory = adze_malloc(((size_t)n * n_layers + 1) * sizeof *out->memory);
    for (uint32_t i = 0; i < n; i++) {
        out->items[i].chosen = out->memory + (size_t)i * n_layers;
        trace(&s, s.states[i].from, &out->items[i]);
    }
    for (uint32_t i = 0; i < n_layers; i++) free(s.done[i]);
    free(s.done);
    free(s.states);
    free(s.least);
}

void adze_mixes_free(adze_mixes *mixes)
{
    free(mixes->items);
    free(mixes->memory);
    *mixes = (adze_mixes){0};
}
