/* Weights: inside the artifact, or in a file beside it that is mapped read-only and shared.
 *
 * The file is checked for its size when it is opened. Cutting it short while a model runs is like
 * cutting short the program itself: the system kills the process. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Only a plain file name: an artifact must not reach outside its own folder. */
static bool is_plain_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static adze_status map(adze_model *model, const char *path)
{
    uint64_t size = model->artifact->weights_size;
    struct stat info;
    adze_status status = ADZE_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return adze_rt_fail(model->error, ADZE_ERR_FILE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = adze_rt_fail(model->error, ADZE_ERR_FILE, "%s: not a regular file", path);
    } else if ((uint64_t)info.st_size != size) {
        status =
            adze_rt_fail(model->error, ADZE_ERR_FORMAT, "%s: has %lld bytes, the model needs %llu",
                         path, (long long)info.st_size, (unsigned long long)size);
    } else if (size) {
        void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) {
            status = adze_rt_fail(model->error, ADZE_ERR_FILE, "%s: cannot be mapped: %s", path,
                                  strerror(errno));
        } else {
            model->mapping = memory;
            model->mapping_bytes = size;
            model->weights = memory;
        }
    }
    close(fd);
    return status;
}

adze_status adze_rt_weights_open(adze_model *model, const char *folder, size_t folder_size)
{
    const char *name = model->artifact->weights_file;
    model->weights = model->artifact->weights;
    if (!name) return ADZE_OK;
    if (!is_plain_name(name))
        return adze_rt_fail(model->error, ADZE_ERR_FORMAT,
                            "artifact: its weights file '%s' is not a plain file name", name);
    size_t bytes = folder_size + strlen(name) + 2;
    char *path = adze_rt_model_alloc(&model->allocator, bytes, 1);
    if (!path) return adze_rt_fail(model->error, ADZE_ERR_NO_MEMORY, "out of memory");
    memcpy(path, folder, folder_size);
    snprintf(path + folder_size, bytes - folder_size, "/%s", name);
    adze_status status = map(model, path);
    model->allocator.free(model->allocator.self, path, bytes);
    return status;
}

void adze_rt_weights_close(adze_model *model)
{
    if (model->mapping) munmap(model->mapping, model->mapping_bytes);
    model->mapping = NULL;
}
