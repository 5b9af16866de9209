/*
 * analysis.h: reads a whole message once and says what is in it: header, tree of parts, text, links, files, and every place where two readers
 * could see different things. Nothing here decides anything: policy does, by the report. Linear in the message; memory from one arena with a
 * ceiling, given back at the end; what a ceiling cuts off is a defect in the report.
 */
#ifndef SCAN_ANALYSIS_H
#define SCAN_ANALYSIS_H

#include "scan/scan_limits.h"
#include "scan/report.h"

/* Tables and handles that serve message after message. Made before the process is confined; one thread at a time. */
struct analyzer;
struct analyzer *analyzer_new(void); /* NULL: out of memory, or a library without its data */
void analyzer_free(struct analyzer **a);

/* Fills OUT; its tail points into the analyzer's own memory, valid until the next call (no scan_report_free()). */
void analyze(struct analyzer *a, struct str message, const struct scan_limits *limits, struct scan_report *out);

#endif
