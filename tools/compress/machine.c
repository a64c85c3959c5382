/* The machine that is measured on: its name, and what tells its measured times from others'. */
#include "compress.h"

#include <adze/table.h>
#include <adze/version.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *compress_cpu_name(adze_context *context)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[256];
    const char *found = NULL;
    while (file && !found && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        found = adze_intern_z(context, colon + 1 + strspn(colon + 1, " "));
    }
    if (file) fclose(file);
    return found;
}

/* Another build of the library may bring other kernels. */
static uint64_t hash_build(void)
{
    Dl_info info;
    struct stat file;
    if (!dladdr((void *)(uintptr_t)adze_host_level, &info) || !info.dli_fname || stat(info.dli_fname, &file)) return 0;
    return adze_hash_mix((uint64_t)file.st_size, (uint64_t)file.st_mtim.tv_sec);
}

uint64_t compress_machine_hash(adze_context *context)
{
    const char *cpu = compress_cpu_name(context), *level = adze_host_level();
    uint64_t hash = adze_hash_mix(hash_build(), adze_hash_bytes(ADZE_VERSION, strlen(ADZE_VERSION)));
    if (cpu) hash = adze_hash_mix(hash, adze_hash_bytes(cpu, strlen(cpu)));
    return level ? adze_hash_mix(hash, adze_hash_bytes(level, strlen(level))) : hash;
}
