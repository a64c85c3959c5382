/* Small images for the tests, encoded by the libraries that decode them, or byte by byte. */
#ifndef IMAGES_ENCODE_H
#define IMAGES_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENCODED_WIDTH = 13, ENCODED_HEIGHT = 7, ENCODED_MOST = 1 << 16 };

typedef struct encoded {
    const char *name;
    bool lossy;
    size_t size;
    uint8_t bytes[ENCODED_MOST];
} encoded;

/* Red, green, blue of the pixel at a place. */
void encoded_pixel(int x, int y, uint8_t rgb[3]);
/* Image `index` of that picture; false behind the last one. The formats that the build lacks are not among them. */
bool encoded_image(uint32_t index, encoded *out);
/* A picture by libpng with samples of that type and depth, interlaced or not, all 0x5a, palette (90, 91, 92), ...; by
 * libtiff with that orientation and further samples of that kind. False where the build lacks the library. */
bool encoded_png(int colour_type, int depth, bool interlaced, encoded *out);
bool encoded_tiff(uint16_t orientation, int extra, uint16_t compression, bool tiles, encoded *out);

#endif
