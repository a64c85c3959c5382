/* Decompression of deflate streams (RFC 1951), as compressed .npz files hold them.
 *
 * Codes up to FAST_BITS are looked up in one step, longer ones by walking the canonical code's
 * lengths. */
#include "io_private.h"
#include <string.h>

enum { FAST_BITS = 10, MAX_BITS = 15, MAX_LITERALS = 288, MAX_DISTANCES = 32 };

typedef struct huffman {
    uint16_t fast[1 << FAST_BITS]; /* symbol << 4 | length; 0 = no short code */
    uint16_t count[MAX_BITS + 1];  /* codes of each length */
    uint16_t symbol[MAX_LITERALS]; /* in order of their codes */
} huffman;

typedef struct stream {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_start, *out_end;
    uint64_t bits;
    unsigned n_bits;
    unsigned missing; /* zero bits that were invented past the end of the input */
    huffman literals, distances;
} stream;

/* At least 48 bits at hand afterwards; past the end they are zero and counted. */
static void refill(stream *s)
{
    while (s->n_bits <= 56) {
        if (s->in < s->in_end)
            s->bits |= (uint64_t)*s->in++ << s->n_bits;
        else
            s->missing += 8;
        s->n_bits += 8;
    }
}

static bool ran_out(const stream *s) { return s->missing > s->n_bits; }

static unsigned take(stream *s, unsigned n)
{
    unsigned value = (unsigned)(s->bits & ((UINT64_C(1) << n) - 1));
    s->bits >>= n;
    s->n_bits -= n;
    return value;
}

static unsigned reverse(unsigned code, unsigned length)
{
    unsigned r = 0;
    for (unsigned i = 0; i < length; i++) r |= ((code >> i) & 1) << (length - 1 - i);
    return r;
}

/* False if more codes are claimed than exist. Missing codes are found when one is met. */
static bool build(huffman *h, const uint8_t *lengths, unsigned n)
{
    unsigned next[MAX_BITS + 2] = {0}, offset[MAX_BITS + 2] = {0};
    memset(h, 0, sizeof *h);
    for (unsigned i = 0; i < n; i++) h->count[lengths[i]]++;
    h->count[0] = 0;
    int left = 1;
    for (unsigned k = 1; k <= MAX_BITS; k++) {
        left = 2 * left - h->count[k];
        if (left < 0) return false;
        offset[k + 1] = offset[k] + h->count[k];
        next[k + 1] = (next[k] + h->count[k]) << 1;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned length = lengths[i];
        if (!length) continue;
        h->symbol[offset[length]++] = (uint16_t)i;
        unsigned code = next[length]++;
        if (length > FAST_BITS) continue;
        for (unsigned k = reverse(code, length); k < 1u << FAST_BITS; k += 1u << length)
            h->fast[k] = (uint16_t)(i << 4 | length);
    }
    return true;
}

