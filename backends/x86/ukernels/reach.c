/* What memory a call of a micro-kernel touches, from its numbers alone (ukernels.h says what each computes).
 *
 * The interpreter asks before each call, so that IR text with wrong numbers is an error and not a wild
 * access. A span holds the first and the last element; a number that does not fit makes it impossible.
 */
#include "reach.h"
#include "vector.h"

#include <string.h>

typedef struct span {
    int64_t first, last;
    bool possible;
} span;

static const span one = {0, 0, true};

static int64_t times(span *s, int64_t a, int64_t b)
{
    int64_t product = 0;
    if (!__builtin_mul_overflow(a, b, &product)) return product;
    s->possible = false;
    return 0; /* what is made of it counts no more */
}

/* The span once more at `by` elements from itself. */
static void extend(span *s, int64_t by)
{
    if (__builtin_add_overflow(by < 0 ? s->first : s->last, by, by < 0 ? &s->first : &s->last)) s->possible = false;
}

/* `count` steps of `stride`. */
static void along(span *s, int64_t count, int64_t stride) { extend(s, times(s, count - 1, stride)); }

/* A span of elements of `size` bytes. */
static bool put(adze_reach *out, span s, int64_t size)
{
    if (!s.possible || s.last > INT64_MAX / size - 1 || s.first < INT64_MIN / size) return false;
    *out = (adze_reach){size * s.first, size * (s.last + 1)};
    return true;
}

/* Steps of k that lie together in a panel, and bytes of an element of a, of b and of the sums. */
typedef struct family {
    int64_t group, a_bytes, b_bytes, sum_bytes;
} family;

/* Elements of a that the rows of a tile begin with; false where they overflow. */
static bool along_rows(span *a, int64_t mr, int64_t m_cols, int64_t a_col, int64_t a_row)
{
    for (int64_t m = 0; m < mr; m++) {
        span row = one;
        extend(&row, times(&row, m / m_cols, a_row));
        int64_t col = times(&row, m % m_cols, a_col), at;
        if (!row.possible || __builtin_add_overflow(row.first + row.last, col, &at)) return false;
        a->first = at < a->first ? at : a->first;
        a->last = at > a->last ? at : a->last;
    }
    return true;
}

static bool reach_gemm(int64_t mr, int64_t nr, family f, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t m_cols = x[2].i, t0 = x[6].i, t1 = x[8].i, k = x[10].i;
    span acc = one, a = one, b = one;
    out[1] = out[2] = (adze_reach){0, 0};
    along(&acc, mr * nr, 1);
    if (m_cols < 1 || !put(&out[0], acc, f.sum_bytes)) return false;
    if (!along_rows(&a, mr, m_cols, x[3].i, x[4].i)) return false;
    if (t0 < 1 || t1 < 1 || k < 1) return true;
    along(&a, t0, x[7].i);
    along(&a, t1, x[9].i);
    along(&a, k, 1);
    int64_t steps = k / f.group + (k % f.group != 0);
    along(&b, times(&b, times(&b, times(&b, t0, t1), steps), nr / PANEL), PANEL * f.group);
    along(&b, PANEL * f.group, 1);
    return put(&out[1], a, f.a_bytes) && put(&out[2], b, f.b_bytes);
}

bool adze_uk_reach_gemm(int64_t mr, int64_t nr, const adze_ukernel_arg *x, adze_reach *out)
{
    return reach_gemm(mr, nr, (family){1, 4, 4, 4}, x, out);
}

bool adze_uk_reach_gemm_f64(int64_t mr, const adze_ukernel_arg *x, adze_reach *out)
{
    return reach_gemm(mr, PANEL, (family){1, 8, 8, 8}, x, out);
}

bool adze_uk_reach_gemm_int(int64_t mr, int64_t nr, int64_t weight_bytes, const adze_ukernel_arg *x, adze_reach *out)
{
    return reach_gemm(mr, nr, (family){4, 1, weight_bytes, 4}, x, out);
}

/* The number of rows is an argument, ahead of the others of gemm_u8s8. */
bool adze_uk_reach_gemm_tiles(int64_t nr, const adze_ukernel_arg *x, adze_reach *out)
{
    enum { MOST_ROWS = 1024, N_ARGS = 12 };
    adze_ukernel_arg rest[N_ARGS] = {x[0], x[1]};
    for (int i = 2; i < N_ARGS; i++) rest[i] = x[i + 1];
    return x[2].i >= 1 && x[2].i <= MOST_ROWS && reach_gemm(x[2].i, nr, (family){4, 1, 1, 4}, rest, out);
}

