/* Reading files by position, memory and error texts: what the readers stand on. */
#include "io_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

adze_status adze_io_fail(adze_io_error *error, adze_status status, const char *format, ...)
{
    if (!error) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return status;
}

adze_status adze_io_open(const char *path, io_file *out_file, adze_io_error *error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return adze_io_fail(error, ADZE_ERR_FILE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return adze_io_fail(error, ADZE_ERR_FILE, "%s: not a regular file", path);
    }
    *out_file = (io_file){fd, (uint64_t)info.st_size, path};
    return ADZE_OK;
}

void adze_io_close(io_file *file)
{
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}

bool adze_io_pread(const io_file *file, uint64_t offset, void *out, uint64_t bytes)
{
    char *to = out;
    if (offset > file->size || bytes > file->size - offset) return false;
    while (bytes) {
        size_t some = bytes < (1u << 30) ? (size_t)bytes : (size_t)1 << 30;
        ssize_t n = pread(file->fd, to, some, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n, offset += (uint64_t)n, bytes -= (uint64_t)n;
    }
    return true;
}

void *adze_io_alloc(uint64_t bytes)
{
    void *memory;
    if (bytes > PTRDIFF_MAX || posix_memalign(&memory, 64, bytes ? bytes : 1)) return NULL;
    return memory;
}

void adze_array_free(adze_array *array)
{
    if (!array) return;
    free(array->name);
    free(array->data);
    *array = (adze_array){0};
}

/* Four bytes at a time: table[k] advances the remainder by k more zero bytes. */
void adze_io_crc_init(io_crc *crc)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int bit = 0; bit < 8; bit++) r = r & 1 ? (r >> 1) ^ 0xedb88320u : r >> 1;
        crc->table[0][i] = r;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 4; k++) {
            uint32_t r = crc->table[k - 1][i];
            crc->table[k][i] = (r >> 8) ^ crc->table[0][r & 0xff];
        }
    crc->value = 0xffffffffu;
}

void adze_io_crc_add(io_crc *crc, const void *data, uint64_t bytes)
{
    const uint8_t *p = data;
    uint32_t r = crc->value;
    for (; bytes >= 4; bytes -= 4, p += 4) {
        r ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        r = crc->table[3][r & 0xff] ^ crc->table[2][(r >> 8) & 0xff] ^
            crc->table[1][(r >> 16) & 0xff] ^ crc->table[0][r >> 24];
    }
    for (; bytes; bytes--, p++) r = (r >> 8) ^ crc->table[0][(r ^ *p) & 0xff];
    crc->value = r;
}
