/* tfidf_vectorizer: counts n-grams of integers. The pool lists all 1-grams, then all 2-grams, …; ngram_counts says
 * where each length begins, ngram_indexes where the count of each n-gram goes. */
#include "convert.h"

typedef struct pool {
    const struct adze_tfidf_vectorizer_attrs *a;
    double *counts; /* one row of the result */
    int64_t columns;
} pool;

/* Where the n-grams of `length` begin in the pool and where they end. */
static void range_of(const pool *p, int64_t length, int64_t *begin, int64_t *end)
{
    *begin = p->a->ngram_counts.data[length - 1];
    *end = length < (int64_t)p->a->ngram_counts.count ? p->a->ngram_counts.data[length]
                                                      : (int64_t)p->a->pool_int64s.count;
}

/* Ranges in order, whole n-grams in each, and an index and a weight for each n-gram. */
static bool is_sound(const pool *p)
{
    const struct adze_tfidf_vectorizer_attrs *a = p->a;
    int64_t grams = 0, lengths = (int64_t)a->ngram_counts.count, total = (int64_t)a->pool_int64s.count;
    if (a->min_gram_length < 1 || a->max_gram_length < a->min_gram_length || a->max_gram_length > lengths ||
        a->max_skip_count < 0)
        return false;
    for (int64_t length = 1; length <= lengths; length++) {
        int64_t begin, end;
        range_of(p, length, &begin, &end);
        if (begin < 0 || end < begin || end > total || (end - begin) % length) return false;
        grams += (end - begin) / length;
    }
    bool weights = a->weights.count == 0 || (int64_t)a->weights.count >= grams;
    return (int64_t)a->ngram_indexes.count >= grams && weights;
}

/* Adds up the n-grams of `length`, `step` apart, of a row of `n` elements from `first` on. */
static void count_grams(const pool *p, const adze_value *x, int64_t first, int64_t n, int64_t length, int64_t step)
{
    int64_t begin, end, gram = 0, reach;
    for (int64_t shorter = 1; shorter < length; shorter++) {
        range_of(p, shorter, &begin, &end);
        gram += (end - begin) / shorter;
    }
    range_of(p, length, &begin, &end);
    if (__builtin_mul_overflow(length - 1, step, &reach)) return;
    for (int64_t at = begin; at < end; at += length, gram++) {
        const int64_t *want = p->a->pool_int64s.data + at;
        for (int64_t i = 0; i < n - reach; i++) {
            int64_t k = 0;
            while (k < length && ev_get_i64(x, first + i + k * step) == want[k]) k++;
            int64_t column = p->a->ngram_indexes.data[gram];
            if (k == length && column >= 0 && column < p->columns) p->counts[column] += 1;
        }
    }
}

static void weigh(const pool *p)
{
    const struct adze_tfidf_vectorizer_attrs *a = p->a;
    bool idf = ev_text_is(a->mode, "IDF"), both = ev_text_is(a->mode, "TFIDF");
    for (uint64_t i = 0; i < a->ngram_indexes.count; i++) {
        int64_t column = a->ngram_indexes.data[i];
        if (column < 0 || column >= p->columns || !(p->counts[column] > 0)) continue;
        double weight = a->weights.count > i ? a->weights.data[i] : 1;
        if (idf) p->counts[column] = weight;
        if (both) p->counts[column] *= weight;
    }
}

adze_status eval_tfidf_vectorizer(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                                  uint32_t n_out, const void *attrs)
{
    (void)n_in, (void)n_out;
    pool p = {.a = attrs};
    for (uint64_t i = 0; i < p.a->ngram_indexes.count; i++)
        p.columns = ev_max(p.columns, ev_min(p.a->ngram_indexes.data[i], INT32_MAX) + 1);
    if (in->rank < 1 || in->rank > 2 || !ev_is_int(in->dtype)) return ev_bad_dtype(env);
    if (!is_sound(&p)) return ev_fail(env, ADZE_ERR_VALUE, "tfidf_vectorizer: the pool does not fit its counts");
    int64_t n = in->dims[in->rank - 1], rows = in->rank == 2 ? in->dims[0] : 1, dims[2] = {rows, p.columns};
    adze_status status = ev_result(env, out, ADZE_DTYPE_f32, in->rank, in->rank == 2 ? dims : dims + 1);
    if (status != ADZE_OK) return status;
    p.counts = ev_scratch(env, (uint64_t)p.columns, sizeof *p.counts);
    if (!p.counts) return ev_no_memory(env);
    for (int64_t row = 0; row < rows; row++) {
        memset(p.counts, 0, (size_t)p.columns * sizeof *p.counts);
        for (int64_t length = p.a->min_gram_length; length <= p.a->max_gram_length; length++)
            for (int64_t skip = 0; skip <= ev_min(p.a->max_skip_count, n); skip++) {
                count_grams(&p, in, row * n, n, length, skip + 1);
                if (length == 1) break; /* one element has nothing to skip */
            }
        if (!ev_text_is(p.a->mode, "TF")) weigh(&p);
        ev_store_f64(ADZE_DTYPE_f32, out->data, row * p.columns, 1, p.columns, p.counts);
    }
    return ADZE_OK;
}
