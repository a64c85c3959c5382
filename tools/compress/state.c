/* A search that can be gone on with: what was measured, as lines of a file that grows while it runs.
 *
 *     adze-search 1 KEY              of model, data, flags and machine
 *     layer I  S E L  S E L  …       seconds, error (- = not measured) and loss (- likewise) of each format
 *     cut R NAME KEEP NOTE           what the level of the rate R keeps of a group of channels, in hexadecimal texts
 *     level R CUTS LOSS  S …         all its cuts are above; loss, and seconds of each layer
 *     trial …                        the formats chosen, 0 or the rate + 1, then what compress_trial holds
 *
 * A line that was cut off counts as not there. Numbers are exact: gone on with, a search finds what it would have found
 * at once, but for times.
 */
#include "compress.h"

#include <adze/arena.h>
#include <adze/table.h>
#include <adze/version.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool fail(const compress_job *job, const char *what)
{
    return adze_error(adze_loc_unknown(job->work->context), "%s: %s", job->state.path, what);
}

/* ---- Which search it is ---- */

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return adze_hash_mix(hash, text ? adze_hash_bytes(text, strlen(text)) : 0);
}

static uint64_t key_of(const compress_job *job)
{
    const compress_options *o = job->options;
    const char *texts[] = {o->common.target, o->common.precision, o->metric, o->weights, o->clip, o->range, o->data,
                           strrchr(o->output, '.'), o->channels, ADZE_VERSION};
    uint64_t hash = adze_stats_fingerprint(job->module), numbers[] = {(uint64_t)o->common.threads,
        (uint64_t)o->limit, o->keep_tables, job->samples.held.view.count, job->n_layers, job->n_formats};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) hash = mix_text(hash, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) hash = adze_hash_mix(hash, numbers[i]);
    hash = adze_hash_mix(hash, job->samples.calibration.view.fingerprint);
    hash = adze_hash_mix(hash, job->samples.held.view.fingerprint);
    hash = adze_hash_mix(hash, compress_machine_hash(job->work->context));
    adze_text formats = {0};
    for (uint32_t f = 0; f < job->n_formats; f++) {
        adze_format_print(job->formats[f], &formats);
        adze_text_append(&formats, ",");
    }
    hash = mix_text(hash, formats.data);
    adze_text_free(&formats);
    return hash;
}

/* ---- Numbers ---- */

static void put(adze_text *out, double x)
{
    adze_text_append(out, " ");
    if (isfinite(x))
        adze_text_double(out, x);
    else
        adze_text_append(out, isnan(x) ? "-" : x > 0 ? "inf" : "-inf");
}

/* The next number of a line; false at its end. */
static bool take(const char **at, double *out)
{
    while (**at == ' ') ++*at;
    size_t size = strcspn(*at, " \n");
    char *end = NULL;
    if (size == 1 && **at == '-')
        *out = NAN;
    else if (size == 3 && !memcmp(*at, "inf", 3))
        *out = INFINITY;
    else if (size == 4 && !memcmp(*at, "-inf", 4))
        *out = -INFINITY;
    else if (!size || (*out = adze_text_to_double(*at, &end), end != *at + size))
        return false;
    *at += size;
    return true;
}

/* A whole number below `most`. */
static bool take_index(const char **at, uint64_t most, uint64_t *out)
{
    double x;
    if (!take(at, &x) || !(x >= 0) || x >= (double)most || x != floor(x)) return false;
    *out = (uint64_t)x;
    return true;
}

/* ---- Lines ---- */

static bool append(compress_job *job, adze_text *line)
{
    adze_text_append(line, "\n");
    FILE *file = job->state.path ? fopen(job->state.path, "a") : NULL;
    bool ok = !job->state.path || (file && fwrite(line->data, 1, line->size, file) == line->size);
    if (file && fclose(file)) ok = false;
    adze_text_free(line);
    return ok || fail(job, strerror(errno));
}

bool compress_state_keep_layer(compress_job *job, uint32_t layer)
{
    adze_text line = {0};
    adze_text_append(&line, "layer %u", layer);
    for (uint32_t f = 0; f < job->n_formats; f++) {
        size_t at = (size_t)layer * job->n_formats + f;
        put(&line, job->seconds[at]);
        put(&line, job->probes[at].measured ? job->probes[at].error : NAN);
        put(&line, job->losses[at]);
    }
    return append(job, &line);
}

static bool read_layer(compress_job *job, const char *at)
{
    uint64_t layer;
    if (!take_index(&at, job->n_layers, &layer)) return false;
    size_t n = 3 * (size_t)job->n_formats;
    double *row = adze_malloc((n + 1) * sizeof *row);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = take(&at, &row[i]);
    for (size_t f = 0; ok && f < job->n_formats; f++) /* seconds, errors */
        ok = row[3 * f] >= 0 && isfinite(row[3 * f]) && !(row[3 * f + 1] < 0);
    ok = ok && *at == '\n';
    if (ok) memcpy(&job->state.layers[layer * n], row, n * sizeof *row); /* a line that is damaged changes nothing */
    if (ok) job->state.known[layer] = true;
    free(row);
    return ok;
}

