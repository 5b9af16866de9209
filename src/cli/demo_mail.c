/* demo_mail.c: see demo_mail.h. Each sample shows one thing that a gateway does; the expected answer is the gateway's own. */
#include "cli/demo_mail.h"

#include "base/clock.h"
#include "base/str.h"
#include "mail/date.h"
#include "net/stream.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, REPLY_MAX = 2000 };

struct sample {
    const char *title, *helo, *from, *to, *header; /* header: further fields, each with CR LF */
    int days;                                      /* the Date's distance from now */
};

static const struct sample samples[] = {
    {"accepted and delivered", "client.example.test", "carol@example.test", "ann@acme.test", "", 0},
    {"accepted for a listed local recipient", "client.example.test", "carol@example.test", "bob@strict.test", "", 0},
    {"refused: invalid greeting", "my_host", "carol@example.test", "ann@acme.test", "", 0},
    {"refused: relay not permitted", "client.example.test", "carol@example.test", "dave@elsewhere.test", "", 0},
    {"refused: the address does not exist (list of local recipients)", "client.example.test", "carol@example.test", "nobody@strict.test", "", 0},
    {"refused: the destination's own answer (cut-through)", "client.example.test", "carol@example.test", "gone@live.test", "", 0},
    {"refused: blocked sender", "client.example.test", "spam@blocked.test", "ann@acme.test", "", 0},
    {"refused: this client may not send for the sender's domain (SPF)", "client.example.test", "boss@bank.test", "ann@acme.test", "", 0},
    {"refused: the sender's domain does not exist", "client.example.test", "carol@nowhere.test", "ann@acme.test", "", 0},
    {"refused: the sender's domain takes no mail (null MX)", "client.example.test", "carol@null.test", "ann@acme.test", "", 0},
    {"put off: a first contact (greylisting); after ten minutes it is accepted", "client.example.test", "carol@example.test", "ann@grey.test", "", 0},
    {"refused: two Subject fields", "client.example.test", "carol@example.test", "ann@acme.test", "Subject: a second one\r\n", 0},
    {"refused: a Date far in the past", "client.example.test", "carol@example.test", "ann@acme.test", "", -40},
    {"accepted, then deferred by the destination (mailbox full)", "client.example.test", "carol@example.test", "full@acme.test", "", 0},
    {"accepted, then deferred (the destination is down)", "client.example.test", "carol@example.test", "ann@down.test", "", 0},
    {"accepted, then bounced (the destination says 550), report to carol", "client.example.test", "carol@acme.test", "gone@acme.test", "", 0},
};

static int connect_to(int port)
{
    struct endpoint e = {.port = (uint16_t)port};

    if (!ip_parse(STR("127.0.0.1"), &e.ip))
        return -1;
    return stream_connect(&e, NULL, clock_mono_ms() + PATIENCE_MS);
}

/* One reply, all lines; the last line's code or 0. */
static int read_reply(struct stream *s, char *text)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;

    for (;;) {
        struct str input = stream_input(s), rest = input;
        while (rest.len) {
            ptrdiff_t end = str_find(rest, '\n');
            if (end < 0)
                break;
            struct str line = str_trim(str_n(rest.at, (size_t)end));
            rest = str_from_index(rest, (size_t)end + 1);
            if (line.len >= 4 && line.at[3] == '-')
                continue;
            str_copy(text, REPLY_MAX, line);
            stream_consume(s, input.len - rest.len); /* from here on LINE points nowhere */
            return strlen(text) >= 3 ? (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0' : 0;
        }
        if (stream_fill_wait(s, deadline_ms) != STREAM_OK)
            return 0;
    }
}

static int say(struct stream *s, const char *line, char *text)
{
    struct str bytes = str_from(line);

    return stream_write_wait(s, bytes, clock_mono_ms() + PATIENCE_MS) == STREAM_OK ? read_reply(s, text) : 0;
}

bool demo_wait_for_banner(int port)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    char text[REPLY_MAX];

    while (clock_mono_ms() < deadline_ms) {
        int fd = connect_to(port);
        if (fd >= 0) {
            struct stream s;
            stream_init(&s, fd);
            int code = read_reply(&s, text);
            if (code == 220)
                say(&s, "QUIT\r\n", text);
            stream_close(&s);
            if (code == 220)
                return true;
        }
        poll(NULL, 0, 100);
    }
    return false;
}

static int send_message(struct stream *s, const struct sample *m, char *text)
{
    char date[DATE_TEXT_MAX], message[1024];

    snprintf(message, sizeof message,
             "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%lld.demo@client.example.test>\r\n%s\r\n"
             "Hello,\r\n\r\nthis message was made by the demo: %s.\r\n.\r\n",
             date_format(clock_wall_ms() + (int64_t)m->days * 86400000, date), m->from, m->to, m->title, (long long)clock_mono_us(), m->header,
             m->title);
    return say(s, message, text);
}

static void converse(struct stream *s, const struct sample *m, char *text)
{
    char line[400];

    if (read_reply(s, text) != 220)
        return;
    snprintf(line, sizeof line, "EHLO %s\r\n", m->helo);
    if (say(s, line, text) != 250)
        return;
    snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", m->from);
    if (say(s, line, text) != 250)
        return;
    snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", m->to);
    if (say(s, line, text) != 250)
        return;
    if (say(s, "DATA\r\n", text) == 354)
        send_message(s, m, text);
}

void demo_send_samples(void)
{

    puts("\nSample mail through the front door:");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[REPLY_MAX] = "(no answer)", bye[REPLY_MAX];
        int fd = connect_to(DEMO_MX);
        if (fd < 0) {
            perror("postern demo: connect");
            return;
        }
        struct stream s;
        stream_init(&s, fd);
        converse(&s, &samples[i], text);
        say(&s, "QUIT\r\n", bye);
        stream_close(&s);
        printf("  %s\n      %s -> %s\n      %s\n", samples[i].title, samples[i].from, samples[i].to, text);
    }
}