/* -1 for a pattern that is no code. */
static int decode(stream *s, const huffman *h)
{
    unsigned entry = h->fast[s->bits & ((1u << FAST_BITS) - 1)];
    if (entry) {
        take(s, entry & 15);
        return (int)(entry >> 4);
    }
    int code = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= MAX_BITS; length++) {
        code |= (int)((s->bits >> (length - 1)) & 1);
        int count = h->count[length];
        if (code - first < count) {
            take(s, length);
            return h->symbol[index + code - first];
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return -1;
}

static io_inflate stored_block(stream *s)
{
    take(s, s->n_bits & 7);
    refill(s);
    unsigned length = take(s, 16), check = take(s, 16);
    if (ran_out(s)) return INFLATE_SHORT;
    if ((length ^ check) != 0xffff) return INFLATE_BAD;
    for (; length; length--) {
        refill(s);
        if (ran_out(s)) return INFLATE_SHORT;
        if (s->out == s->out_end) return INFLATE_FULL;
        *s->out++ = (uint8_t)take(s, 8);
    }
    return INFLATE_DONE;
}

static io_inflate copy_match(stream *s, int symbol)
{
    static const uint16_t length_base[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                           67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    if (symbol > 285) return INFLATE_BAD;
    symbol -= 257;
    size_t length = length_base[symbol] + take(s, length_bits[symbol]);
    int d = decode(s, &s->distances);
    if (d < 0 || d > 29) return ran_out(s) ? INFLATE_SHORT : INFLATE_BAD;
    size_t distance = distance_base[d] + take(s, d < 4 ? 0 : (unsigned)d / 2 - 1);
    if (ran_out(s)) return INFLATE_SHORT;
    if (distance > (size_t)(s->out - s->out_start)) return INFLATE_BAD;
    for (; length; length--, s->out++) {
        if (s->out == s->out_end) return INFLATE_FULL;
        *s->out = *(s->out - distance);
    }
    return INFLATE_DONE;
}

static io_inflate coded_block(stream *s)
{
    for (;;) {
        refill(s);
        int symbol = decode(s, &s->literals);
        if (ran_out(s)) return INFLATE_SHORT;
        if (symbol < 0) return INFLATE_BAD;
        if (symbol == 256) return INFLATE_DONE;
        if (symbol < 256) {
            if (s->out == s->out_end) return INFLATE_FULL;
            *s->out++ = (uint8_t)symbol;
        } else {
            io_inflate result = copy_match(s, symbol);
            if (result != INFLATE_DONE) return result;
        }
    }
}

static void fixed_codes(stream *s)
{
    uint8_t lengths[MAX_LITERALS];
    for (unsigned i = 0; i < MAX_LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    build(&s->literals, lengths, MAX_LITERALS);
    memset(lengths, 5, MAX_DISTANCES);
    build(&s->distances, lengths, MAX_DISTANCES);
}

static io_inflate read_lengths(stream *s, uint8_t *lengths, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        refill(s);
        int symbol = decode(s, &s->literals); /* holds the code of the code lengths for now */
        unsigned repeat = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol < 0) return ran_out(s) ? INFLATE_SHORT : INFLATE_BAD;
        if (symbol == 16) {
            if (i == 0) return INFLATE_BAD;
            value = lengths[i - 1];
            repeat = 3 + take(s, 2);
        } else if (symbol > 16) {
            value = 0;
            repeat = symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        }
        if (ran_out(s)) return INFLATE_SHORT;
        if (repeat > n - i) return INFLATE_BAD;
        for (; repeat; repeat--) lengths[i++] = value;
    }
    return INFLATE_DONE;
}

static io_inflate dynamic_codes(stream *s)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[MAX_LITERALS + MAX_DISTANCES] = {0};
    refill(s);
    unsigned n_literals = 257 + take(s, 5), n_distances = 1 + take(s, 5), n_codes = 4 + take(s, 4);
    if (n_literals > 286 || n_distances > 30) return ran_out(s) ? INFLATE_SHORT : INFLATE_BAD;
    for (unsigned i = 0; i < n_codes; i++) {
        refill(s);
        lengths[order[i]] = (uint8_t)take(s, 3);
    }
    if (ran_out(s)) return INFLATE_SHORT;
    if (!build(&s->literals, lengths, 19)) return INFLATE_BAD;
    memset(lengths, 0, sizeof lengths);
    io_inflate result = read_lengths(s, lengths, n_literals + n_distances);
    if (result != INFLATE_DONE) return result;
    if (!build(&s->literals, lengths, n_literals) ||
        !build(&s->distances, lengths + n_literals, n_distances))
        return INFLATE_BAD;
    return INFLATE_DONE;
}

static io_inflate run_block(stream *s, bool *out_last)
{
    refill(s);
    *out_last = take(s, 1);
    unsigned type = take(s, 2);
    if (ran_out(s)) return INFLATE_SHORT;
    if (type == 0) return stored_block(s);
    if (type == 1) {
        fixed_codes(s);
        return coded_block(s);
    }
    if (type == 3) return INFLATE_BAD;
    io_inflate result = dynamic_codes(s);
    return result == INFLATE_DONE ? coded_block(s) : result;
}

io_inflate adze_io_inflate(const uint8_t *in, uint64_t n_in, uint8_t *out, uint64_t n_out,
                           uint64_t *out_used, uint64_t *out_read)
{
    stream s = {
        .in = in, .in_end = in + n_in, .out = out, .out_start = out, .out_end = out + n_out};
    io_inflate result = INFLATE_DONE;
    for (bool last = false; !last && result == INFLATE_DONE;) result = run_block(&s, &last);
    *out_used = (uint64_t)(s.out - out);
    *out_read = (uint64_t)(s.in - in) - (s.n_bits - s.missing) / 8;
    return result;
}
