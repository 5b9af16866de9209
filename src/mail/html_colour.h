/* html_colour.h: colours of CSS (CSS Color 4, what mail uses of it) and of old attributes (HTML standard §2.3.6), and when two of them cannot be told apart. */
#ifndef MAIL_HTML_COLOUR_H
#define MAIL_HTML_COLOUR_H

#include "base/str.h"

struct colour {
    uint8_t red, green, blue;
    uint8_t alpha; /* 255: solid */
};

/* VALUE is lower case. False where it is no colour (inherit, currentcolor, var() …). */
bool colour_parse(struct str value, struct colour *out);
/* bgcolor="ff00", color=chucknorris: whatever it is, it gives a colour, but for "" and transparent. */
bool colour_parse_legacy(struct str value, struct colour *out);
/* What the eye gets of OVER on UNDER, which is solid. */
struct colour colour_blend(struct colour over, struct colour under);
/*
 * Too near for the eye: the distance sqrt((2 + r/256) dR² + 4 dG² + (2 + (255 - r)/256) dB²), r the mean red, is at most 64 of 765: greys that differ by 21
 * steps of 255. (An approximation of CIELUV known as redmean.)
 */
bool colour_is_near(struct colour a, struct colour b);

#endif
