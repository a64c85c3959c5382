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

/* What a preset stands for: a budget of loss, and the formats that pay where it is for. */
typedef struct preset {
    const char *name, *goal, *minimize, *formats;
} preset;

static const preset *find_preset(const char *name)
{
    static const preset presets[] = {
        {"mobile", "loss<=1%", "size", COMPRESS_FORMATS},
        {"cloud", "loss<=2%", "size", COMPRESS_FORMATS},
        {"realtime", "loss<=0.5%", "time", COMPRESS_FORMATS},
    };
    for (size_t i = 0; name && i < sizeof presets / sizeof *presets; i++)
        if (!strcmp(presets[i].name, name)) return &presets[i];
    return NULL;
}

int compress_goals_parse(adze_context *context, compress_options *o, compress_goals *out)
{
    const preset *named = find_preset(o->preset);
    const char *fallback = named ? named->goal : "loss<=1%";
    *out = (compress_goals){0};
    if (named && !o->minimize) o->minimize = named->minimize;
    if (named && !o->formats) o->formats = named->formats;
    for (uint32_t i = 0; i < o->goals.count; i++)
        for (const char *at = o->goals.items[i];;) {
            size_t size = strcspn(at, ",");
            int status = parse_one(context, at, size, out);
            if (status) return status;
            at += size;
            if (!*at++) break;
        }
    bool budget = named ? !compress_goals_find(out, COMPRESS_LOSS) : !out->count;
    return budget ? parse_one(context, fallback, strlen(fallback), out) : 0;
}

const compress_goal *compress_goals_find(const compress_goals *goals, compress_goal_kind kind)
{
    for (uint32_t i = 0; i < goals->count; i++)
        if (goals->items[i].kind == kind) return &goals->items[i];
    return NULL;
}
