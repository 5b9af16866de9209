/*
 * dns_cares.c: questions to real resolvers, by c-ares in a thread of its own. The AD bit is asked for (RFC 6840 §5.7) and believed where
 * the resolver is one that the operator named, or is on loopback: others are reached over a network where anybody could set it.
 * Answers are hostile input: read with the resolver library's bounded parser.
 */
#include "net/dns_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EDNS_BYTES = 1232, MOST_SOCKETS = 16, LONGEST_WAIT_MS = 500, TTL_WITHOUT_SOA = 60, AD_BIT = 0x20, MOST_ALIASES = 16 };

struct asked {
    struct list list;
    struct dns_entry *entry;
    struct resolver *resolver;
    bool is_plain; /* without EDNS */
};

struct resolver {
    ares_channel channel;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `asked` */
    struct list asked;
    int wake;
    atomic_bool stop;
    bool is_trusted;
};

/* False, here and below: the data is none that the type could have. */
static bool add_name(struct dns_entry *e, const ns_msg *m, const ns_rr *rr, size_t skip, struct dns_record *to)
{
    char name[NS_MAXDNAME];
    const u_char *at = ns_rr_rdata(*rr) + skip;

    if (ns_rr_rdlen(*rr) <= skip || ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), at, name, sizeof name) < 0)
        return false;
    size_t len = strlen(name);
    if (len && name[len - 1] == '.')
        len--;
    str_lower(name, len);
    to->data = arena_str(&e->arena, str_n(name, len));
    return true;
}

static bool add_text(struct dns_entry *e, const ns_rr *rr, struct dns_record *to)
{
    struct buf text = buf_make(65535);
    const u_char *at = ns_rr_rdata(*rr);
    size_t left = ns_rr_rdlen(*rr);

    while (left && at[0] < left) {
        buf_add(&text, at + 1, at[0]);
        left -= at[0] + 1U;
        at += at[0] + 1;
    }
    to->data = arena_str(&e->arena, buf_str(&text));
    buf_free(&text);
    return !left;
}

static bool add_record(struct dns_entry *e, const ns_msg *m, const ns_rr *rr)
{
    size_t len = ns_rr_rdlen(*rr), want = e->type == DNS_A ? 4 : 16;
    const u_char *at = ns_rr_rdata(*rr);

    if ((e->type == DNS_A || e->type == DNS_AAAA) && len != want)
        return false;
    struct dns_record *to = dns_entry_add(e);
    if (!to)
        return true; /* more than anybody needs; or no memory, which dns_entry_answer() sees */
    *to = (struct dns_record){.ttl = ns_rr_ttl(*rr)};
    switch (e->type) {
    case DNS_A:
    case DNS_AAAA:
        to->ip.family = e->type == DNS_A ? 4 : 6;
        memcpy(to->ip.bytes, at, len);
        return true;
    case DNS_TXT:
        return add_text(e, rr, to);
    case DNS_TLSA:
        to->data = arena_str(&e->arena, str_n((const char *)at, len));
        return true;
    case DNS_MX:
        if (len > 2)
            to->preference = (uint16_t)(at[0] << 8 | at[1]);
        return add_name(e, m, rr, 2, to);
    default:
        return add_name(e, m, rr, 0, to);
    }
}

static bool is_of(const ns_rr *rr, int type, const char *owner)
{
    return (int)ns_rr_type(*rr) == type && ns_rr_class(*rr) == ns_c_in && str_eq_case(str_from(ns_rr_name(*rr)), str_from(owner));
}

/* One alias further from NAME; false: NAME is none. */
static bool follow_alias(ns_msg *m, char name[NS_MAXDNAME])
{
    ns_rr rr;

    for (int i = 0; i < ns_msg_count(*m, ns_s_an) && ns_parserr(m, ns_s_an, i, &rr) == 0; i++)
        if (is_of(&rr, ns_t_cname, name))
            return ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), ns_rr_rdata(rr), name, NS_MAXDNAME) >= 0;
    return false;
}

