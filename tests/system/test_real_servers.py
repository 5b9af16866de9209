"""Mail between real servers, with the gateway in the middle: Postfix sends, Postfix or Dovecot takes in."""
import email
import email.policy

import pytest

import peers
import postern_testing as pt

needs_postfix = pytest.mark.skipif(bool(peers.why_not(peers.POSTFIX)), reason=str(peers.why_not(peers.POSTFIX)))
needs_dovecot = pytest.mark.skipif(bool(peers.why_not(peers.DOVECOT)), reason=str(peers.why_not(peers.DOVECOT)))
MESSAGE = "From: carol@sender.test\nTo: ann@acme.test\nSubject: %s\n\nHello.\n.leading dot\n%s\n"


class Chain:
    """sender (Postfix) → gateway → destination (Postfix), and back for reports."""

    def __init__(self):
        self.destination = peers.Postfix("mx.acme.test", domain="acme.test")
        self.gateway = pt.Gateway(domains={"acme.test": {"routes": ["127.0.0.1:%d" % self.destination.port], "destination_tls": "encrypt"}},
                                  settings={"max_connections_per_minute": "0"}, sink=False)
        self.sender = peers.Postfix("out.sender.test", domain="sender.test", extra="transport_maps = inline:{acme.test=smtp:[127.0.0.1]:%d}\n"
                                    "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n" % self.gateway.mx)
        self.gateway.domains["sender.test"] = {"routes": ["127.0.0.1:%d" % self.sender.port]}
        self.gateway.start()

    def close(self):
        self.sender.__exit__()
        self.gateway.close()
        self.destination.__exit__()


@pytest.fixture(scope="module")
def chain():
    c = Chain()
    yield c
    c.close()


@needs_postfix
def test_postfix_to_postfix(chain):
    for i in range(20):
        chain.sender.inject(MESSAGE % ("number %d" % i, "x" * 500), "carol@sender.test", "ann@acme.test", "bob@acme.test")
    for name in ("ann", "bob"):
        pt.poll(lambda: len(chain.destination.mailbox(name)) >= 20)
        subjects = sorted(email.message_from_bytes(m, policy=email.policy.default)["Subject"] for m in chain.destination.mailbox(name))
        assert subjects == sorted("number %d" % i for i in range(20))
    one = chain.destination.mailbox("ann")[0]
    assert b"\n.leading dot\n" in one and b"mx.postern.test" in one
    assert "TLS connection established from" in chain.destination.log(), "the gateway speaks TLS to the destination"
    assert all(r["tls"] for r in chain.gateway.events(event="accepted")), "and Postfix to the gateway"


@needs_postfix
def test_bounce_comes_back_to_the_sender(chain):
    chain.sender.inject(MESSAGE % ("for nobody", ""), "carol@sender.test", "nobody-here@acme.test")
    assert chain.gateway.wait_for_event(event="bounced", recipient="nobody-here@acme.test")
    # The report goes to carol@sender.test, whom that Postfix does not know: a bounce that cannot be delivered is frozen, never bounced.
    pt.poll(lambda: [r for r in chain.gateway.queue() if r["state"] == "frozen" and r["recipient"] == "carol@sender.test"])
    chain.sender.inject(MESSAGE % ("for nobody, from ann", ""), "ann@sender.test", "nobody-here@acme.test")
    report = email.message_from_bytes(pt.poll(lambda: chain.sender.mailbox("ann"))[0], policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    status = report.get_payload()[1].get_payload()
    assert status[1]["Action"] == "failed" and status[1]["Status"].startswith("5.1.1") and "nobody-here@acme.test" in status[1]["Final-Recipient"]
    assert "550 5.1.1" in status[1]["Diagnostic-Code"]


@needs_postfix
def test_postfix_keeps_what_is_deferred(chain):
    """A 451 of ours stays in the sender's queue, and comes in the end."""
    chain.gateway.settings["spool_free_floor"] = "1024G"
    chain.gateway.write_config()
    chain.gateway.process.send_signal(1)
    pt.poll(lambda: "452" in chain.gateway.client(source="127.0.0.66").transact("ann@acme.test"))
    chain.sender.inject(MESSAGE % ("patience", ""), "ann@sender.test", "ann@acme.test")
    pt.poll(lambda: "status=deferred" in chain.sender.log())
    assert not any(b"patience" in m for m in chain.destination.mailbox("ann"))
    chain.gateway.settings["spool_free_floor"] = "1M"
    chain.gateway.write_config()
    chain.gateway.process.send_signal(1)
    pt.poll(lambda: any(b"patience" in m for m in chain.destination.mailbox("ann")))


@needs_dovecot
def test_dovecot_lmtp():
    with peers.Dovecot() as dovecot, pt.Gateway(domains={"acme.test": {"routes": ["lmtp:127.0.0.1:%d" % dovecot.port]}}) as g:
        reply = g.client().transact(["ann@acme.test", "stranger@acme.test", "bob@acme.test"], message=pt.sample(body="..dot\r\nend"))
        assert reply.startswith("250")
        for name in ("ann@acme.test", "bob@acme.test"):
            assert b".dot" in pt.poll(lambda: dovecot.mailbox(name))[0]
        row = g.wait_for_event(event="bounced", recipient="stranger@acme.test")[0]
        assert row["remote_reply"].startswith("550 5.1.1")
