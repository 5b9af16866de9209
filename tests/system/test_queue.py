"""The queue: verbs of the operator, retries, and a restart in its middle."""
import pytest

import postern_testing as pt

DOMAINS = {"acme.test": {}, "sender.test": {}, "down.test": {"routes": ["127.0.0.1:1"]}}


@pytest.fixture()
def gateway():
    with pt.Gateway(domains=dict(DOMAINS), settings={"max_connections_per_minute": "0"}) as g:
        yield g


def waiting(g, count, **wanted):
    def enough():
        rows = g.queue(**wanted)
        return len(rows) == count and all(r["attempts"] or r["state"] != "queued" for r in rows)
    enough.__doc__ = "%d rows in the queue with %r" % (count, wanted)
    return pt.poll(enough)


def test_restart_in_mid_queue(gateway):
    for i in range(10):
        assert gateway.client().transact("late-%d@acme.test" % i if i % 2 else "full%d@acme.test" % i).startswith("250")
    assert gateway.client().transact(["ann@acme.test", "full@acme.test", "ann@down.test"]).startswith("250")
    pt.poll(lambda: gateway.sink.messages_for("ann@acme.test"))
    waiting(gateway, 7)
    before = {(r["reference"], r["recipient"], r["attempts"], r["received"]) for r in gateway.queue()}
    assert gateway.stop() == 0
    gateway.start()
    assert {(r["reference"], r["recipient"], r["attempts"], r["received"]) for r in gateway.queue()} == before
    assert len(gateway.sink.messages_for("ann@acme.test")) == 1, "what was delivered is not delivered again"


def test_verbs(gateway):
    for sender in ("a@sender.test", "b@sender.test", "c@sender.test"):
        assert gateway.client().transact("full@acme.test", sender=sender).startswith("250")
    waiting(gateway, 3)
    gateway.cli("queue", "hold", "sender:a@*", "--dry-run")
    assert gateway.queue(state="held") == []
    gateway.cli("queue", "hold", "sender:a@*", "--reason", "looked at")
    assert [r["sender"] for r in gateway.queue(state="held")] == ["a@sender.test"]
    gateway.cli("queue", "release", "state:held")
    waiting(gateway, 0, state="held")
    gateway.cli("queue", "bounce", "sender:b@*", "--reason", "not wanted")
    pt.poll(lambda: gateway.sink.messages_for("b@sender.test"))
    gateway.cli("queue", "delete", "sender:c@*")
    pt.poll(lambda: gateway.queue(sender="c@sender.test") == [])
    assert gateway.sink.messages_for("c@sender.test") == []
    rows = gateway.queue()
    assert [r["sender"] for r in rows] == ["a@sender.test"]
    shown = gateway.cli("queue", "show", rows[0]["reference"]).stdout
    assert "full@acme.test" in shown and "452 4.2.2" in shown
    assert "acme.test" in gateway.cli("queue", "top").stdout


def test_filters(gateway):
    for sender in ("a@sender.test", "b@sender.test"):
        assert gateway.client().transact("full@acme.test", sender=sender).startswith("250")
    waiting(gateway, 2)
    one, two = (r["reference"] for r in gateway.queue())
    assert "a@sender.test" in gateway.cli("queue", "list", "from:a@*", "to:full@*", "state:queued", "older:0s").stdout
    twice = gateway.cli("queue", "delete", one, two, check=False)
    assert twice.returncode == 64 and "two filters" in twice.stderr, "never only one of them in silence"
    assert len(gateway.queue()) == 2
    unknown = gateway.cli("queue", "delete", "form:a@*", check=False)
    assert unknown.returncode == 64 and "from:" in unknown.stderr
    missing = gateway.cli("queue", "show", "NOSUCHONE1", check=False)
    assert missing.returncode == 65 and "NOSUCHONE1" in missing.stderr


def test_retry_by_hand_and_by_clock(gateway):
    assert gateway.client().transact("defer-once@acme.test").startswith("250")
    waiting(gateway, 1)
    gateway.cli("queue", "retry", "recipient:defer-once@*")
    pt.poll(lambda: gateway.sink.messages_for("defer-once@acme.test"))
    pt.poll(lambda: gateway.queue() == [])
    assert gateway.client(source="127.0.0.10").transact("defer-once-two@acme.test").startswith("250")
    waiting(gateway, 1)
    gateway.cli("clock", "advance", "1000")
    pt.poll(lambda: gateway.sink.messages_for("defer-once-two@acme.test"))


def test_second_route_when_the_first_is_down():
    g = pt.Gateway()
    g.domains = {"acme.test": {"routes": ["127.0.0.1:1", "127.0.0.1:%d" % g.sink.port]}}
    with g:
        assert g.client().transact("ann@acme.test").startswith("250")
        pt.poll(lambda: g.sink.messages_for("ann@acme.test"))


def test_mx_null_mx_and_no_domain():
    g = pt.Gateway(domains={name: {"routes": ["mx"]} for name in ("acme.test", "null.test", "nowhere.test")})
    g.domains["sender.test"] = {}
    g.zone = "acme.test. MX 10 mx.acme.test.\nmx.acme.test. A 127.0.0.1\nnull.test. MX 0 .\n"
    with g:
        assert g.client().transact("ann@null.test", sender="a@sender.test").startswith("250")
        assert g.wait_for_event(event="bounced", recipient="ann@null.test")[0]["reason"] == "DELIVERY_NULL_MX"
        assert g.client().transact("ann@nowhere.test", sender="b@sender.test").startswith("250")
        assert g.wait_for_event(event="bounced", recipient="ann@nowhere.test")[0]["reason"] == "DELIVERY_NO_DOMAIN"


def test_text_log_counts_right(gateway, tmp_path):
    """pflogsumm reads the text profile (reports of our own do not count as received, as with Postfix)."""
    import shutil
    import subprocess
    if not shutil.which("pflogsumm") and not shutil.which("/usr/sbin/pflogsumm"):
        pytest.skip("pflogsumm is not installed (script/setup --test)")
    for _ in range(3):
        assert gateway.client().transact("ann@acme.test").startswith("250")
    gateway.client().transact("gone@acme.test", sender="carol@sender.test")
    assert gateway.client().transact("ann@elsewhere.test").startswith("550")
    gateway.wait_for_event(event="bounced")
    gateway.wait_for_event(event="refused")
    pt.poll(lambda: gateway.queue() == [])
    pt.poll(lambda: gateway.sink.messages_for("carol@sender.test"))
    gateway.control(noun="log", verb="flush")
    said = subprocess.run(["/usr/sbin/pflogsumm", gateway.path("log", "mail.log")], capture_output=True, text=True, check=True).stdout
    numbers = {words[1]: words[0] for words in map(str.split, said.splitlines()) if len(words) in (2, 3) and words[0].isdigit()}
    assert numbers["received"] == "4" and numbers["delivered"] == "4", said
    assert numbers["bounced"] == "1" and numbers["rejected"] == "1", said