/* The name that has the records, if any has: from that of the question to the end of its aliases. False: they lead in a circle, or too far. */
static bool find_owner(const struct dns_entry *e, ns_msg *m, char owner[NS_MAXDNAME])
{
    ns_rr question;
    int hops = 0;

    if (ns_parserr(m, ns_s_qd, 0, &question) < 0 || !str_copy(owner, NS_MAXDNAME, str_from(ns_rr_name(question))))
        return false;
    while (e->type != DNS_CNAME && hops <= MOST_ALIASES && follow_alias(m, owner))
        hops++;
    return hops <= MOST_ALIASES;
}

static void note_owner(struct dns_entry *e, const char *found)
{
    char name[DNS_NAME_MAX + 1];
    struct str owner = str_from(found);

    if (owner.len && owner.at[owner.len - 1] == '.')
        owner.len--;
    if (!str_copy(name, sizeof name, owner))
        return;
    str_lower(name, owner.len);
    if (strcmp(name, e->name) != 0)
        e->answer.canonical = arena_str(&e->arena, str_n(name, owner.len));
}

/* RFC 2308 §5: the smaller of the SOA's own TTL and its MINIMUM. */
static uint32_t negative_ttl(ns_msg *m)
{
    ns_rr rr;

    for (int i = 0; i < ns_msg_count(*m, ns_s_ns); i++) {
        if (ns_parserr(m, ns_s_ns, i, &rr) < 0 || ns_rr_type(rr) != ns_t_soa || ns_rr_rdlen(rr) < 20)
            continue;
        uint32_t minimum = ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4), own = ns_rr_ttl(rr);
        return minimum < own ? minimum : own;
    }
    return TTL_WITHOUT_SOA;
}

/*
 * RFC 2308 §2.2: a referral (name servers and no SOA), or nothing at all from a server that neither resolves nor has authority. Such a server is
 * the wrong one to ask; that it has no data says nothing.
 */
static bool is_lame(ns_msg *m)
{
    ns_rr rr;
    bool has_servers = false;

    for (int i = 0; i < ns_msg_count(*m, ns_s_ns); i++) {
        if (ns_parserr(m, ns_s_ns, i, &rr) < 0)
            return true;
        if (ns_rr_type(rr) == ns_t_soa)
            return false;
        has_servers = has_servers || ns_rr_type(rr) == ns_t_ns;
    }
    return has_servers || !(ns_msg_getflag(*m, ns_f_ra) || ns_msg_getflag(*m, ns_f_aa));
}

static uint32_t read_answer(struct dns_entry *e, const unsigned char *bytes, int len, bool is_trusted)
{
    ns_msg m;
    ns_rr rr;
    uint32_t ttl = DNS_TTL_MOST;
    char owner[NS_MAXDNAME];
    bool has_strangers = false;

    if (ns_initparse(bytes, len, &m) < 0 || !find_owner(e, &m, owner))
        return 0;
    int code = ns_msg_getflag(m, ns_f_rcode);
    if (code != ns_r_noerror && code != ns_r_nxdomain)
        return 0;
    for (int i = 0; i < ns_msg_count(m, ns_s_an); i++) {
        if (ns_parserr(&m, ns_s_an, i, &rr) < 0)
            return 0;
        if (ns_rr_ttl(rr) < ttl)
            ttl = ns_rr_ttl(rr);
        if (!is_of(&rr, (int)e->type, owner)) {
            has_strangers = has_strangers || (int)ns_rr_type(rr) == (int)e->type;
            continue;
        }
        if (!add_record(e, &m, &rr))
            return 0; /* half an answer would be taken for all there is, an MX without a name for a null MX */
    }
    if (!e->answer.count && (has_strangers || (code == ns_r_noerror && is_lame(&m))))
        return 0; /* not an answer to what was asked: it says nothing of whether there is one */
    if (e->answer.count)
        note_owner(e, owner);
    e->answer.authentic = is_trusted && (bytes[3] & AD_BIT) != 0;
    e->answer.status = e->answer.count ? DNS_OK : code == ns_r_nxdomain ? DNS_NO_NAME : DNS_NO_DATA;
    return e->answer.count ? ttl : negative_ttl(&m);
}

