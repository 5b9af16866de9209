/* html_look.c: how an element looks, by what it declares and what is around it. */
#include "mail/html_parts.h"

static const float LEAST_FONT_PX = 3, LEAST_OPACITY = 0.1F;

static bool is_far_off(const struct css_style *own)
{
    return (own->set & CSS_POSITION && own->is_positioned && own->set & CSS_OFFSET && own->is_far) || (own->set & CSS_INDENT && own->indent_is_far) ||
           (own->set & CSS_MARGIN && own->margin_is_far);
}

static bool has_no_size(const struct css_style *own)
{
    bool clips = own->set & CSS_OVERFLOW && own->overflow_hidden;

    return (clips && ((own->set & CSS_WIDTH && own->no_width) || (own->set & CSS_HEIGHT && own->no_height))) ||
           (own->set & CSS_CLIP && own->is_clipped) || (own->set & CSS_TRANSFORM && own->is_flattened);
}

static void set_background(struct look *look, const struct css_style *own)
{
    if (own->set & CSS_BACKGROUND && own->background.alpha) {
        look->background = colour_blend(own->background, look->background);
        if (own->background.alpha == 255)
            look->background_is_unknown = false;
    }
    if (own->set & CSS_IMAGE && own->has_image)
        look->background_is_unknown = true;
}

static unsigned look_mask(const struct look *look)
{
    unsigned mask = look->hidden;

    if (look->is_invisible)
        mask |= HIDDEN_VISIBILITY;
    if (look->font_px < LEAST_FONT_PX)
        mask |= HIDDEN_FONT_SIZE;
    if (look->opacity < LEAST_OPACITY)
        mask |= HIDDEN_OPACITY;
    if (look->colour.alpha < 26 ||
        (!look->background_is_unknown && colour_is_near(colour_blend(look->colour, look->background), look->background)))
        mask |= HIDDEN_COLOUR;
    return mask;
}

struct look look_of(const struct look *parent, const struct css_style *own, enum html_tag tag)
{
    struct look look = *parent;

    if (html_tag_flags(tag) & TAG_IS_SILENT)
        look.is_silent = true;
    if (own->set == 0)
        return look;
    if (own->set & CSS_HIDDEN_ATTRIBUTE)
        look.hidden |= HIDDEN_ATTRIBUTE;
    if (own->set & CSS_DISPLAY && own->display_none)
        look.hidden |= HIDDEN_DISPLAY_NONE;
    if (own->set & CSS_VISIBILITY)
        look.is_invisible = own->visibility_hidden;
    if (own->set & CSS_FONT_SIZE)
        look.font_px = own->font_is_relative ? parent->font_px * own->font_size : own->font_size;
    if (own->set & CSS_COLOUR && !own->colour_inherits)
        look.colour = own->colour;
    if (own->set & CSS_OPACITY)
        look.opacity *= own->opacity;
    if (is_far_off(own))
        look.hidden |= HIDDEN_OFF_SCREEN;
    if (has_no_size(own))
        look.hidden |= HIDDEN_SIZE;
    set_background(&look, own);
    look.mask = look_mask(&look);
    return look;
}
