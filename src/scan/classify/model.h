/*
 * model.h: the statistical filter: online logistic regression with AdaGrad over the features of a message (classifier.md). Header and content are two regressions that
 * learn by themselves; their log-odds add up. Targets are 0.01 and 0.99 instead of 0 and 1, and weights shrink a little whenever they are used: both keep what was learned
 * from hard cases of one collection from spoiling the next. Weights are a file that is mapped: who only scores maps the weights read-only, who learns maps also
 * the sums of squared gradients behind them. One thread at a time learns; scoring beside it sees each weight before or after, which harms nobody.
 *
 * File: a header of 64 KiB (magic, version, bits, counts), 2^BITS floats of weights, 2^BITS floats of sums; host byte order.
 */
#ifndef SCAN_CLASSIFY_MODEL_H
#define SCAN_CLASSIFY_MODEL_H

#include "base/buf.h"
#include "scan/classify/features.h"

enum { MODEL_BITS_MIN = 16, MODEL_BITS_MAX = 24, MODEL_BITS = 22 };

struct feature_sets { /* borrowed */
    const uint32_t *at[FEATURE_VIEWS];
    size_t count[FEATURE_VIEWS];
};

struct model;

/* In memory, all weights 0. NULL out of memory. */
struct model *model_new(unsigned bits);
/* PATH; LEARNS: for learning, and it is made with BITS where it is missing. NULL with the reason in ERROR. */
struct model *model_open(const char *path, unsigned bits, bool learns, struct buf *error);
/* FD of such a file, opened by somebody else (the scan process can open none); stays the caller's. Only for scoring. */
struct model *model_of_fd(int fd, struct buf *error);
void model_close(struct model **m);

/* Log-odds that a message with these features is spam; 0 where nothing is known. */
double model_score(const struct model *m, const struct feature_sets *sets);
/* RATE is the step: 0.5 for trusted labels, less for others. Returns the score before the step. */
double model_learn(struct model *m, const struct feature_sets *sets, bool is_spam, double rate);
uint64_t model_learned(const struct model *m, bool is_spam); /* so many messages */

#endif