static void answered(void *arg, int status, int timeouts, unsigned char *bytes, int len);

/* A is the question's from here on, until it is answered. */
static void send_question(struct resolver *r, struct asked *a)
{
    struct dns_entry *e = a->entry;
    unsigned char *query = NULL;
    int len = 0;

    int status = ares_create_query(e->name, ns_c_in, (int)e->type, 0, 1, &query, &len, a->is_plain ? 0 : EDNS_BYTES);
    if (status != ARES_SUCCESS) {
        e->answer.status = status == ARES_EBADNAME ? DNS_NO_NAME : DNS_FAILED; /* not a name that DNS could have; or no memory */
        dns_entry_answer(e, DNS_TTL_LEAST);
        free(a);
        return;
    }
    query[3] |= AD_BIT;
    ares_send(r->channel, query, len, answered, a);
    ares_free_string(query);
}

/* RFC 6891 §7: FORMERR, and no OPT record (nor any other) in the additional section. */
static bool does_not_know_edns(const unsigned char *bytes)
{
    return (bytes[3] & 15) == ns_r_formerr && !bytes[10] && !bytes[11];
}

static void answered(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
    struct asked *a = arg;
    struct dns_entry *e = a->entry;
    bool is_whole = status == ARES_SUCCESS && len >= NS_HFIXEDSZ;

    (void)timeouts;
    if (is_whole && !a->is_plain && does_not_know_edns(bytes)) {
        a->is_plain = true; /* the library asks anew by itself only the first time that it sees this */
        send_question(a->resolver, a);
        return;
    }
    uint32_t ttl = is_whole ? read_answer(e, bytes, len, a->resolver->is_trusted) : 0;
    e->timed_out = status == ARES_ETIMEOUT;
    dns_entry_answer(e, ttl);
    free(a);
}

static void send_all(struct resolver *r)
{
    struct list here;

    list_init(&here);
    pthread_mutex_lock(&r->lock);
    if (!list_is_empty(&r->asked)) {
        list_insert_after(&r->asked, &here);
        list_remove(&r->asked);
    }
    pthread_mutex_unlock(&r->lock);
    LIST_EACH_SAFE(&here, l, after) {
        send_question(r, container_of(l, struct asked, list));
    }
}

