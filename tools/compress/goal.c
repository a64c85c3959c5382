/* Goals of adze compress: "size<=0.25x", "time<=0.5x", "loss<=0.5%". */
#include "compress.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    compress_goal_kind kind;
} kinds[] = {{"size", COMPRESS_SIZE}, {"weights", COMPRESS_WEIGHTS}, {"time", COMPRESS_TIME}, {"loss", COMPRESS_LOSS}};

/* The number behind <=, with its unit: x for ratios; % or nothing for losses. */
static bool read_bound(const char *text, size_t size, compress_goal_kind kind, double *out)
{
    char *end;
    *out = adze_text_to_double(text, &end);
    if (end == text || !isfinite(*out) || *out < 0) return false;
    bool percent = end < text + size && *end == '%', times = end < text + size && *end == 'x';
    if (percent) *out /= 100;
    end += percent || times;
    if (end != text + size) return false;
    if (kind == COMPRESS_LOSS) return !times && (percent || *out < 1); /* "1" is more likely 1 % than all of it */
    return *out > 0;
}

static int parse_one(adze_context *context, const char *text, size_t size, compress_goals *out)
{
    size_t name = strcspn(text, "<>=,"), i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && (strlen(kinds[i].name) != name || memcmp(kinds[i].name, text, name) != 0)) i++;
    if (i == n)
        return adze_usage_error("--goal=%.*s: goals are size, weights, time and loss, as size<=0.25x or loss<=0.5%%",
                                (int)size, text);
    if (name + 2 > size || memcmp(text + name, "<=", 2) != 0)
        return adze_usage_error("--goal=%.*s: a goal is a bound from above, written %s<=…", (int)size, text,
                                kinds[i].name);
    compress_goal goal = {.kind = kinds[i].kind, .text = adze_intern(context, text, size)};
    if (!read_bound(text + name + 2, size - name - 2, goal.kind, &goal.bound))
        return adze_usage_error(goal.kind == COMPRESS_LOSS
                                    ? "--goal=%.*s: a loss is a number of 0 or above, as 0.5%% or 0.005; "
                                      "without %% it is below 1"
                                    : "--goal=%.*s: the bound is a number above 0, as 0.25x or 25%%",
                                (int)size, text);
    if (compress_goals_find(out, goal.kind))
        return adze_usage_error("--goal: %s has two bounds; give the tighter one alone", kinds[i].name);
    out->items[out->count++] = goal;
    return 0;
}

int compress_goals_parse(adze_context *context, const adze_flag_list *texts, compress_goals *out)
{
    static const char fallback[] = "loss<=1%";
    *out = (compress_goals){0};
    for (uint32_t i = 0; i < texts->count; i++)
        for (const char *at = texts->items[i];;) {
            size_t size = strcspn(at, ",");
            int status = parse_one(context, at, size, out);
            if (status) return status;
            at += size;
            if (!*at++) break;
        }
    return out->count ? 0 : parse_one(context, fallback, strlen(fallback), out);
}

const compress_goal *compress_goals_find(const compress_goals *goals, compress_goal_kind kind)
{
    for (uint32_t i = 0; i < goals->count; i++)
        if (goals->items[i].kind == kind) return &goals->items[i];
    return NULL;
}
