/* The generated version header: the text and the numbers are one version. */
#include "unit.h"

#include <adze/version.h>

TEST(text_is_the_numbers)
{
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", ADZE_VERSION_MAJOR, ADZE_VERSION_MINOR,
             ADZE_VERSION_PATCH);
    CHECK_STR(ADZE_VERSION, text);
}

int main(void)
{
    RUN(text_is_the_numbers);
    return unit_end();
}
