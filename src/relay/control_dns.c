/* control_dns.c: what the control socket says of the relay's DNS: its counters, an answer as the relay would get it, and what it is to forget. */
#include "relay/parts.h"

#include "base/clock.h"
#include "mail/address.h"
#include "net/dns.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* The socket serves one at a time: nobody waits longer than this for somebody else's question. */
enum { LOOKUP_MOST_MS = 10 * 1000, NAME_MAX_BYTES = 256, DATA_MAX = 4 * 65536 + 20 };

static json_t *refuse(const char *why)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

json_t *control_dns_stats(struct dns *d)
{
    struct dns_stats s;

    dns_stats(d, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "kept", (json_int_t)s.kept, "most_kept", (json_int_t)s.most_kept, "evicted",
                     (json_int_t)s.evicted, "hits", (json_int_t)s.hits, "joined", (json_int_t)s.joined, "misses", (json_int_t)s.misses, "failures",
                     (json_int_t)s.failures, "timeouts", (json_int_t)s.timeouts, "p50_ms", (double)s.p50_us / 1000, "p99_ms", (double)s.p99_us / 1000);
}

static json_t *show(struct dns *d)
{
    json_t *result = json_pack("{s:b}", "ok", 1), *stats = control_dns_stats(d);

    json_object_update(result, stats);
    json_decref(stats);
    return result;
}

/* The name to ask for, and the type that goes without saying. An address becomes its reverse name; labels of other scripts are turned into ASCII. */
static bool question_of(struct str word, char name[NAME_MAX_BYTES], enum dns_type *type)
{
    char reversed[IP_REVERSED_MAX];
    bool is_ascii = true;
    struct ip ip;

    *type = DNS_A;
    if (ip_parse(word, &ip)) {
        *type = DNS_PTR;
        int n = snprintf(name, NAME_MAX_BYTES, "%s.%s", ip_reversed(&ip, reversed), ip.family == 6 ? "ip6.arpa" : "in-addr.arpa");
        return n > 0 && n < NAME_MAX_BYTES;
    }
    for (size_t i = 0; i < word.len; i++)
        is_ascii = is_ascii && (unsigned char)word.at[i] < 0x80;
    if (!is_ascii)
        return domain_to_ascii(word, name, NAME_MAX_BYTES);
    return word.len && str_copy(name, NAME_MAX_BYTES, word);
}

/* In ASCII whatever the DNS has in it. */
static json_t *data_of(enum dns_type type, const struct dns_record *r)
{
    struct buf data = buf_make(DATA_MAX);

    dns_record_format(type, r, &data);
    json_t *text = json_stringn(data.at ? data.at : "", data.len);
    buf_free(&data);
    return text;
}

static json_t *records_of(enum dns_type type, const struct dns_answer *a)
{
    json_t *records = json_array();

    for (size_t i = 0; i < a->count; i++)
        json_array_append_new(records, json_pack("{s:I, s:s, s:o}", "ttl", (json_int_t)a->at[i].ttl, "type", dns_type_name(type), "data",
                                                 data_of(type, &a->at[i])));
    return records;
}

static json_t *lookup(struct dns *d, const char *name, enum dns_type type)
{
    static const char *const origins[] = {[DNS_ASKED] = "asked", [DNS_JOINED] = "asked already", [DNS_CACHED] = "cache"};
    struct dns_question *q = dns_start(d, str_from(name), type);

    if (!q)
        return refuse("out of memory");
    int64_t began_us = clock_mono_us(), kept_ms;
    const struct dns_answer *a = dns_wait_until(q, clock_mono_ms() + LOOKUP_MOST_MS);
    double took_ms = (double)(clock_mono_us() - began_us) / 1000;
    enum dns_origin origin = dns_origin(q, &kept_ms);
    json_t *result = json_pack("{s:b, s:s, s:s, s:s, s:b, s:s, s:I, s:f}", "ok", 1, "name", name, "type", dns_type_name(type), "status",
                               dns_status_name(a->status), "authentic", a->authentic, "from", origins[origin], "kept_s",
                               (json_int_t)((kept_ms + 999) / 1000), "took_ms", took_ms);
    if (a->canonical.len)
        json_object_set_new(result, "canonical", data_of(DNS_CNAME, &(struct dns_record){.data = a->canonical}));
    json_object_set_new(result, "records", records_of(type, a));
    dns_done(&q);
    return result;
}

json_t *control_dns(struct dns *d, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "verb"));
    struct str word = str_from(json_string_value(json_object_get(request, "name")));
    const char *type_word = json_string_value(json_object_get(request, "type"));
    char name[NAME_MAX_BYTES];
    enum dns_type type;

    if (strcmp(verb, "show") == 0)
        return show(d);
    if (strcmp(verb, "flush") == 0 && !word.len)
        return json_pack("{s:b, s:I}", "ok", 1, "forgotten", (json_int_t)dns_flush(d, word));
    if (strcmp(verb, "flush") != 0 && strcmp(verb, "lookup") != 0)
        return refuse("show, lookup or flush");
    if (!question_of(word, name, &type))
        return refuse("not a name that the DNS could have");
    if (strcmp(verb, "flush") == 0)
        return json_pack("{s:b, s:I}", "ok", 1, "forgotten", (json_int_t)dns_flush(d, str_from(name)));
    if (type_word && *type_word && !dns_type_parse(str_from(type_word), &type))
        return refuse("the type is A, AAAA, CNAME, MX, NS, PTR, SOA, TLSA or TXT");
    return lookup(d, name, type);
}
