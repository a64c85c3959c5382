/* Each encoder is the library's own; bmp and pnm are written byte by byte. */
#include "images_encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef ADZE_IMAGES_JPEG
#include <jpeglib.h>
#endif
#ifdef ADZE_IMAGES_JPEG2000
#include <openjpeg.h>
#endif
#ifdef ADZE_IMAGES_PNG
#include <png.h>
#endif
#ifdef ADZE_IMAGES_TIFF
#include <tiffio.h>
#endif
#ifdef ADZE_IMAGES_WEBP
#include <webp/encode.h>
#endif

enum { W = ENCODED_WIDTH, H = ENCODED_HEIGHT };

void encoded_pixel(int x, int y, uint8_t rgb[3])
{
    rgb[0] = (uint8_t)(x * 19);
    rgb[1] = (uint8_t)(y * 36);
    rgb[2] = (uint8_t)(x * y + 7);
}

static void fill_rgb(uint8_t rgb[H * W * 3])
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) encoded_pixel(x, y, rgb + 3 * (y * W + x));
}

static void put(encoded *e, const void *bytes, size_t size)
{
    if (e->size + size > sizeof e->bytes) abort();
    memcpy(e->bytes + e->size, bytes, size);
    e->size += size;
}

static void put_le(encoded *e, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) put(e, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* ---- By hand ---- */

static bool bmp(encoded *e)
{
    const uint8_t zero[4] = {0};
    uint32_t stride = (W * 3 + 3) / 4 * 4;
    put(e, "BM", 2);
    put_le(e, 54 + stride * H, 4);
    put_le(e, 0, 4);
    put_le(e, 54, 4);
    put_le(e, 40, 4);
    put_le(e, W, 4);
    put_le(e, H, 4);
    put_le(e, 1, 2);
    put_le(e, 24, 2);
    for (int i = 0; i < 6; i++) put_le(e, 0, 4);
    for (int y = H - 1; y >= 0; y--) {
        for (int x = 0; x < W; x++) {
            uint8_t rgb[3];
            encoded_pixel(x, y, rgb);
            put(e, (uint8_t[]){rgb[2], rgb[1], rgb[0]}, 3);
        }
        put(e, zero, stride - W * 3);
    }
    return true;
}

static bool pnm(encoded *e)
{
    uint8_t rgb[H * W * 3];
    char head[40];
    fill_rgb(rgb);
    put(e, head, (size_t)snprintf(head, sizeof head, "P6 # a comment\n%d %d\n255\n", W, H));
    put(e, rgb, sizeof rgb);
    return true;
}

static bool pnm_text(encoded *e)
{
    uint8_t rgb[H * W * 3];
    char text[40];
    fill_rgb(rgb);
    put(e, text, (size_t)snprintf(text, sizeof text, "P3\n%d %d 255", W, H));
    for (size_t i = 0; i < sizeof rgb; i++) put(e, text, (size_t)snprintf(text, sizeof text, " %d", rgb[i]));
    return true;
}

/* ---- By the libraries ---- */

#ifdef ADZE_IMAGES_JPEG
static bool jpeg(encoded *e, bool progressive)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    uint8_t rgb[H * W * 3];
    fill_rgb(rgb);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = W;
    c.image_height = H;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 95, TRUE);
    if (progressive) jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < H) jpeg_write_scanlines(&c, &(JSAMPROW){rgb + 3 * W * c.next_scanline}, 1);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    put(e, bytes, size);
    free(bytes);
    e->lossy = true;
    return true;
}
static bool jpeg_usual(encoded *e) { return jpeg(e, false); }
static bool jpeg_progressive(encoded *e) { return jpeg(e, true); }
#endif

#ifdef ADZE_IMAGES_JPEG2000
/* The stream writes into this. */
typedef struct stream {
    encoded *e;
    size_t at;
} stream;

static OPJ_SIZE_T stream_write(void *bytes, OPJ_SIZE_T size, void *self)
{
    stream *s = self;
    if (s->at + size > sizeof s->e->bytes) abort();
    memcpy(s->e->bytes + s->at, bytes, size);
    s->at += size;
    if (s->at > s->e->size) s->e->size = s->at;
    return size;
}

static OPJ_OFF_T stream_skip(OPJ_OFF_T size, void *self)
{
    ((stream *)self)->at += (size_t)size;
    return size;
}

static OPJ_BOOL stream_seek(OPJ_OFF_T to, void *self)
{
    ((stream *)self)->at = (size_t)to;
    return OPJ_TRUE;
}

