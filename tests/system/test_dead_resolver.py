"""A resolver that does not answer: nothing is refused for good, nothing passes in silence, and nobody else is held up."""
import contextlib
import socket

import postern_testing as pt


@contextlib.contextmanager
def silent_resolver():
    """Takes questions and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def gateway(port, **settings):
    return pt.Gateway(settings=dict({"dns_zone_file": "", "resolver": ["127.0.0.1:%d" % port], "check_sender_dns": None, "check_ptr": None,
                                     "max_concurrent_connections": "0", "max_connections_per_minute": "0"}, **settings))


def begin(g, sender):
    c = g.client()
    c.ask("EHLO client.example.test")
    c.ask("MAIL FROM:<%s>" % sender)
    return c


def test_the_sender_is_asked_to_come_again():
    with silent_resolver() as port, gateway(port, dns_timeout="300ms", client_lookup_deadline="300ms") as g:
        c = begin(g, "carol@sender.test")
        assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("451 4.4.3")
        row = g.wait_for_event(recipient="ann@acme.test", reason="SENDER_DNS_FAILURE", status="delayed", spf="temperror")[0]
        assert "SPF_UNAVAILABLE" in str(row["findings"])
        c.close()


def test_where_only_the_score_hangs_on_it_mail_flows():
    with silent_resolver() as port, gateway(port, dns_timeout="300ms", client_lookup_deadline="300ms", check_sender_dns="off", spf="score") as g:
        c = begin(g, "carol@sender.test")
        assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
        c.close()
        g.wait_for_event(event="incomplete", recipient="ann@acme.test", findings="*SPF_UNAVAILABLE*")


def test_workers_are_left_for_the_others():
    """Three eighths of the workers may wait; who comes then is asked to come again at once, and others are served meanwhile."""
    with silent_resolver() as port, gateway(port, dns_timeout="15s", lookup_deadline="15s", client_lookup_deadline="15s", check_ptr="off", workers=8) as g:
        waiting = [begin(g, "carol@sender%d.test" % i) for i in range(12)]
        for c in waiting:
            c.send("RCPT TO:<ann@acme.test>")
        rows = g.wait_for_event(count=9, recipient="ann@acme.test", reason="SENDER_DNS_FAILURE", status="delayed")
        assert len(rows) == 9
        assert all(pt.glob("*too many questions*", str(row["findings"])) for row in rows)
        other = g.client()
        assert other.ask("EHLO client.example.test")[-1].startswith("250")
        assert other.ask("NOOP")[-1].startswith("250")
        for c in waiting + [other]:
            c.close()


def test_the_operator_sees_it():
    with silent_resolver() as port, gateway(port, dns_timeout="300ms") as g:
        done = g.cli("dns", "lookup", "sender.test", "MX", check=False)
        assert done.returncode == 75 and "status: failed" in done.stdout
        said = pt.poll(lambda: (s := g.control(noun="dns", verb="show"))["timeouts"] and s)  # the last try may outlive the deadline
        assert said["failures"] == said["timeouts"] == said["misses"]
        assert said["p50_ms"] > 0
