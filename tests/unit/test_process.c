/* test_process.c: packets between master and children: what goes in comes out, and what is malformed is refused. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void packets_arrive_whole(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        enum process_packet_type type;
        int32_t number;
        const char *text;
        bool descriptor;
    } rows[] = {
        {"a bare order", PROCESS_APPLY, 0, "", false},
        {"numbers keep their sign", PROCESS_STOP, -7, "", false},
        {"a reason", PROCESS_FAILED, 0, "postern.conf:3: no such option", false},
        {"a descriptor with a name", PROCESS_LISTENER, LISTENER_CONSOLE, "127.0.0.1:8080", true},
        {"the last type", PROCESS_REOPEN, 0, "", false},
    };
    int pair[2], fd;
    struct process_packet p;

    assert_true(packet_pair(pair));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        print_message("%s\n", r->name);
        assert_true(process_send(pair[0], r->type, r->number, r->text, r->descriptor ? pair[0] : -1));
        assert_int_equal(process_receive(pair[1], &p, &fd, 1000), 1);
        assert_int_equal(p.type, r->type);
        assert_int_equal(p.number, r->number);
        assert_string_equal(p.text, r->text);
        assert_int_equal(fd >= 0, r->descriptor);
        if (fd >= 0) {
            assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
            close(fd);
        }
    }
    close(pair[0]);
    assert_int_equal(process_receive(pair[1], &p, &fd, 1000), 0);
    assert_int_equal(fd, -1);
    assert_false(process_send(pair[1], PROCESS_READY, 0, "", -1));
    close(pair[1]);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    char text[3000];
    struct process_packet p;
    int pair[2], fd;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_true(packet_pair(pair));
    assert_true(process_send(pair[0], PROCESS_FAILED, 0, text, -1));
    assert_int_equal(process_receive(pair[1], &p, &fd, 1000), 1);
    assert_int_equal(strlen(p.text), PROCESS_TEXT_MAX - 1);
    close(pair[0]);
    close(pair[1]);
}

static void malformed_packets_are_refused(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        int32_t type;
        const char *text;
        size_t text_len; /* as sent, NUL included where there is one */
        size_t descriptors;
    } rows[] = {
        {"no text at all", PROCESS_APPLY, "", 0, 0},
        {"text without an end", PROCESS_FAILED, "abc", 3, 0},
        {"text that ends early", PROCESS_FAILED, "a\0b", 4, 0},
        {"type below", -1, "", 1, 0},
        {"type above", PROCESS_REOPEN + 1, "", 1, 0},
        {"a descriptor where none belongs", PROCESS_APPLY, "", 1, 1},
        {"a descriptor missing", PROCESS_CONFIG, "", 1, 0},
        {"two descriptors for one", PROCESS_SCAN, "", 1, 2},
    };
    int pair[2], fd;

    assert_true(packet_pair(pair));
    int before = open_descriptors();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct process_packet p = {.type = rows[i].type};
        struct packet_fds fds = {.fd = {pair[0], pair[0]}, .count = rows[i].descriptors};
        print_message("%s\n", rows[i].name);
        memcpy(p.text, rows[i].text, rows[i].text_len);
        assert_true(packet_send(pair[0], &p, offsetof(struct process_packet, text) + rows[i].text_len, &fds, 1000));
        errno = 0;
        assert_int_equal(process_receive(pair[1], &p, &fd, 1000), -1);
        assert_int_equal(errno, EPROTO);
        assert_int_equal(fd, -1);
        assert_int_equal(open_descriptors(), before);
    }
    struct process_packet p;
    assert_int_equal(process_receive(pair[1], &p, &fd, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    close(pair[0]);
    close(pair[1]);
}

static void pieces_become_one_packet(void **state)
{
    (void)state;
    char first[] = "one ", second[] = "packet", got[32];
    struct iovec pieces[] = {{first, 4}, {second, 6}};
    int pair[2];

    assert_true(packet_pair(pair));
    assert_true(packet_sendv(pair[0], pieces, 2, NULL, 1000));
    assert_int_equal(packet_receive(pair[1], got, sizeof got, NULL, 1000), 10);
    assert_memory_equal(got, "one packet", 10);
    close(pair[0]);
    close(pair[1]);
}

static void memfd_is_sealed_and_read_back(void **state)
{
    (void)state;
    struct buf got = buf_make(10), exact = buf_make(9), small = buf_make(8);
    int fd = process_memfd("test", STR("nine byte"));

    assert_true(fd >= 0);
    assert_true(write(fd, "x", 1) < 0);
    assert_true(ftruncate(fd, 0) < 0);
    for (int again = 0; again < 2; again++) { /* the offset of the first reader does not disturb the second */
        buf_clear(&got);
        assert_true(process_read_fd(fd, &got));
        assert_int_equal(got.len, 9);
        assert_memory_equal(got.at, "nine byte", 9);
    }
    assert_true(process_read_fd(fd, &exact));
    assert_int_equal(exact.len, 9);
    assert_false(process_read_fd(fd, &small));
    assert_int_equal(errno, EFBIG);
    close(fd);
    assert_false(process_read_fd(fd, &got));
    buf_free(&got);
    buf_free(&exact);
    buf_free(&small);
}

static void pems_round_trip(void **state)
{
    (void)state;
    struct process_pem in[2] = {{STR("a.pem"), STR("chain a"), STR("key a")}, {STR("b.pem"), STR(""), STR("key\0b")}}, out[2];
    struct buf bytes = buf_make(1024), tight = buf_make(20);

    assert_true(process_pems_write(&bytes, in, 2));
    assert_int_equal(process_pems_read(buf_str(&bytes), out, 2), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(str_eq(in[i].name, out[i].name));
        assert_true(str_eq(in[i].chain, out[i].chain));
        assert_true(str_eq(in[i].key, out[i].key));
    }
    assert_int_equal(process_pems_read(buf_str(&bytes), out, 1), -1);
    for (size_t cut = 0; cut < bytes.len; cut++) /* each cut-off form is malformed, none is read past its end */
        assert_int_equal(process_pems_read(str_n(bytes.at, cut), out, 2), -1);
    buf_add_char(&bytes, 'x');
    assert_int_equal(process_pems_read(buf_str(&bytes), out, 2), -1);
    assert_false(process_pems_write(&tight, in, 2));
    buf_clear(&bytes);
    assert_true(process_pems_write(&bytes, NULL, 0));
    assert_int_equal(process_pems_read(buf_str(&bytes), NULL, 0), 0);
    buf_free(&bytes);
    buf_free(&tight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_arrive_whole),   cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(malformed_packets_are_refused), cmocka_unit_test(pieces_become_one_packet),
        cmocka_unit_test(memfd_is_sealed_and_read_back), cmocka_unit_test(pems_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
