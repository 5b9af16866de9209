/* html_colour.c: see html_colour.h. */
#include "mail/html_colour.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t rgb;
} names[] = {
    {"aliceblue", 0xF0F8FF}, {"antiquewhite", 0xFAEBD7}, {"aqua", 0x00FFFF}, {"aquamarine", 0x7FFFD4}, {"azure", 0xF0FFFF},
    {"beige", 0xF5F5DC}, {"bisque", 0xFFE4C4}, {"black", 0x000000}, {"blanchedalmond", 0xFFEBCD}, {"blue", 0x0000FF},
    {"blueviolet", 0x8A2BE2}, {"brown", 0xA52A2A}, {"burlywood", 0xDEB887}, {"cadetblue", 0x5F9EA0}, {"canvas", 0xFFFFFF},
    {"canvastext", 0x000000}, {"chartreuse", 0x7FFF00}, {"chocolate", 0xD2691E}, {"coral", 0xFF7F50}, {"cornflowerblue", 0x6495ED},
    {"cornsilk", 0xFFF8DC}, {"crimson", 0xDC143C}, {"cyan", 0x00FFFF}, {"darkblue", 0x00008B}, {"darkcyan", 0x008B8B},
    {"darkgoldenrod", 0xB8860B}, {"darkgray", 0xA9A9A9}, {"darkgreen", 0x006400}, {"darkgrey", 0xA9A9A9}, {"darkkhaki", 0xBDB76B},
    {"darkmagenta", 0x8B008B}, {"darkolivegreen", 0x556B2F}, {"darkorange", 0xFF8C00}, {"darkorchid", 0x9932CC}, {"darkred", 0x8B0000},
    {"darksalmon", 0xE9967A}, {"darkseagreen", 0x8FBC8F}, {"darkslateblue", 0x483D8B}, {"darkslategray", 0x2F4F4F},
    {"darkslategrey", 0x2F4F4F}, {"darkturquoise", 0x00CED1}, {"darkviolet", 0x9400D3}, {"deeppink", 0xFF1493}, {"deepskyblue", 0x00BFFF},
    {"dimgray", 0x696969}, {"dimgrey", 0x696969}, {"dodgerblue", 0x1E90FF}, {"firebrick", 0xB22222}, {"floralwhite", 0xFFFAF0},
    {"forestgreen", 0x228B22}, {"fuchsia", 0xFF00FF}, {"gainsboro", 0xDCDCDC}, {"ghostwhite", 0xF8F8FF}, {"gold", 0xFFD700},
    {"goldenrod", 0xDAA520}, {"gray", 0x808080}, {"green", 0x008000}, {"greenyellow", 0xADFF2F}, {"grey", 0x808080},
    {"honeydew", 0xF0FFF0}, {"hotpink", 0xFF69B4}, {"indianred", 0xCD5C5C}, {"indigo", 0x4B0082}, {"ivory", 0xFFFFF0},
    {"khaki", 0xF0E68C}, {"lavender", 0xE6E6FA}, {"lavenderblush", 0xFFF0F5}, {"lawngreen", 0x7CFC00}, {"lemonchiffon", 0xFFFACD},
    {"lightblue", 0xADD8E6}, {"lightcoral", 0xF08080}, {"lightcyan", 0xE0FFFF}, {"lightgoldenrodyellow", 0xFAFAD2},
    {"lightgray", 0xD3D3D3}, {"lightgreen", 0x90EE90}, {"lightgrey", 0xD3D3D3}, {"lightpink", 0xFFB6C1}, {"lightsalmon", 0xFFA07A},
    {"lightseagreen", 0x20B2AA}, {"lightskyblue", 0x87CEFA}, {"lightslategray", 0x778899}, {"lightslategrey", 0x778899},
    {"lightsteelblue", 0xB0C4DE}, {"lightyellow", 0xFFFFE0}, {"lime", 0x00FF00}, {"limegreen", 0x32CD32}, {"linen", 0xFAF0E6},
    {"magenta", 0xFF00FF}, {"maroon", 0x800000}, {"mediumaquamarine", 0x66CDAA}, {"mediumblue", 0x0000CD}, {"mediumorchid", 0xBA55D3},
    {"mediumpurple", 0x9370DB}, {"mediumseagreen", 0x3CB371}, {"mediumslateblue", 0x7B68EE}, {"mediumspringgreen", 0x00FA9A},
    {"mediumturquoise", 0x48D1CC}, {"mediumvioletred", 0xC71585}, {"midnightblue", 0x191970}, {"mintcream", 0xF5FFFA},
    {"mistyrose", 0xFFE4E1}, {"moccasin", 0xFFE4B5}, {"navajowhite", 0xFFDEAD}, {"navy", 0x000080}, {"oldlace", 0xFDF5E6},
    {"olive", 0x808000}, {"olivedrab", 0x6B8E23}, {"orange", 0xFFA500}, {"orangered", 0xFF4500}, {"orchid", 0xDA70D6},
    {"palegoldenrod", 0xEEE8AA}, {"palegreen", 0x98FB98}, {"paleturquoise", 0xAFEEEE}, {"palevioletred", 0xDB7093},
    {"papayawhip", 0xFFEFD5}, {"peachpuff", 0xFFDAB9}, {"peru", 0xCD853F}, {"pink", 0xFFC0CB}, {"plum", 0xDDA0DD},
    {"powderblue", 0xB0E0E6}, {"purple", 0x800080}, {"rebeccapurple", 0x663399}, {"red", 0xFF0000}, {"rosybrown", 0xBC8F8F},
    {"royalblue", 0x4169E1}, {"saddlebrown", 0x8B4513}, {"salmon", 0xFA8072}, {"sandybrown", 0xF4A460}, {"seagreen", 0x2E8B57},
    {"seashell", 0xFFF5EE}, {"sienna", 0xA0522D}, {"silver", 0xC0C0C0}, {"skyblue", 0x87CEEB}, {"slateblue", 0x6A5ACD},
    {"slategray", 0x708090}, {"slategrey", 0x708090}, {"snow", 0xFFFAFA}, {"springgreen", 0x00FF7F}, {"steelblue", 0x4682B4},
    {"tan", 0xD2B48C}, {"teal", 0x008080}, {"thistle", 0xD8BFD8}, {"tomato", 0xFF6347}, {"turquoise", 0x40E0D0}, {"violet", 0xEE82EE},
    {"wheat", 0xF5DEB3}, {"white", 0xFFFFFF}, {"whitesmoke", 0xF5F5F5}, {"window", 0xFFFFFF}, {"windowtext", 0x000000},
    {"yellow", 0xFFFF00}, {"yellowgreen", 0x9ACD32},
};