bool compress_state_find_layer(const compress_job *job, uint32_t layer)
{
    if (!job->state.known || !job->state.known[layer]) return false;
    for (uint32_t f = 0; f < job->n_formats; f++) {
        const double *from = &job->state.layers[((size_t)layer * job->n_formats + f) * 3];
        size_t at = (size_t)layer * job->n_formats + f;
        job->seconds[at] = from[0];
        job->probes[at] = (adze_probe){!isnan(from[1]), isnan(from[1]) ? 0 : from[1]};
        job->losses[at] = from[2];
    }
    return true;
}

static void put_score(adze_text *line, const compress_score *score)
{
    put(line, score->value);
    put(line, score->n);
    for (uint32_t i = 0; i < score->n; i++) put(line, score->each[i]);
}

static bool take_score(const char **at, compress_score *out)
{
    enum { MOST = 1 << 26 };
    uint64_t n;
    if (!take(at, &out->value) || !take_index(at, MOST, &n)) return false;
    for (uint64_t i = 0; i < n; i++) {
        double x;
        if (!take(at, &x)) return false;
        compress_score_add(out, x);
    }
    return true;
}

/* Levels are numbered as they are found, which may change; the rates that they are of do not. 0: no level. */
static uint32_t rate_of(const compress_job *job, uint32_t level) { return level ? job->levels[level].rate + 1 : 0; }

bool compress_state_keep_trial(compress_job *job, const compress_trial *t)
{
    adze_text line = {0};
    adze_text_append(&line, "trial");
    for (uint32_t i = 0; i < job->n_layers; i++) put(&line, t->chosen[i]);
    put(&line, rate_of(job, t->chosen[job->n_layers]));
    const double numbers[] = {(double)t->bytes, (double)t->weight_bytes, (double)t->memory, t->seconds,
                              t->median, t->against, t->against_median, t->loss};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) put(&line, numbers[i]);
    put_score(&line, &t->score);
    put_score(&line, &t->snr);
    return append(job, &line);
}

static bool parse_trial(const compress_job *job, const char *at, compress_trial *t)
{
    double numbers[8];
    for (uint32_t i = 0; i <= job->n_layers; i++) {
        uint64_t format;
        if (!take_index(&at, UINT32_MAX, &format)) return false;
        t->chosen[i] = (uint32_t)format;
    }
    for (size_t i = 0; i < 8; i++)
        if (!take(&at, &numbers[i])) return false;
    for (size_t i = 0; i < 7; i++)
        if (!(numbers[i] >= 0) || numbers[i] > 0x1p53) return false;
    t->bytes = (uint64_t)numbers[0], t->weight_bytes = (uint64_t)numbers[1], t->memory = (uint64_t)numbers[2];
    t->seconds = numbers[3], t->median = numbers[4], t->against = numbers[5], t->against_median = numbers[6];
    t->loss = numbers[7];
    return take_score(&at, &t->score) && take_score(&at, &t->snr) && *at == '\n';
}

static bool read_trial(compress_job *job, const char *at)
{
    compress_state *s = &job->state;
    if (s->n_trials == COMPRESS_MAX_TRIALS) return false;
    compress_trial *t = &s->trials[s->n_trials];
    *t = (compress_trial){.chosen = adze_malloc((job->n_layers + 1u) * sizeof *t->chosen)};
    if (parse_trial(job, at, t)) return s->n_trials++, true;
    compress_trial_free(t);
    return false;
}

bool compress_state_find_trial(compress_job *job, const uint32_t *chosen, compress_trial *out)
{
    compress_state *s = &job->state;
    for (uint32_t i = 0; i < s->n_trials; i++) {
        const uint32_t *known = s->trials[i].chosen;
        if (!known || memcmp(known, chosen, job->n_layers * sizeof *known)) continue;
        if (known[job->n_layers] != rate_of(job, chosen[job->n_layers])) continue;
        *out = s->trials[i]; /* given away */
        out->chosen[job->n_layers] = chosen[job->n_layers];
        s->trials[i] = (compress_trial){0};
        return true;
    }
    return false;
}

/* ---- Levels ---- */

