/* A user's program: prints the version after the runtime answered a wrong path with a status. */
#include <stdio.h>

#include <adze/version.h>
#include <adze_runtime.h>

int main(void)
{
    adze_model *model;
    adze_status status = adze_model_open("no such file", NULL, &model);
    adze_model_close(model);
    if (status != ADZE_ERR_FILE) return 1;
    puts(ADZE_VERSION);
    return 0;
}