static bool jpeg2000(encoded *e, OPJ_CODEC_FORMAT format)
{
    stream s = {e, 0};
    opj_cparameters_t parameters;
    opj_image_cmptparm_t parts[3] = {{.dx = 1, .dy = 1, .w = W, .h = H, .prec = 8, .bpp = 8}};
    parts[2] = parts[1] = parts[0];
    opj_set_default_encoder_parameters(&parameters);
    parameters.numresolution = 2; /* a small picture has no more */
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.tcp_mct = 1;
    opj_image_t *image = opj_image_create(3, parts, OPJ_CLRSPC_SRGB);
    opj_codec_t *codec = opj_create_compress(format);
    opj_stream_t *out = opj_stream_default_create(OPJ_FALSE);
    if (!image || !codec || !out) abort();
    image->x1 = W;
    image->y1 = H;
    for (int i = 0; i < W * H; i++) {
        uint8_t rgb[3];
        encoded_pixel(i % W, i / W, rgb);
        for (int c = 0; c < 3; c++) image->comps[c].data[i] = rgb[c];
    }
    opj_stream_set_write_function(out, stream_write);
    opj_stream_set_skip_function(out, stream_skip);
    opj_stream_set_seek_function(out, stream_seek);
    opj_stream_set_user_data(out, &s, NULL);
    bool ok = opj_setup_encoder(codec, &parameters, image) && opj_start_compress(codec, image, out) &&
              opj_encode(codec, out) && opj_end_compress(codec, out);
    opj_stream_destroy(out);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    if (!ok) abort();
    return true;
}
static bool jpeg2000_file(encoded *e) { return jpeg2000(e, OPJ_CODEC_JP2); }
static bool jpeg2000_stream(encoded *e) { return jpeg2000(e, OPJ_CODEC_J2K); }
#endif

#ifdef ADZE_IMAGES_PNG
static void png_put(png_structp png, png_bytep bytes, size_t size) { put(png_get_io_ptr(png), bytes, size); }

static void png_flush_nothing(png_structp png) { (void)png; }

/* `row` of `y`: as libpng takes it. */
static void png_encode(encoded *e, int colour_type, int depth, bool interlaced, uint8_t *const rows[H])
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) abort();
    png_set_write_fn(png, e, png_put, png_flush_nothing);
    png_set_IHDR(png, info, W, H, depth, colour_type, interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] = (png_color){(png_byte)(i + 90), (png_byte)(i + 91), (png_byte)(i + 92)};
    if (colour_type == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 1 << depth);
        png_set_tRNS(png, info, (png_byte[]){0, 128}, 2, NULL);
    }
    png_set_rows(png, info, (png_bytepp)(uintptr_t)rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
}

static bool png_picture(encoded *e, bool interlaced)
{
    uint8_t rgb[H * W * 3], *rows[H];
    fill_rgb(rgb);
    for (int y = 0; y < H; y++) rows[y] = rgb + y * W * 3;
    png_encode(e, PNG_COLOR_TYPE_RGB, 8, interlaced, rows);
    return true;
}
static bool png_usual(encoded *e) { return png_picture(e, false); }
static bool png_interlaced(encoded *e) { return png_picture(e, true); }
#endif

#ifdef ADZE_IMAGES_TIFF
typedef struct file {
    encoded *e;
    size_t at;
} file;

static tmsize_t tiff_read(thandle_t self, void *out, tmsize_t size)
{
    file *f = self;
    size_t n = f->at < f->e->size ? f->e->size - f->at : 0;
    if (n > (size_t)size) n = (size_t)size;
    memcpy(out, f->e->bytes + f->at, n);
    f->at += n;
    return (tmsize_t)n;
}

static tmsize_t tiff_write(thandle_t self, void *bytes, tmsize_t size)
{
    file *f = self;
    if (f->at + (size_t)size > sizeof f->e->bytes) abort();
    memcpy(f->e->bytes + f->at, bytes, (size_t)size);
    f->at += (size_t)size;
    if (f->at > f->e->size) f->e->size = f->at;
    return size;
}

static toff_t tiff_seek(thandle_t self, toff_t to, int from)
{
    file *f = self;
    f->at = (size_t)to + (from == SEEK_CUR ? f->at : from == SEEK_END ? f->e->size : 0);
    return f->at;
}

static int tiff_close(thandle_t self)
{
    (void)self;
    return 0;
}

static toff_t tiff_size(thandle_t self) { return ((file *)self)->e->size; }

