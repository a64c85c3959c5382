/* JPEG, by libjpeg-turbo: baseline and progressive, with the library's usual transform and upsampling, which ONNX
 * names.
 *
 * Warnings of lost data are errors; those about odd markers are not. CMYK and YCCK become RGB without profiles, as
 * Pillow does it.
 */
#include "image.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

enum { MOST_SCANS = 500 }; /* of a progressive file: each goes over all of the image */

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    image *m;
    uint8_t *row, *rgb;
    char why[JMSG_LENGTH_MAX];
} reader;

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    r->errors.format_message(jpeg, r->why);
    longjmp(r->out, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    static const int lost[] = {JWRN_ARITH_BAD_CODE, JWRN_BOGUS_PROGRESSION, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE,
                               JWRN_JPEG_EOF,       JWRN_MUST_RESYNC,       JWRN_NOT_SEQUENTIAL};
    for (size_t i = 0; level < 0 && i < sizeof lost / sizeof *lost; i++)
        if (jpeg->err->msg_code == lost[i]) on_error(jpeg);
}

static void no_output(j_common_ptr jpeg) { (void)jpeg; }

static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MOST_SCANS) return;
    snprintf(r->why, sizeof r->why, "more than %d scans", MOST_SCANS);
    longjmp(r->out, 1);
}

/* Adobe writes these inks inverted, so that 255 is none. */
static void cmyk_to_rgb(const reader *r, const uint8_t *cmyk, uint8_t *rgb)
{
    for (int64_t x = 0; x < r->m->dims[1]; x++, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            uint32_t ink = r->jpeg.saw_Adobe_marker ? cmyk[c] : 255u - cmyk[c];
            uint32_t black = r->jpeg.saw_Adobe_marker ? cmyk[3] : 255u - cmyk[3];
            *rgb++ = image_scale(ink * black, 255 * 255);
        }
}

/* Bytes that libjpeg takes: all coefficients where scans add to each other, else some rows of blocks. */
static uint64_t taken(struct jpeg_decompress_struct *jpeg)
{
    uint64_t rows = jpeg_has_multiple_scans(jpeg) ? (uint64_t)jpeg->image_height + 64 : 64;
    return ((uint64_t)jpeg->image_width + 64) * rows * (uint64_t)jpeg->num_components * sizeof(JCOEF);
}

/* libjpeg leaves by longjmp: what it interrupts lies in `r`, not in this frame. */
static adze_status read_file(reader *r)
{
    image *m = r->m;
    if (setjmp(r->out)) return image_fail(m, ADZE_ERR_FORMAT, "%s", r->why);
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.client_data = r;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, m->bytes, (unsigned long)m->size);
    jpeg_read_header(&r->jpeg, TRUE);
    adze_status status = image_size(m, r->jpeg.image_width, r->jpeg.image_height);
    if (status || !m->pixels) return status;
    bool inks = r->jpeg.jpeg_color_space == JCS_CMYK || r->jpeg.jpeg_color_space == JCS_YCCK;
    r->jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    r->row = image_scratch(m, (uint64_t)m->dims[1], inks ? 4 : 3);
    r->rgb = inks && r->row ? image_scratch(m, (uint64_t)m->dims[1], 3) : r->row;
    if (!r->rgb || !image_has_room(m, taken(&r->jpeg))) return ADZE_ERR_NO_MEMORY;
    jpeg_start_decompress(&r->jpeg);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        int64_t y = r->jpeg.output_scanline;
        jpeg_read_scanlines(&r->jpeg, &r->row, 1);
        if (inks) cmyk_to_rgb(r, r->row, r->rgb);
        image_put_row(m, y, r->rgb, 3);
    }
    jpeg_finish_decompress(&r->jpeg);
    return ADZE_OK;
}

adze_status image_read_jpeg(image *m)
{
    reader r = {.m = m, .progress.progress_monitor = on_progress};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = no_output;
    adze_status status = read_file(&r);
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}