static void put_text(adze_text *line, const char *text)
{
    adze_text_append(line, " .");
    for (const char *c = text ? text : ""; *c; c++) adze_text_append(line, "%02x", (unsigned)(unsigned char)*c);
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

static const char *take_text(const compress_job *job, const char **at)
{
    while (**at == ' ') ++*at;
    if (**at != '.') return NULL;
    adze_text text = {0};
    for (++*at;; *at += 2) {
        int high = digit_of((*at)[0]), low = high < 0 ? -1 : digit_of((*at)[1]);
        char byte = (char)(16 * high + low);
        if (low < 0 || !byte) break;
        adze_text_write(&text, &byte, 1);
    }
    const char *taken = adze_intern(job->work->context, text.data ? text.data : "", text.size);
    adze_text_free(&text);
    return taken;
}

bool compress_state_keep_level(compress_job *job, uint32_t rate, const compress_level *level)
{
    adze_text line = {0};
    for (uint32_t i = 0; i < level->n_cuts; i++) {
        adze_text_append(&line, "cut %u", rate);
        put_text(&line, level->cuts[i].name);
        put(&line, (double)level->cuts[i].keep);
        put_text(&line, level->cuts[i].note);
        adze_text_append(&line, "\n");
    }
    adze_text_append(&line, "level %u %u", rate, level->n_cuts);
    put(&line, level->loss);
    for (uint32_t i = 0; i < job->n_layers; i++) put(&line, level->seconds ? level->seconds[i] : 0);
    return append(job, &line);
}

static bool read_cut(compress_job *job, const char *at)
{
    uint64_t rate, keep;
    if (!take_index(&at, job->n_rates, &rate)) return false;
    const char *name = take_text(job, &at);
    if (!name || !take_index(&at, UINT32_MAX, &keep) || !keep) return false;
    const char *note = take_text(job, &at);
    if (!note || *at != '\n') return false;
    compress_level *level = &job->state.levels[rate];
    level->cuts = adze_realloc(level->cuts, (level->n_cuts + 1u) * sizeof *level->cuts);
    level->cuts[level->n_cuts++] = (compress_cut){name, keep, *note ? note : NULL};
    return true;
}

static bool read_level(compress_job *job, const char *at)
{
    uint64_t rate, n;
    if (!take_index(&at, job->n_rates, &rate) || !take_index(&at, UINT32_MAX, &n)) return false;
    compress_level *level = &job->state.levels[rate];
    if (n != level->n_cuts || level->seconds || !take(&at, &level->loss)) return false;
    level->seconds = adze_malloc((job->n_layers + 1u) * sizeof *level->seconds);
    bool ok = isfinite(level->loss);
    for (uint32_t i = 0; ok && i < job->n_layers; i++)
        ok = take(&at, &level->seconds[i]) && level->seconds[i] >= 0 && isfinite(level->seconds[i]);
    if (ok && *at == '\n') return true;
    free(level->seconds);
    level->seconds = NULL;
    return false;
}

bool compress_state_find_level(compress_job *job, uint32_t rate, compress_level *out)
{
    compress_level *known = &job->state.levels[rate];
    if (!known->seconds) return false;
    *out = *known; /* given away */
    *known = (compress_level){0};
    return true;
}

/* ---- The file ---- */

static bool read_lines(compress_job *job, FILE *file, const char *first)
{
    char *line = NULL;
    size_t capacity = 0;
    bool any = getline(&line, &capacity, file) >= 0 && !strncmp(line, "adze-search ", 12);
    bool ok = any ? !strcmp(line, first) || fail(job, "is of another search: other model, data, flags or machine; "
                                                      "without --resume it begins anew")
                  : fail(job, "is no search of adze compress");
    while (ok && getline(&line, &capacity, file) >= 0) {
        if (!strncmp(line, "layer ", 6))
            (void)read_layer(job, line + 5); /* what is damaged is measured anew */
        else if (!strncmp(line, "trial ", 6))
            (void)read_trial(job, line + 5);
        else if (!strncmp(line, "cut ", 4))
            (void)read_cut(job, line + 3);
        else if (!strncmp(line, "level ", 6))
            (void)read_level(job, line + 5);
    }
    free(line);
    return ok;
}

bool compress_state_open(compress_job *job)
{
    compress_state *s = &job->state;
    char first[64];
    s->path = adze_internf(job->work->context, "%s.search", job->options->output);
    s->layers = adze_malloc((size_t)job->n_layers * job->n_formats * 3 * sizeof *s->layers + 1);
    s->known = adze_malloc(job->n_layers + 1u);
    memset(s->known, 0, job->n_layers + 1u);
    snprintf(first, sizeof first, "adze-search 1 %016" PRIx64 "\n", key_of(job));
    FILE *file = job->options->resume ? fopen(s->path, "r") : NULL;
    if (job->options->resume && !file && errno == ENOENT)
        return fail(job, "there is no such search to go on with; without --resume one begins");
    if (job->options->resume && !file) return fail(job, strerror(errno));
    if (file) {
        bool ok = read_lines(job, file, first), cut = !fseek(file, -1, SEEK_END) && fgetc(file) != '\n';
        fclose(file);
        adze_text end = {0};
        return s->open = ok && (!cut || append(job, &end)); /* what follows is a line of its own */
    }
    file = fopen(s->path, "w");
    bool ok = file && fputs(first, file) >= 0;
    if (file && fclose(file)) ok = false;
    s->open = ok;
    return ok || fail(job, strerror(errno));
}

void compress_state_close(compress_job *job, bool done)
{
    compress_state *s = &job->state;
    if (s->path && done) unlink(s->path);
    for (uint32_t i = 0; i < s->n_trials; i++) compress_trial_free(&s->trials[i]);
    for (uint32_t i = 0; i < COMPRESS_MAX_LEVELS; i++) compress_level_free(&s->levels[i]);
    free(s->layers);
    free(s->known);
    *s = (compress_state){0};
}
