/* ap50: boxes from FastestDet's head [85, h, w], one a cell: objectness, 4 box terms, 80 classes.
 *
 * Score = objectness^0.6 * class^0.4, kept above 0.05; within a class, a box that overlaps a better one
 * by more than 0.45 goes. Average precision of each class over 101 recalls (COCO), mean over the classes
 * that occur in the labels.
 */
#include "passes/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 5, RECALLS = 101 };

typedef struct box {
    uint64_t image;
    int64_t class;
    double score, side[4]; /* x0, y0, x1, y1 */
    bool taken;            /* of a true box: some detection has it */
} box;

typedef struct list {
    box *items;
    uint64_t count, capacity;
} list;

typedef struct boxes {
    list found, wanted;
    uint64_t images;
} boxes;

static bool push(list *to, box item)
{
    if (to->count == to->capacity) {
        uint64_t capacity = to->capacity ? 2 * to->capacity : 64;
        box *items = realloc(to->items, capacity * sizeof *items);
        if (!items) return false;
        to->items = items;
        to->capacity = capacity;
    }
    to->items[to->count++] = item;
    return true;
}

static void clear(void *state)
{
    boxes *b = state;
    free(b->found.items);
    free(b->wanted.items);
    *b = (boxes){0};
}

static double overlap(const box *a, const box *b)
{
    double common = 1, area_a = 1, area_b = 1;
    for (int k = 0; k < 2; k++) {
        common *= fmax(0, fmin(a->side[k + 2], b->side[k + 2]) - fmax(a->side[k], b->side[k]));
        area_a *= a->side[k + 2] - a->side[k];
        area_b *= b->side[k + 2] - b->side[k];
    }
    return common / (area_a + area_b - common + 1e-12);
}

