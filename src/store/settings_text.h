/*
 * settings_text.h: what libconfuse leaves undone about the text of a configuration. It counts a comment's line three times, so what it says of
 * later lines names the wrong ones; it takes a section that is never closed; and it knows nothing of our includes. So comments are blanked before
 * it sees the text, braces are counted, and marks in the text tell which file a line came from.
 */
#ifndef STORE_SETTINGS_TEXT_H
#define STORE_SETTINGS_TEXT_H

#include "base/buf.h"

/* Overwrites comments (#, //, slash-star) with blanks; line ends stay. Returns the number of the line (from 1) where a section or a comment begins
 * that has no end, or 0. */
size_t settings_text_blank_comments(char *text);

/* Says that what follows in TEXT is line LINE of FILE. */
void settings_text_mark(struct buf *text, const char *file, size_t line);

/* Writes "file:line" of line LINE of the whole into TO; NAME is the file that holds what stands before the first mark. */
void settings_text_origin(const char *text, size_t line, const char *name, char *to, size_t size);

#endif