/* Samples of a stored row, transparency of 10 behind each pixel where there is any. */
static void tiff_rows(TIFF *tiff, int samples, bool tiles)
{
    enum { TILE = 16 };
    uint8_t block[TILE * TILE * 4] = {0};
    for (int y = 0; y < H; y++) {
        uint8_t *row = block + (tiles ? y * TILE * samples : 0);
        for (int x = 0; x < W; x++) {
            encoded_pixel(x, y, row + x * samples);
            if (samples == 4) row[x * samples + 3] = 10;
        }
        if (!tiles && TIFFWriteScanline(tiff, row, (uint32_t)y, 0) < 0) abort();
    }
    if (tiles && TIFFWriteTile(tiff, block, 0, 0, 0, 0) < 0) abort();
}

bool encoded_tiff(uint16_t orientation, int extra, uint16_t compression, bool tiles, encoded *out)
{
    file f = {out, 0};
    *out = (encoded){.name = "tiff"};
    TIFF *tiff =
        TIFFClientOpen("memory", "wm", &f, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size, NULL, NULL);
    int samples = extra < 0 ? 3 : 4;
    if (!tiff) abort();
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, W);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, H);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, orientation);
    if (extra >= 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &(uint16_t){(uint16_t)extra});
    if (tiles) TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16), TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
    if (!tiles) TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 3);
    tiff_rows(tiff, samples, tiles);
    TIFFClose(tiff);
    return true;
}
static bool tiff_strips(encoded *e) { return encoded_tiff(ORIENTATION_TOPLEFT, -1, COMPRESSION_NONE, false, e); }
static bool tiff_tiles(encoded *e) { return encoded_tiff(ORIENTATION_TOPLEFT, 2, COMPRESSION_ADOBE_DEFLATE, true, e); }
static bool tiff_lzw(encoded *e) { return encoded_tiff(ORIENTATION_TOPLEFT, -1, COMPRESSION_LZW, false, e); }
#else
bool encoded_tiff(uint16_t orientation, int extra, uint16_t compression, bool tiles, encoded *out)
{
    (void)orientation, (void)extra, (void)compression, (void)tiles, (void)out;
    return false;
}
#endif

#ifdef ADZE_IMAGES_WEBP
static bool webp(encoded *e, bool lossy)
{
    uint8_t rgb[H * W * 3], *bytes = NULL;
    fill_rgb(rgb);
    size_t size = lossy ? WebPEncodeRGB(rgb, W, H, W * 3, 95, &bytes) : WebPEncodeLosslessRGB(rgb, W, H, W * 3, &bytes);
    if (!size) abort();
    put(e, bytes, size);
    WebPFree(bytes);
    e->lossy = lossy;
    return true;
}
static bool webp_lossy(encoded *e) { return webp(e, true); }
static bool webp_lossless(encoded *e) { return webp(e, false); }
#endif

bool encoded_png(int colour_type, int depth, bool interlaced, encoded *out)
{
    *out = (encoded){.name = "png"};
#ifdef ADZE_IMAGES_PNG
    uint8_t row[W * 8], *rows[H];
    memset(row, depth == 16 || depth == 8 ? 0x5a : 0x55, sizeof row);
    for (int y = 0; y < H; y++) rows[y] = row;
    png_encode(out, colour_type, depth, interlaced, rows);
    return true;
#else
    (void)colour_type, (void)depth, (void)interlaced;
    return false;
#endif
}

bool encoded_image(uint32_t index, encoded *out)
{
    static const struct {
        const char *name;
        bool (*encode)(encoded *e);
    } all[] = {
        {"bmp", bmp},
        {"pnm", pnm},
        {"pnm", pnm_text},
#ifdef ADZE_IMAGES_JPEG
        {"jpeg", jpeg_usual},
        {"jpeg", jpeg_progressive},
#endif
#ifdef ADZE_IMAGES_JPEG2000
        {"jpeg2000", jpeg2000_file},
        {"jpeg2000", jpeg2000_stream},
#endif
#ifdef ADZE_IMAGES_PNG
        {"png", png_usual},
        {"png", png_interlaced},
#endif
#ifdef ADZE_IMAGES_TIFF
        {"tiff", tiff_strips},
        {"tiff", tiff_tiles},
        {"tiff", tiff_lzw},
#endif
#ifdef ADZE_IMAGES_WEBP
        {"webp", webp_lossy},
        {"webp", webp_lossless},
#endif
    };
    if (index >= sizeof all / sizeof *all) return false;
    *out = (encoded){.name = all[index].name};
    bool ok = all[index].encode(out);
    out->name = all[index].name;
    return ok;
}