/* Best first; equal scores keep their order of cells. */
static int by_score(const void *a, const void *b)
{
    const box *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static double class_score(const adze_value *grid, int64_t class, int64_t cells, int64_t cell)
{
    return adze_value_real(grid, (uint64_t)((HEAD + class) * cells + cell));
}

/* Reads the box of one cell into `out`; `image` holds the cell's number until the sort is done. */
static void read_cell(const adze_value *grid, int64_t classes, int64_t rows, int64_t columns, int64_t cell, box *out)
{
    int64_t cells = rows * columns, best = 0;
    double term[HEAD];
    for (int64_t k = 0; k < HEAD; k++) term[k] = adze_value_real(grid, (uint64_t)(k * cells + cell));
    for (int64_t c = 1; c < classes; c++)
        if (class_score(grid, c, cells, cell) > class_score(grid, best, cells, cell)) best = c;
    double score = pow(term[0], 0.6) * pow(class_score(grid, best, cells, cell), 0.4);
    double x = ((double)(cell % columns) + tanh(term[1])) / (double)columns;
    double y = ((double)(cell / columns) + tanh(term[2])) / (double)rows;
    double w = 0.5 / (1 + exp(-term[3])), h = 0.5 / (1 + exp(-term[4]));
    *out = (box){.image = (uint64_t)cell, .class = best, .score = score, .side = {x - w, y - h, x + w, y + h}};
}

static bool add_found(boxes *b, const adze_value *grid, const char **out_why)
{
    uint32_t rank = grid->rank;
    if (rank < 3 || grid->dims[rank - 3] <= HEAD || adze_value_count(grid) != (uint64_t)(grid->dims[rank - 3] *
        grid->dims[rank - 2] * grid->dims[rank - 1])) {
        *out_why = "ap50 takes an output [5 + classes, height, width] a sample";
        return false;
    }
    int64_t rows = grid->dims[rank - 2], columns = grid->dims[rank - 1];
    list cells = {0};
    bool ok = true;
    for (int64_t cell = 0; ok && cell < rows * columns; cell++) {
        box one;
        read_cell(grid, grid->dims[rank - 3] - HEAD, rows, columns, cell, &one);
        if (one.score > 0.05) ok = push(&cells, one);
    }
    if (ok && cells.count) qsort(cells.items, cells.count, sizeof *cells.items, by_score);
    uint64_t first = b->found.count;
    for (uint64_t i = 0; ok && i < cells.count; i++) {
        bool keep = true;
        for (uint64_t k = first; k < b->found.count && keep; k++)
            keep =
                b->found.items[k].class != cells.items[i].class || overlap(&b->found.items[k], &cells.items[i]) <= 0.45;
        cells.items[i].image = b->images;
        if (keep) ok = push(&b->found, cells.items[i]);
    }
    free(cells.items);
    if (!ok) *out_why = "out of memory";
    return ok;
}

static bool add(void *state, const adze_sample *sample, const char **out_why)
{
    boxes *b = state;
    *out_why = "out of memory";
    for (uint64_t i = 0, n = adze_value_count(sample->label) / 5; i < n; i++) {
        double row[5];
        for (uint64_t k = 0; k < 5; k++) row[k] = adze_value_real(sample->label, i * 5 + k);
        if (row[0] < 0) continue;
        box one = {.image = b->images, .class = (int64_t)row[0], .side = {row[1], row[2], row[3], row[4]}};
        if (!push(&b->wanted, one)) return false;
    }
    if (!add_found(b, &sample->outputs[0], out_why)) return false;
    b->images++;
    return true;
}

/* Marks which detections of one class are right, best first, and gives their number and that of true boxes.
 * At least one detection. */
static uint64_t match(const boxes *b, list *mine, bool *right, uint64_t *out_wanted)
{
    uint64_t hits = 0, class_boxes = 0;
    int64_t class = mine->items[0].class;
    for (uint64_t k = 0; k < b->wanted.count; k++)
        if (b->wanted.items[k].class == class) b->wanted.items[k].taken = false, class_boxes++;
    for (uint64_t i = 0; i < mine->count; i++) {
        box *best = NULL;
        double most = 0.5;
        for (uint64_t k = 0; k < b->wanted.count; k++) {
            box *w = &b->wanted.items[k];
            if (w->class != class || w->image != mine->items[i].image || w->taken) continue;
            double common = overlap(&mine->items[i], w);
            if (common >= most && (!best || common > most)) best = w, most = common;
        }
        right[i] = best != NULL;
        if (best) best->taken = true, hits++;
    }
    *out_wanted = class_boxes;
    return hits;
}

/* Mean over the recalls 0, 0.01 … 1 of the best precision at that recall or a higher one. */
static double precision_of(const boxes *b, list *mine)
{
    uint64_t wanted, hits = 0;
    bool *right = calloc(mine->count + 1, sizeof *right);
    double *best = calloc(mine->count + 1, sizeof *best), sum = 0;
    if (!right || !best) {
        free(right);
        free(best);
        return NAN;
    }
    qsort(mine->items, mine->count, sizeof *mine->items, by_score);
    uint64_t total = match(b, mine, right, &wanted);
    hits = total;
    for (uint64_t i = mine->count; i-- > 0;) {
        best[i] = fmax(best[i + 1], (double)hits / (double)(i + 1));
        hits -= right[i];
    }
    uint64_t i = 0;
    for (int r = 0; r < RECALLS; r++) {
        double recall = r / (double)(RECALLS - 1);
        while (i < mine->count && (double)(hits + right[i]) / (double)wanted < recall) hits += right[i++];
        sum += i < mine->count ? best[i] : 0;
    }
    free(right);
    free(best);
    return sum / (double)RECALLS;
}

static double value(const void *state)
{
    const boxes *b = state;
    double sum = 0;
    uint64_t classes = 0;
    for (uint64_t k = 0; k < b->wanted.count; k++) {
        int64_t class = b->wanted.items[k].class;
        bool seen = false;
        for (uint64_t i = 0; i < k && !seen; i++) seen = b->wanted.items[i].class == class;
        if (seen) continue;
        list mine = {0};
        bool ok = true;
        for (uint64_t i = 0; ok && i < b->found.count; i++)
            if (b->found.items[i].class == class) ok = push(&mine, b->found.items[i]);
        sum += !ok ? NAN : mine.count ? precision_of(b, &mine) : 0;
        free(mine.items);
        classes++;
    }
    return classes ? 100 * sum / (double)classes : NAN;
}

const adze_metric adze_metric_ap50 = {
    .struct_size = sizeof(adze_metric),
    .labels = 1U << ADZE_LABEL_BOXES,
    .name = "ap50",
    .unit = "%",
    .help = "average precision of FastestDet's boxes at an overlap of 0.5",
    .digits = 2,
    .state_size = sizeof(boxes),
    .add = add,
    .value = value,
    .clear = clear,
};