static bool reach_dw(int64_t mw, family f, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t kh = x[5].i, kw = x[7].i;
    span acc = one, in = one, w = one;
    out[1] = out[2] = (adze_reach){0, 0};
    along(&acc, 16 * mw, 1);
    if (!put(&out[0], acc, 4)) return false;
    if (kh < 1 || kw < 1) return true;
    along(&in, mw, x[2].i);
    along(&in, kh, x[6].i);
    along(&in, kw, x[8].i);
    along(&in, 16, 1);
    along(&w, times(&w, kh, kw), x[4].i);
    along(&w, 16, 1);
    return put(&out[1], in, f.a_bytes) && put(&out[2], w, f.b_bytes);
}

bool adze_uk_reach_dw(int64_t mw, const adze_ukernel_arg *x, adze_reach *out)
{
    return reach_dw(mw, (family){1, 4, 4, 4}, x, out);
}

bool adze_uk_reach_dw_int(int64_t mw, int64_t weight_bytes, const adze_ukernel_arg *x, adze_reach *out)
{
    return reach_dw(mw, (family){1, 1, weight_bytes, 4}, x, out);
}

/* Bytes of a panel of codes of k steps; k > 0. */
static int64_t code_bytes(span *s, int64_t bits, int64_t k)
{
    return bits == 4 ? times(s, (k - 1) / 8 + 1, CODES_4) : times(s, k, CODES_8);
}

/* Rows of 4-bit codes hold eight steps, so a group is some of them. */
static bool is_group(int64_t bits, int64_t group, int64_t k)
{
    return group > 0 && (bits != 4 || group % 8 == 0 || group >= k);
}

bool adze_uk_reach_gemm_codes(int64_t bits, int64_t scale_bytes, int64_t mr, int64_t nr, const adze_ukernel_arg *x,
                              adze_reach *out)
{
    int64_t k = x[5].i, group = x[6].i;
    span acc = one, a = one, b = one, scales = one;
    for (int i = 1; i < 4; i++) out[i] = (adze_reach){0, 0};
    along(&acc, mr * nr, 1);
    if (!put(&out[0], acc, 4) || !is_group(bits, group, k)) return false;
    if (k < 1) return true;
    along(&a, mr, x[2].i);
    along(&a, k, 1);
    along(&b, times(&b, code_bytes(&b, bits, k), nr / PANEL), 1);
    along(&scales, times(&scales, (k - 1) / group + 1, nr), 1);
    return put(&out[1], a, 4) && put(&out[2], b, 1) && put(&out[3], scales, scale_bytes);
}

bool adze_uk_reach_widen(int64_t bits, int64_t scale_bytes, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t taps = x[3].i, k = x[5].i, group = x[6].i;
    span y = one, codes = one, scales = one;
    for (int i = 0; i < 3; i++) out[i] = (adze_reach){0, 0};
    if (!is_group(bits, group, k)) return false;
    if (taps < 1 || k < 1) return true;
    along(&y, times(&y, times(&y, taps, k), PANEL), 1);
    along(&codes, times(&codes, taps, code_bytes(&codes, bits, k)), 1);
    along(&scales, taps, x[4].i);
    along(&scales, times(&scales, (k - 1) / group + 1, PANEL), 1);
    return put(&out[0], y, 4) && put(&out[1], codes, 1) && put(&out[2], scales, scale_bytes);
}

bool adze_uk_reach_zeros(adze_reach *out, int64_t scale_bytes, int scales)
{
    out[scales + 1] = (adze_reach){out[scales].first / scale_bytes, out[scales].end / scale_bytes};
    return true;
}

bool adze_uk_reach_widen_int(const adze_ukernel_arg *x, adze_reach *out)
{
    span y = one, codes = one;
    out[0] = out[1] = (adze_reach){0, 0};
    if (x[2].i < 1) return true;
    along(&y, times(&y, x[2].i, GROUP_PANEL), 1);
    along(&codes, times(&codes, x[2].i, GROUP_PANEL / 2), 1);
    return put(&out[0], y, 1) && put(&out[1], codes, 1);
}

bool adze_uk_reach_gemm_kept(int64_t mr, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t m_cols = x[2].i, panels = x[6].i, rows = x[7].i, panel = x[8].i;
    span acc = one, a = one, b = one;
    out[1] = out[2] = (adze_reach){0, 0};
    along(&acc, mr * PANEL, 1);
    if (m_cols < 1 || !put(&out[0], acc, 4) || panel < 0 || panel >= panels || rows < 0 || x[9].i < 0) return false;
    if (panels > INT32_MAX || rows > INT32_MAX || !along_rows(&a, mr, m_cols, x[3].i, x[4].i)) return false;
    along(&b, kept_values(panels, rows) + rows * PANEL, 1);
    if (x[9].i) along(&a, x[9].i, 1);
    return (!x[9].i || put(&out[1], a, 4)) && put(&out[2], b, 4);
}

bool adze_uk_kept_holds(const int32_t *b, int64_t panels, int64_t rows, int64_t panel, int64_t places)
{
    int64_t from = b[panel], to = b[panel + 1];
    bool holds = from >= 0 && from <= to && to <= rows;
    for (int64_t i = from; holds && i < to; i++) holds = b[panels + 1 + i] >= 0 && b[panels + 1 + i] < places;
    return holds;
}

