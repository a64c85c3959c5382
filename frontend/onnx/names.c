/* Names that the export makes: of results that have none in the IR, "conv1~2", and of what it needs beside them,
 * "conv1~3~".
 *
 * The import drops both again, so that a model that was written reads as the IR that it was written from. Of several
 * nodes that say one op, or several ops of one node, all but the first end in "~1", "~2", …, which is dropped, too.
 */
#include "import.h"

#include <string.h>

bool adze_onnx_is_made(const char *name)
{
    size_t size = strlen(name), n = size;
    if (n && name[n - 1] == '~') n--;
    size_t end = n;
    while (n && name[n - 1] >= '0' && name[n - 1] <= '9') n--;
    return n < end && n && name[n - 1] == '~';
}

bool adze_onnx_is_helper(const char *name)
{
    size_t size = strlen(name);
    return size && name[size - 1] == '~' && adze_onnx_is_made(name);
}
