/* picture_decode.c: the decoders: libpng, libjpeg and giflib, fed from memory; see picture.h. A damaged picture gives what came before the damage. */
#include "scan/files/picture.h"

#include <gif_lib.h>
#include <jpeglib.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { JPEG_SCANS_MAX = 100, JPEG_SIDE_WANTED = 2000, GIF_RECORDS_MAX = 10000 };

static bool make(struct picture *p, uint64_t width, uint64_t height, uint64_t most)
{
    if (width == 0 || height == 0 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX || width * height > most)
        return false;
    *p = (struct picture){malloc(width * height), (uint32_t)width, (uint32_t)height};
    if (p->at)
        memset(p->at, 0xFF, width * height);
    return p->at != NULL;
}

/* The simplified interface: transparent is laid on white, all depths and palettes become 8 bits of grey. */
static bool decode_png(struct str bytes, uint64_t most, struct picture *out)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    const png_color white = {255, 255, 255};

    if (!png_image_begin_read_from_memory(&image, bytes.at, bytes.len))
        return false;
    image.format = PNG_FORMAT_GRAY;
    bool made = make(out, image.width, image.height, most);
    /* cut short it shows what came: a reader would, too */
    if (made && !png_image_finish_read(&image, &white, out->at, 0, NULL) && !(image.warning_or_error & PNG_IMAGE_ERROR)) {
        free(out->at);
        made = false;
    }
    png_image_free(&image);
    return made;
}

struct jpeg {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf away;
};

_Noreturn static void jpeg_ends(j_common_ptr info)
{
    struct jpeg *j = (struct jpeg *)info->err;
    longjmp(j->away, 1);
}

static void jpeg_says(j_common_ptr info, int level)
{
    (void)info, (void)level;
}

/* A progressive picture may come in any number of scans, each of which goes over all of it. */
static void jpeg_goes_on(j_common_ptr info)
{
    if (((j_decompress_ptr)info)->input_scan_number > JPEG_SCANS_MAX)
        jpeg_ends(info);
}

/* CMYK comes as ink left away, which is how Adobe writes it: light where there is none. */
static void ink_to_grey(const JSAMPLE *ink, unsigned char *to, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++, ink += 4)
        to[x] = (unsigned char)((ink[0] + ink[1] + ink[2]) / 3 * ink[3] / 255);
}

static void read_jpeg_rows(struct jpeg_decompress_struct *d, struct picture *out)
{
    const bool is_ink = d->output_components == 4;
    /* from the decoder's own pool, which is given back with it */
    JSAMPARRAY inks = is_ink ? d->mem->alloc_sarray((j_common_ptr)d, JPOOL_IMAGE, d->output_width * 4, 1) : NULL;

    while (d->output_scanline < d->output_height) {
        unsigned char *to = out->at + (size_t)d->output_scanline * out->width;
        JSAMPROW row = is_ink ? inks[0] : to;
        if (jpeg_read_scanlines(d, &row, 1) != 1)
            return;
        if (is_ink)
            ink_to_grey(inks[0], to, out->width);
    }
}

static bool decode_jpeg(struct str bytes, uint64_t most, struct picture *out)
{
    struct jpeg_decompress_struct d = {0};
    struct jpeg j = {.progress.progress_monitor = jpeg_goes_on};

    out->at = NULL;
    d.err = jpeg_std_error(&j.errors);
    j.errors.error_exit = jpeg_ends;
    j.errors.emit_message = jpeg_says;
    if (setjmp(j.away)) { /* damaged: what was decoded so far counts */
        jpeg_destroy_decompress(&d);
        return out->at != NULL;
    }
    jpeg_create_decompress(&d);
    d.progress = &j.progress;
    jpeg_mem_src(&d, (const unsigned char *)bytes.at, bytes.len);
    jpeg_read_header(&d, TRUE);
    uint32_t side = d.image_width > d.image_height ? d.image_width : d.image_height;
    d.scale_num = 1;
    for (d.scale_denom = 1; d.scale_denom < 8 && side / d.scale_denom > JPEG_SIDE_WANTED;)
        d.scale_denom *= 2;
    if (d.jpeg_color_space == JCS_YCbCr || d.jpeg_color_space == JCS_GRAYSCALE || d.jpeg_color_space == JCS_RGB)
        d.out_color_space = JCS_GRAYSCALE;
    else
        d.out_color_space = JCS_CMYK;
    bool ok = (uint64_t)d.image_width * d.image_height <= most && jpeg_start_decompress(&d) && (d.output_components == 1 || d.output_components == 4) &&
              make(out, d.output_width, d.output_height, most);
    if (ok)
        read_jpeg_rows(&d, out);
    jpeg_destroy_decompress(&d);
    return ok;
}

struct source { struct str rest; };

static int gif_read(GifFileType *file, GifByteType *to, int count)
{
    struct source *s = file->UserData;
    struct str some = str_sub(s->rest, 0, count < 0 ? 0 : (size_t)count);

    memcpy(to, some.at, some.len);
    s->rest = str_from_index(s->rest, some.len);
    return (int)some.len;
}

static void read_gif_rows(GifFileType *file, struct picture *out)
{
    static const uint8_t first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    const ColorMapObject *map = file->Image.ColorMap ? file->Image.ColorMap : file->SColorMap;
    const int passes = file->Image.Interlace ? 4 : 1;

    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = passes == 4 ? first[pass] : 0; y < out->height; y += passes == 4 ? step[pass] : 1U) {
            unsigned char *row = out->at + (size_t)y * out->width;
            if (DGifGetLine(file, row, (int)out->width) != GIF_OK)
                return;
            for (uint32_t x = 0; x < out->width; x++) {
                const GifColorType *c = map && row[x] < map->ColorCount ? &map->Colors[row[x]] : NULL;
                row[x] = c ? (unsigned char)((c->Red * 299 + c->Green * 587 + c->Blue * 114) / 1000) : row[x];
            }
        }
}

/* The first frame; those behind it show parts that change. */
static bool find_gif_frame(GifFileType *file)
{
    GifRecordType type;
    GifByteType *block;
    int code;

    for (int i = 0; i < GIF_RECORDS_MAX && DGifGetRecordType(file, &type) == GIF_OK && type != TERMINATE_RECORD_TYPE; i++) {
        if (type == IMAGE_DESC_RECORD_TYPE)
            return DGifGetImageDesc(file) == GIF_OK;
        if (type != EXTENSION_RECORD_TYPE || DGifGetExtension(file, &code, &block) != GIF_OK)
            return false;
        while (block)
            if (DGifGetExtensionNext(file, &block) != GIF_OK)
                return false;
    }
    return false;
}

static bool decode_gif(struct str bytes, uint64_t most, struct picture *out)
{
    struct source source = {bytes};
    int trouble;
    GifFileType *file = DGifOpen(&source, gif_read, &trouble);

    if (!file)
        return false;
    bool ok = find_gif_frame(file) && file->Image.Width > 0 && file->Image.Height > 0 &&
              make(out, (uint64_t)file->Image.Width, (uint64_t)file->Image.Height, most);
    if (ok)
        read_gif_rows(file, out);
    DGifCloseFile(file, &trouble);
    return ok;
}

bool picture_decode(struct str bytes, enum file_type type, uint64_t most_pixels, struct picture *out)
{
    switch (type) {
    case FILE_PNG:
        return decode_png(bytes, most_pixels, out);
    case FILE_JPEG:
        return decode_jpeg(bytes, most_pixels, out);
    case FILE_GIF:
        return decode_gif(bytes, most_pixels, out);
    default:
        return false;
    }
}
