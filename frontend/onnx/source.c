/* Reading a model's bytes through a window. See source.h. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 64 * 1024, LOOKAHEAD = 16 };

adze_loc adze_onnx_source_loc(const adze_onnx_source *source)
{
    adze_loc loc = adze_loc_unknown(source->context);
    loc.file = source->path;
    return loc;
}

bool adze_onnx_source_open(adze_onnx_source *source, adze_context *context, const char *path)
{
    *source = (adze_onnx_source){.context = context, .file = -1};
    source->path = adze_intern_z(context, path);
    adze_loc loc = adze_onnx_source_loc(source);
    /* O_NONBLOCK: opening a pipe must not wait for a writer. */
    source->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source->file < 0) return adze_error(loc, "cannot open the file: %s", strerror(errno));
    struct stat info;
    if (fstat(source->file, &info) != 0)
        return adze_error(loc, "cannot read the file: %s", strerror(errno));
    if (!S_ISREG(info.st_mode)) return adze_error(loc, "not a regular file");
    source->size = (uint64_t)info.st_size;
    if (source->size > ADZE_ONNX_LARGEST_FILE)
        return adze_error(loc, "%llu bytes: protobuf messages have at most 2 GiB; save the model with its weights as "
                               "external data", (unsigned long long)source->size);
    source->window = malloc(WINDOW);
    if (!source->window) return adze_error(loc, "out of memory");
    return true;
}

void adze_onnx_source_open_memory(adze_onnx_source *source, adze_context *context, const char *name,
                                  const void *bytes, uint64_t size)
{
    *source = (adze_onnx_source){.context = context, .file = -1, .memory = bytes, .size = size};
    source->path = adze_intern_z(context, name);
}

void adze_onnx_source_close(adze_onnx_source *source)
{
    if (source->file >= 0) close(source->file);
    free(source->window);
    source->file = -1;
    source->window = NULL;
    source->window_size = 0;
}

/* Reads exactly `count` bytes of the file. */
static bool read_file(const adze_onnx_source *source, uint64_t offset, uint8_t *out, uint64_t count)
{
    while (count > 0) {
        size_t part = count < (UINT64_C(1) << 30) ? (size_t)count : (size_t)1 << 30;
        ssize_t got = pread(source->file, out, part, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return adze_error(adze_onnx_source_loc(source), "cannot read the file: %s",
                              strerror(errno));
        if (got == 0)
            return adze_error(
                adze_onnx_source_loc(source),
                "the file became shorter while it was read: %llu bytes at %llu are gone",
                (unsigned long long)count, (unsigned long long)offset);
        out += got;
        offset += (uint64_t)got;
        count -= (uint64_t)got;
    }
    return true;
}

const uint8_t *adze_onnx_source_peek(adze_onnx_source *source, uint64_t offset, uint64_t *out_count)
{
    uint64_t left = source->size - offset;
    if (source->file < 0) {
        *out_count = left;
        return source->memory + offset;
    }
    uint64_t need = left < LOOKAHEAD ? left : LOOKAHEAD;
    if (offset < source->window_at || offset + need > source->window_at + source->window_size) {
        uint64_t count = left < WINDOW ? left : WINDOW;
        source->window_size = 0;
        if (!read_file(source, offset, source->window, count)) return NULL;
        source->window_at = offset;
        source->window_size = count;
    }
    *out_count = source->window_at + source->window_size - offset;
    return source->window + (offset - source->window_at);
}

bool adze_onnx_source_read(adze_onnx_source *source, uint64_t offset, void *out, uint64_t count)
{
    if (count == 0) return true;
    if (source->file < 0) {
        memcpy(out, source->memory + offset, count);
        return true;
    }
    if (count > WINDOW / 4) return read_file(source, offset, out, count);
    uint8_t *to = out;
    while (count > 0) {
        uint64_t have;
        const uint8_t *from = adze_onnx_source_peek(source, offset, &have);
        if (!from) return false;
        uint64_t part = have < count ? have : count;
        memcpy(to, from, part);
        to += part;
        offset += part;
        count -= part;
    }
    return true;
}