bool adze_uk_reach_gemm_each(const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t columns = x[3].i, weights = x[4].i, column = x[5].i, count = x[6].i, steps = x[7].i;
    span acc = one, at = one, b = one;
    out[1] = out[2] = (adze_reach){0, 0};
    along(&acc, PIXELS * 16, 1);
    if (!put(&out[0], acc, 4) || count < 0 || count > 16 || column < 0 || columns < count || column > columns - count)
        return false;
    if (columns > INT32_MAX || weights < 0 || weights > INT32_MAX || steps < 0) return false;
    along(&b, kept_values(columns, weights) + weights, 1);
    along(&at, times(&at, steps, PIXELS), 1);
    return (!steps || put(&out[1], at, 4)) && put(&out[2], b, 4);
}

bool adze_uk_reach_pixels(const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t count = x[2].i, m_cols = x[3].i, t0 = x[6].i, t1 = x[8].i, k = x[10].i;
    span y = one, a = one;
    out[0] = out[1] = (adze_reach){0, 0};
    if (count < 1 || count > PIXELS || m_cols < 1 || !along_rows(&a, count, m_cols, x[4].i, x[5].i)) return false;
    if (t0 < 1 || t1 < 1 || k < 1) return true;
    along(&a, t0, x[7].i);
    along(&a, t1, x[9].i);
    along(&a, k, 1);
    along(&y, times(&y, times(&y, times(&y, t0, t1), k), PIXELS), 1);
    return put(&out[0], y, 4) && put(&out[1], a, 4);
}

bool adze_uk_reach_widen_masked(int64_t size, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t panels = x[2].i, each = x[3].i, panel = x[4].i, kept = x[5].i, all;
    span y = one, b = one;
    out[0] = out[1] = (adze_reach){0, 0};
    if (panels < 1 || panels > INT32_MAX || each < 0 || each % 8 || panel < 0 || panel >= panels || kept < 0)
        return false;
    if (kept > INT32_MAX || __builtin_mul_overflow(panels, each, &all) || all > INT64_MAX / 8) return false;
    if (!each) return true;
    along(&y, each, 1);
    along(&b, masked_values(panels, each) + size * kept, 1);
    return put(&out[0], y, size) && put(&out[1], b, 1);
}

bool adze_uk_masked_holds(const uint8_t *b, int64_t panels, int64_t each, int64_t panel, int64_t kept)
{
    int32_t start;
    memcpy(&start, b + 4 * panel, sizeof start);
    int64_t bits = 0;
    const uint8_t *mask = b + 4 * (panels + 1) + panel * each / 8;
    for (int64_t i = 0; i < each / 8; i++) bits += __builtin_popcount(mask[i]);
    return start >= 0 && start + bits <= kept;
}

bool adze_uk_reach_transpose(int64_t bytes, const adze_ukernel_arg *x, adze_reach *out)
{
    for (int i = 0; i < 2; i++) {
        span s = one;
        along(&s, 16, x[2 * i + 1].i);
        along(&s, 16, 1);
        if (!put(&out[i], s, bytes)) return false;
    }
    return true;
}

bool adze_uk_reach_bits(int64_t bits, const adze_ukernel_arg *x, adze_reach *packed, adze_reach *bytes)
{
    const int64_t first = x[2].i, count = x[3].i, each = 8 / bits;
    int64_t end;
    *packed = *bytes = (adze_reach){0, 0};
    if (count < 1) return true;
    if (first < 0 || first % each || __builtin_add_overflow(first, count, &end)) return false;
    *packed = (adze_reach){first / each, (end - 1) / each + 1};
    *bytes = (adze_reach){0, count};
    return true;
}

bool adze_uk_reach_sum(const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t rows = x[2].i, count = x[4].i;
    span y = one, in = one;
    out[1] = (adze_reach){0, 0};
    along(&y, PANEL, 1);
    if (rows < 0 || rows > PANEL || !put(&out[0], y, 4)) return false;
    if (rows < 1 || count < 1) return true;
    along(&in, rows, x[3].i);
    along(&in, count, 1);
    return put(&out[1], in, 4);
}

bool adze_uk_reach_pack(int64_t bytes, const adze_ukernel_arg *x, adze_reach *out)
{
    int64_t k = x[2].i, n = x[3].i, rows = x[6].i;
    span y = one, in = one;
    out[0] = out[1] = (adze_reach){0, 0};
    if (rows < k) return false;
    if (rows < 1 || n < 1) return true;
    along(&y, times(&y, times(&y, ((n - 1) / (2 * PANEL) + 1) * 2, rows), PANEL), 1);
    if (k < 1) return put(&out[0], y, bytes);
    along(&in, k, x[4].i);
    along(&in, n, x[5].i);
    return put(&out[0], y, bytes) && put(&out[1], in, bytes);
}
