"""MTA-STS towards destinations (RFC 8461): policies from an HTTPS server with certificates of an authority of our own, and MX hosts of all sorts."""
import os

import pytest

import postern_testing as pt
import signed_dns
from policy_host import World, policy, reply

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 25 is for root")


@pytest.fixture(scope="module")
def world():
    w = World()
    w.add("good.test", policy("other.test", "MX.good.test"))
    w.add("wild.test", policy("*.wild.test"))
    w.add("unnamed.test", policy("mail.unnamed.test", "*.mx.unnamed.test"))
    w.add("self.test", policy("mx.self.test"), good=False)
    w.add("name.test", policy("mx.name.test"), good=w.authority.issue("somebody.test"))
    w.add("plain.test", policy("mx.plain.test"), tls=False)
    w.add("trial.test", policy("mx.trial.test", mode="testing"), good=False)
    w.add("trialgood.test", policy("mx.trialgood.test", mode="testing"))
    w.add("trialmx.test", policy("somebody.test", mode="testing"))
    w.add("trialplain.test", policy("mx.trialplain.test", mode="testing"), tls=False)
    w.add("none.test", policy(mode="none"), tls=False)
    w.add("moved.test", reply("", "301 Moved", more="Location: https://mta-sts.good.test:%d/.well-known/mta-sts.txt\r\n" % w.https.port), tls=False)
    w.add("gone.test", reply("no", "404 Not Found"), tls=False)
    w.add("html.test", reply("version: STSv1\nmode: enforce\nmx: x.test\nmax_age: 9\n", kind="text/html"), tls=False)
    w.add("broken.test", reply("version: STSv1\nmode: sometimes\nmx: x.test\nmax_age: 9\n"), tls=False)
    w.add("huge.test", reply("version: STSv1\r\n" + "x: y\r\n" * 20000), tls=False)
    w.add("endless.test", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x: y\r\n" * 20000, tls=False)
    w.add("silent.test", None, tls=False)
    w.https.add("mta-sts.silent.test", None)
    w.add("wrongcert.test", policy("x.test"), tls=False, certificate=w.authority.issue("mta-sts.somebody.test", stem="wrong"))
    w.add("selfcert.test", policy("x.test"), tls=False, certificate=pt.make_certificate(w.directory, "mta-sts.selfcert.test", stem="selfcert"))
    w.add("oldcert.test", policy("x.test"), tls=False, certificate=w.authority.issue("mta-sts.oldcert.test", stem="oldcert", days=-1))
    w.add("badrecord.test", policy("x.test"), tls=False, txt="v=STSv1; id=a-b;")
    w.add("norecord.test", policy("x.test"), tls=False, txt="hello")
    w.add("dane.test", policy("x.test"), good=False)
    w.zone[-3:] = ["$AUTHENTIC yes", *w.zone[-3:], "_25._tcp.mx.dane.test. TLSA " + signed_dns.tlsa(w.directory + "/mx.dane.test.pem"), "$AUTHENTIC no"]
    yield w
    w.close()


@pytest.fixture(scope="module")
def gateway(world):
    with world.gateway() as g:
        yield g


def send(gateway, domain, event, count=1):
    client = gateway.client(port=gateway.submission)
    assert client.transact("ann@" + domain).startswith("250")
    client.close()
    return gateway.wait_for_event(event=event, recipient="ann@" + domain, count=count)[count - 1]


@pytest.mark.parametrize("domain, says", [
    ("good.test", "sts: enforce, policy a1 of good.test names mx.good.test"), ("wild.test", "sts: enforce, policy a1 of wild.test names mx.wild.test"),
    ("trialgood.test", "sts: testing, policy a1 of trialgood.test names mx.trialgood.test"),
    ("trial.test", "sts: testing, *; enforced it would have failed: certificate not good: self-signed certificate"),
    ("trialmx.test", "sts: testing, policy a1 of trialmx.test does not name mx.trialmx.test; enforced it would have failed: the host is not among its mx"),
    ("trialplain.test", "sts: testing, *; enforced it would have failed: it does not offer STARTTLS; plaintext"),
    ("none.test", "may: *; none, policy a1 of none.test does not name mx.none.test; plaintext"),
    ("badrecord.test", "may: *; the record at _mta-sts.badrecord.test cannot be read; plaintext"), ("norecord.test", "may: *; no MTA-STS; plaintext")])
def test_mail_goes_where_the_policy_lets_it(world, gateway, domain, says):
    row = send(gateway, domain, "delivered")
    assert pt.glob(says, row["tls_policy"]), row["tls_policy"]
    assert ("tls" in row) == ("plaintext" not in says)
    assert len(world.hops[domain].bodies) == 1


@pytest.mark.parametrize("domain, says", [
    ("unnamed.test", "mx.unnamed.test is not used: sts: enforce, policy a1 of unnamed.test does not name mx.unnamed.test"),
    ("self.test", "TLS with mx.self.test[*]:25 failed (sts: enforce, policy a1 of self.test names mx.self.test): certificate not good: self-signed certificate"),
    ("name.test", "*: certificate not good: *ostname mismatch*"), ("plain.test", "*(sts: enforce, *): it does not offer STARTTLS")])
def test_and_nowhere_else(world, gateway, domain, says):
    row = send(gateway, domain, "deferred")
    assert row["reason"] == "DELIVERY_STS_FAILED" and row["dsn"] == "4.7.5"
    assert pt.glob(says, row["remote_reply"]), row["remote_reply"]
    assert not [line for line in world.hops[domain].said if line.startswith(("MAIL", "RCPT"))]


@pytest.mark.parametrize("domain, why", [
    ("moved.test", "HTTP status 301"), ("gone.test", "HTTP status 404"), ("html.test", 'it is "text/html", not text/plain'),
    ("broken.test", "its mode is none of enforce, testing, none"), ("huge.test", "it is longer than 65536 bytes"),
    ("endless.test", "it is longer than 65536 bytes"), ("silent.test", "Operation timed out after *"), ("wrongcert.test", "SSL*"), ("selfcert.test", "SSL*"),
    ("oldcert.test", "SSL*")])
def test_a_policy_that_cannot_be_fetched_is_none(world, gateway, domain, why):
    """§3.3; and it is not asked for again at once."""
    for count in (1, 2):
        row = send(gateway, domain, "delivered", count)
        assert pt.glob("may: *; the MTA-STS policy of %s could not be fetched: %s; plaintext" % (domain, why), row["tls_policy"]), row["tls_policy"]
    assert world.https.asked("mta-sts." + domain) <= 1
    assert "MTA-STS: the policy of %s could not be fetched from https://mta-sts.%s:" % (domain, domain) in gateway.said()


def test_dane_decides_before_it(world, gateway):
    assert send(gateway, "dane.test", "delivered")["tls_policy"].startswith("dane: TLSA 3 1 1")
    assert world.https.asked("mta-sts.dane.test") == 0


def test_a_redirect_is_not_followed(world):
    before = world.https.asked("mta-sts.good.test")
    with world.gateway() as g:
        send(g, "moved.test", "delivered")
    assert world.https.asked("mta-sts.good.test") == before


def test_a_slow_policy_host_holds_up_nobody_else(world):
    with world.gateway(mta_sts_timeout="20s") as g:
        client = g.client(port=g.submission)
        assert client.transact("ann@silent.test").startswith("250")
        assert send(g, "good.test", "delivered") and send(g, "norecord.test", "delivered")
        assert not g.events(event="delivered", recipient="ann@silent.test")


def test_it_can_be_switched_off(world):
    with world.gateway(mta_sts=False) as g:
        assert send(g, "unnamed.test", "delivered")["tls_policy"] == "may: DNSSEC does not vouch for the MX records of unnamed.test"


def test_a_policy_is_fetched_once_and_outlives_its_host():
    w = World()
    w.add("keep.test", policy("mx.keep.test", max_age=10 * 86400))
    g = w.gateway()
    try:
        g.start()
        for count in (1, 2):
            send(g, "keep.test", "delivered", count)
        assert w.https.asked("mta-sts.keep.test") == 1
        g.stop()
        g.start()  # from the file
        send(g, "keep.test", "delivered", 3)
        assert w.https.asked("mta-sts.keep.test") == 1
        g.stop()
        w.https.answers["mta-sts.keep.test"] = reply("no", "500 Oh")  # a new one is published, but cannot be had: the old one holds
        g.zone = g.zone.replace("id=a1;", "id=a2;")
        w.hops["keep.test"].script["EHLO"] = b"250 hop.test\r\n"  # somebody takes TLS away
        g.start()
        row = send(g, "keep.test", "deferred")
        assert "sts: enforce, policy a1 of keep.test names mx.keep.test (fetching a newer one failed: HTTP status 500)" in row["remote_reply"]
        assert w.https.asked("mta-sts.keep.test") == 2
        w.https.answers["mta-sts.keep.test"] = policy(mode="none")
        g.control(noun="clock", verb="advance", seconds=1200)  # tried again, and the new one can be had
        row = g.wait_for_event(event="delivered", recipient="ann@keep.test", count=4)[3]
        assert "none, policy a2 of keep.test" in row["tls_policy"]
    finally:
        g.close()
        w.close()


def test_a_policy_ends_when_its_time_is_over():
    w = World()
    w.add("short.test", policy("somebody.test", max_age=86400))
    g = w.gateway()
    try:
        g.start()
        assert send(g, "short.test", "deferred")["reason"] == "DELIVERY_STS_FAILED"
        g.stop()
        w.https.answers["mta-sts.short.test"] = reply("no", "500 Oh")
        g.start()
        g.control(noun="clock", verb="advance", seconds=2 * 86400)
        row = g.wait_for_event(event="delivered", recipient="ann@short.test")[0]
        assert "could not be fetched: HTTP status 500" in row["tls_policy"]
    finally:
        g.close()
        w.close()


def test_a_policy_in_use_is_kept_fresh():
    """§3.3: once a day, without waiting for mail."""
    w = World()
    w.add("fresh.test", policy("mx.fresh.test"))
    with w.gateway() as g:
        send(g, "fresh.test", "delivered")
        g.control(noun="clock", verb="advance", seconds=25 * 3600)
        pt.poll(lambda: w.https.asked("mta-sts.fresh.test") == 2)
    w.close()


def test_a_file_that_is_damaged_is_begun_anew():
    w = World()
    w.add("file.test", policy("mx.file.test"))
    g = w.gateway()
    try:
        with open(g.path("state", "mta-sts"), "w") as f:
            f.write('{"domain":"file.test","id":"a1"\n\0\0\n{"domain":"x.test","id":"a","fetched_ms":1,"used_ms":1,"mode":"enforce","max_age":5,"mx":["*"]}\n')
        g.start()
        assert "3 lines of %s could not be read" % g.path("state", "mta-sts") in g.said()
        send(g, "file.test", "delivered")
        pt.poll(lambda: '"domain":"file.test"' in open(g.path("state", "mta-sts")).read())
    finally:
        g.close()
        w.close()