static void wait_and_process(struct resolver *r)
{
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    struct pollfd p[MOST_SOCKETS + 1] = {{.fd = r->wake, .events = POLLIN}};
    struct timeval most = {.tv_usec = LONGEST_WAIT_MS * 1000}, left;
    int mask = ares_getsock(r->channel, sockets, ARES_GETSOCK_MAXNUM), count = 1;
    uint64_t drop;

    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        /* the library's own macros shift a signed 1 into the sign */
        bool reads = (unsigned)mask >> i & 1, writes = (unsigned)mask >> (i + ARES_GETSOCK_MAXNUM) & 1;
        short events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
        if (events)
            p[count++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    struct timeval *wait = ares_timeout(r->channel, &most, &left);
    poll(p, (nfds_t)count, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
    if (p[0].revents && read(r->wake, &drop, sizeof drop) < 0 && errno != EAGAIN)
        log_error("dns: eventfd: %s", strerror(errno));
    for (int i = 1; i < count; i++)
        ares_process_fd(r->channel, p[i].revents & (POLLIN | POLLERR | POLLHUP) ? p[i].fd : ARES_SOCKET_BAD,
                        p[i].revents & (POLLOUT | POLLERR | POLLHUP) ? p[i].fd : ARES_SOCKET_BAD);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* time-outs */
}

static void *resolver_main(void *arg)
{
    struct resolver *r = arg;

    while (!atomic_load(&r->stop)) {
        send_all(r);
        wait_and_process(r);
    }
    ares_cancel(r->channel); /* calls back for all that is under way */
    send_all(r);
    ares_cancel(r->channel);
    return NULL;
}

static void wake(struct resolver *r)
{
    uint64_t one = 1;

    if (write(r->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("dns: eventfd: %s", strerror(errno));
}

static void resolver_ask(void *self, struct dns_entry *e)
{
    struct resolver *r = self;
    struct asked *a = malloc(sizeof *a);

    if (!a) {
        dns_entry_answer(e, 0);
        return;
    }
    *a = (struct asked){.entry = e, .resolver = r};
    pthread_mutex_lock(&r->lock);
    list_add_tail(&r->asked, &a->list);
    pthread_mutex_unlock(&r->lock);
    wake(r);
}

static void resolver_close(struct resolver *r)
{
    if (r->channel)
        ares_destroy(r->channel);
    close(r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
    ares_library_cleanup();
}

static void resolver_free(void *self)
{
    struct resolver *r = self;

    atomic_store(&r->stop, true);
    wake(r);
    pthread_join(r->thread, NULL);
    resolver_close(r);
}

/* "address[:port]" entries in the form that c-ares reads: joined by commas, IPv6 in brackets. */
static bool set_servers(struct resolver *r, const char *const *resolvers, size_t count, struct buf *error)
{
    struct buf list = buf_make(1024);
    char text[ENDPOINT_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        struct endpoint e;
        if (!endpoint_parse(str_from(resolvers[i]), 53, &e)) {
            buf_addf(error, "resolver \"%s\": not an address", resolvers[i]);
            buf_free(&list);
            return false;
        }
        buf_addf(&list, "%s%s", i ? "," : "", endpoint_format(&e, text));
    }
    int status = count ? ares_set_servers_ports_csv(r->channel, buf_text(&list)) : ARES_SUCCESS;
    buf_free(&list);
    if (status != ARES_SUCCESS)
        buf_addf(error, "resolver: %s", ares_strerror(status));
    return status == ARES_SUCCESS;
}

static bool all_on_loopback(const struct resolver *r)
{
    struct ares_addr_port_node *list = NULL;
    bool all = ares_get_servers_ports(r->channel, &list) == ARES_SUCCESS && list;

    for (const struct ares_addr_port_node *s = list; s; s = s->next) {
        struct ip ip = {.family = s->family == AF_INET ? 4 : 6};
        if (s->family == AF_INET)
            memcpy(ip.bytes, &s->addr.addr4, 4);
        else
            memcpy(ip.bytes, &s->addr.addr6, 16);
        all = all && ip_is_loopback(&ip);
    }
    ares_free_data(list);
    return all;
}

static bool open_channel(struct resolver *r, int64_t timeout_ms, struct buf *error)
{
    struct ares_options options = {.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES, .tries = 3, .ednspsz = EDNS_BYTES};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TRIES | ARES_OPT_TIMEOUTMS | ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS;

    options.timeout = (int)(timeout_ms / 7 > 50 ? timeout_ms / 7 : 50); /* three tries, doubling, fit into the deadline */
    options.lookups = (char[]){"b"};
    int status = ares_library_init(ARES_LIB_INIT_ALL);
    if (status == ARES_SUCCESS)
        status = ares_init_options(&r->channel, &options, mask);
    if (status != ARES_SUCCESS)
        buf_addf(error, "resolver: %s", ares_strerror(status));
    return status == ARES_SUCCESS;
}

struct dns *dns_new_resolver(const char *const *resolvers, size_t count, int64_t timeout_ms, struct buf *error)
{
    static const struct dns_source source = {.ask = resolver_ask, .free = resolver_free};
    struct resolver *r = calloc(1, sizeof *r);

    if (!r) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    list_init(&r->asked);
    pthread_mutex_init(&r->lock, NULL);
    r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake < 0 || !open_channel(r, timeout_ms, error) || !set_servers(r, resolvers, count, error)) {
        resolver_close(r);
        return NULL;
    }
    r->is_trusted = count > 0 || all_on_loopback(r);
    if (pthread_create(&r->thread, NULL, resolver_main, r) != 0) {
        buf_add_text(error, "resolver: no thread");
        resolver_close(r);
        return NULL;
    }
    return dns_new(&source, r, timeout_ms, error);
}
