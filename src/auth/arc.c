/* arc.c: RFC 8617 §5.2, in its order. */
#include "auth/arc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct arc_set {
    const struct signature *results, *message, *seal;
};

const char *chain_value_name(enum chain_value v)
{
    static const char *const names[] = {"none", "pass", "fail", "missing"};
    return names[v];
}

__attribute__((format(printf, 2, 3)))
static void broken(struct arc_verdict *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(out->problem, sizeof out->problem, format, args);
    va_end(args);
    out->chain = CHAIN_FAIL;
}

/* One of each kind for each instance, without a gap. False: OUT says why. */
static bool collect(const struct signature *signatures, size_t count, struct arc_set *sets, struct arc_verdict *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct signature *s = &signatures[i];
        if (s->kind == SIGNATURE_DKIM)
            continue;
        if (s->fault || s->instance == 0) {
            broken(out, "line %u: %s", s->line, signature_fault_text((enum signature_fault)s->fault));
            return false;
        }
        struct arc_set *set = &sets[s->instance];
        const struct signature **slot = s->kind == SIGNATURE_ARC_RESULTS ? &set->results : s->kind == SIGNATURE_ARC_MESSAGE ? &set->message : &set->seal;
        if (*slot) {
            broken(out, "line %u: instance %u stands twice", s->line, s->instance);
            return false;
        }
        *slot = s;
        if (s->instance > out->sets)
            out->sets = s->instance;
    }
    for (unsigned i = 1; i <= out->sets; i++)
        if (!sets[i].results || !sets[i].message || !sets[i].seal) {
            broken(out, "instance %u is not complete", i);
            return false;
        }
    return true;
}

/* cv= is none in the first set and pass in all others. */
static bool chain_values_fit(const struct arc_set *sets, struct arc_verdict *out)
{
    for (unsigned i = 1; i <= out->sets; i++)
        if (sets[i].seal->chain != (i == 1 ? CHAIN_NONE : CHAIN_PASS)) {
            broken(out, "instance %u says cv=%s", i, chain_value_name((enum chain_value)sets[i].seal->chain));
            return false;
        }
    return true;
}

static bool holds(struct dns *dns, struct key_cache *keys, const struct signature *s, int64_t now_s, const char *what, struct arc_verdict *out)
{
    struct dkim_verdict v;

    dkim_verify(dns, keys, s, now_s, &v);
    if (v.result == DKIM_PASS)
        return true;
    if (out->chain != CHAIN_FAIL)
        broken(out, "the %s of instance %u does not hold: %s", what, s->instance, v.problem);
    out->is_temporary = v.result == DKIM_TEMPERROR;
    return false;
}

/* Older message signatures may have been broken on the way; how far back they hold is evidence. */
static void find_oldest(struct dns *dns, struct key_cache *keys, const struct arc_set *sets, int64_t now_s, struct arc_verdict *out)
{
    struct dkim_verdict v;

    out->oldest_pass = out->sets;
    for (unsigned i = out->sets - 1; i >= 1; i--) {
        dkim_verify(dns, keys, sets[i].message, now_s, &v);
        if (v.result != DKIM_PASS)
            return;
        out->oldest_pass = i;
    }
    out->oldest_pass = 0;
}

/* All keys are asked for at once. */
static void verify_all(struct dns *dns, struct key_cache *keys, const struct arc_set *sets, int64_t now_s, struct arc_verdict *out)
{
    struct dns_question *early[2 * ARC_SETS_MAX + 2];
    size_t count = 0;

    for (unsigned i = 1; i <= out->sets; i++) {
        early[count++] = dkim_key_ask(dns, sets[i].seal);
        early[count++] = dkim_key_ask(dns, sets[i].message);
    }
    bool fine = holds(dns, keys, sets[out->sets].message, now_s, "message signature", out);
    for (unsigned i = out->sets; fine && i >= 1; i--)
        fine = holds(dns, keys, sets[i].seal, now_s, "seal", out);
    if (fine) {
        find_oldest(dns, keys, sets, now_s, out);
        out->chain = CHAIN_PASS;
    }
    for (size_t i = 0; i < count; i++)
        if (early[i])
            dns_done(&early[i]);
}

void arc_verify(struct dns *dns, struct key_cache *keys, const struct signature *signatures, size_t count, int64_t now_s, struct arc_verdict *out)
{
    struct arc_set sets[ARC_SETS_MAX + 1] = {{NULL, NULL, NULL}};

    memset(out, 0, sizeof *out);
    out->chain = CHAIN_NONE;
    if (!collect(signatures, count, sets, out) || out->sets == 0)
        return;
    str_copy(out->sealer, sizeof out->sealer, str_from(sets[out->sets].seal->domain));
    if (sets[out->sets].seal->chain == CHAIN_FAIL)
        broken(out, "the last seal says cv=fail");
    else if (chain_values_fit(sets, out))
        verify_all(dns, keys, sets, now_s, out);
}