enum { NEAR_DISTANCE = 64, LEGACY_MAX = 128 };

static struct colour from_rgb(uint32_t rgb)
{
    return (struct colour){(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb, 255};
}

static int hex_digit(char c)
{
    int lower = ascii_lower((unsigned char)c);

    if (ascii_is_digit((unsigned char)c))
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool by_name(struct str value, struct colour *out)
{
    size_t low = 0, high = sizeof names / sizeof *names;

    while (low < high) {
        size_t middle = (low + high) / 2;
        size_t len = strlen(names[middle].name), shorter = len < value.len ? len : value.len;
        int order = memcmp(names[middle].name, value.at, shorter);
        if (order == 0 && len == value.len) {
            *out = from_rgb(names[middle].rgb);
            return true;
        }
        if (order < 0 || (order == 0 && len < value.len))
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* #rgb, #rgba, #rrggbb, #rrggbbaa, without the #. */
static bool by_hex(struct str digits, struct colour *out)
{
    int d[8];

    if (digits.len != 3 && digits.len != 4 && digits.len != 6 && digits.len != 8)
        return false;
    for (size_t i = 0; i < digits.len; i++)
        if ((d[i] = hex_digit(digits.at[i])) < 0)
            return false;
    if (digits.len <= 4) {
        *out = (struct colour){(uint8_t)(d[0] * 17), (uint8_t)(d[1] * 17), (uint8_t)(d[2] * 17), digits.len == 4 ? (uint8_t)(d[3] * 17) : 255};
        return true;
    }
    *out = (struct colour){(uint8_t)(d[0] * 16 + d[1]), (uint8_t)(d[2] * 16 + d[3]), (uint8_t)(d[4] * 16 + d[5]),
                           digits.len == 8 ? (uint8_t)(d[6] * 16 + d[7]) : 255};
    return true;
}

static uint8_t to_octet(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

static double hue_part(double p, double q, double turn)
{
    turn -= turn >= 1 ? 1 : turn < 0 ? -1 : 0;
    if (turn < 1.0 / 6)
        return p + (q - p) * 6 * turn;
    if (turn < 0.5)
        return q;
    return turn < 2.0 / 3 ? p + (q - p) * (2.0 / 3 - turn) * 6 : p;
}

static struct colour from_hsl(double degrees, double saturation, double lightness)
{
    double turn = degrees / 360;
    double q = lightness < 0.5 ? lightness * (1 + saturation) : lightness + saturation - lightness * saturation;
    double p = 2 * lightness - q;

    turn -= (double)(long)turn;
    turn += turn < 0 ? 1 : 0;
    return (struct colour){to_octet(255 * hue_part(p, q, turn + 1.0 / 3)), to_octet(255 * hue_part(p, q, turn)),
                           to_octet(255 * hue_part(p, q, turn - 1.0 / 3)), 255};
}

static double clamp(double value, double most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* The arguments of rgb(), hsl(): numbers and percentages, separated by blanks, commas, a slash. */
static int read_numbers(struct str s, double value[4], bool percent[4])
{
    char text[64];
    int count = 0;

    str_copy(text, sizeof text, s);
    for (char *at = text; *at && count < 4;) {
        char *end;
        if (!(ascii_is_digit((unsigned char)*at) || *at == '.' || *at == '-' || *at == '+')) {
            at++;
            continue;
        }
        value[count] = clamp(strtod(at, &end) + 1e6, 2e6) - 1e6;
        if (end == at)
            return 0;
        percent[count++] = *end == '%';
        at = end;
        while (*at && !strchr(" ,/\t\n", *at)) /* %, deg */
            at++;
    }
    return count;
}

static bool by_function(struct str value, struct colour *out)
{
    bool hsl = str_starts(value, STR("hsl")), percent[4] = {false};
    ptrdiff_t open = str_find(value, '(');
    double v[4] = {0};

    if (open < 3 || open > 4 || !(hsl || str_starts(value, STR("rgb"))))
        return false;
    int count = read_numbers(str_from_index(value, (size_t)open + 1), v, percent);
    if (count < 3)
        return false;
    if (hsl)
        *out = from_hsl(v[0], clamp(v[1] / 100, 1), clamp(v[2] / 100, 1));
    else
        *out = (struct colour){to_octet(percent[0] ? v[0] * 2.55 : v[0]), to_octet(percent[1] ? v[1] * 2.55 : v[1]),
                               to_octet(percent[2] ? v[2] * 2.55 : v[2]), 255};
    if (count == 4)
        out->alpha = to_octet(percent[3] ? v[3] * 2.55 : v[3] * 255);
    return true;
}

bool colour_parse(struct str value, struct colour *out)
{
    if (value.len == 0)
        return false;
    if (value.at[0] == '#')
        return by_hex(str_from_index(value, 1), out);
    if (str_is(value, "transparent")) {
        *out = (struct colour){0, 0, 0, 0};
        return true;
    }
    return by_name(value, out) || by_function(value, out);
}

/* What the standard makes of three equal parts of any text: their last eight digits, less common leading zeros, the first two of what is left. */
static struct colour from_thirds(const char *text, size_t len)
{
    size_t part = len / 3, skip = part > 8 ? part - 8 : 0;
    uint8_t octets[3];

    while (part - skip > 2 && text[skip] == '0' && text[part + skip] == '0' && text[2 * part + skip] == '0')
        skip++;
    for (size_t i = 0; i < 3; i++) {
        int value = hex_digit(text[i * part + skip]);
        octets[i] = (uint8_t)(part - skip > 1 ? value * 16 + hex_digit(text[i * part + skip + 1]) : value);
    }
    return (struct colour){octets[0], octets[1], octets[2], 255};
}

bool colour_parse_legacy(struct str value, struct colour *out)
{
    char text[LEGACY_MAX + 3];
    size_t len;

    value = str_trim(value);
    if (value.len == 0 || str_is_case(value, "transparent"))
        return false;
    str_copy(text, sizeof text - 2, value);
    len = strlen(text);
    str_lower(text, len);
    if (by_name(str_n(text, len), out) || (len == 4 && text[0] == '#' && by_hex(str_n(text + 1, 3), out)))
        return true;
    if (text[0] == '#')
        memmove(text, text + 1, len--);
    for (size_t i = 0; i < len; i++)
        if (hex_digit(text[i]) < 0)
            text[i] = '0';
    while (len == 0 || len % 3)
        text[len++] = '0';
    *out = from_thirds(text, len);
    return true;
}

struct colour colour_blend(struct colour over, struct colour under)
{
    double a = over.alpha / 255.0;

    return (struct colour){to_octet(over.red * a + under.red * (1 - a)), to_octet(over.green * a + under.green * (1 - a)),
                           to_octet(over.blue * a + under.blue * (1 - a)), 255};
}

bool colour_is_near(struct colour a, struct colour b)
{
    int mean = (a.red + b.red) / 2, dr = a.red - b.red, dg = a.green - b.green, db = a.blue - b.blue;

    return ((512 + mean) * dr * dr + 1024 * dg * dg + (767 - mean) * db * db) <= NEAR_DISTANCE * NEAR_DISTANCE * 256;
}
