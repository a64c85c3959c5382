/* Opening a shared object. Apart from the other files, so that a program with a linked-in model
 * needs no dlopen.
 *
 * The loader keys libraries by path: a file that is replaced under the same name while an older
 * model of that name is open gives the older code again. Close first, or open under another name.
 */
#include "internal.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void unload(void *library) { dlclose(library); }

/* dlopen searches the library path for a name without a slash; a model is always a path. */
static void *load(adze_model *model, const char *path)
{
    if (strchr(path, '/')) return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    size_t bytes = strlen(path) + 3;
    char *local = adze_rt_model_alloc(&model->allocator, bytes, 1);
    if (!local) return NULL;
    snprintf(local, bytes, "./%s", path);
    void *library = dlopen(local, RTLD_NOW | RTLD_LOCAL);
    model->allocator.free(model->allocator.self, local, bytes);
    return library;
}

adze_status adze_model_open(const char *path, const adze_open_options *options,
                            adze_model **out_model)
{
    if (!out_model) return ADZE_ERR_ARGUMENT;
    adze_status status = adze_rt_model_create(options, out_model);
    if (status) return status;
    adze_model *model = *out_model;
    if (!path || !*path) return adze_rt_fail(model->error, ADZE_ERR_ARGUMENT, "open: no path");
    status = adze_rt_elf_check(path, model->error);
    if (status) return status;

    model->extension = adze_extension_find;
    model->library = load(model, path);
    if (!model->library) {
        const char *why = dlerror();
        return adze_rt_fail(model->error, ADZE_ERR_FILE, "%s", why ? why : "out of memory");
    }
    model->unload = unload;
    const adze_artifact *artifact = dlsym(model->library, "adze_artifact");
    if (!artifact) return adze_rt_fail(model->error, ADZE_ERR_FORMAT, "%s: no adze_artifact", path);
    const char *slash = strrchr(path, '/');
    size_t folder_size = slash ? (slash == path ? 1 : (size_t)(slash - path)) : 1;
    status = adze_rt_model_finish(model, artifact, options, slash ? path : ".", folder_size);
    if (status) model->artifact = NULL;
    return status;
}
