"""Cut-through: the destination's own word while the sender waits, and never less than what a queued message gets."""
import contextlib

import postern_testing as pt
from scripted_hop import Hop


@contextlib.contextmanager
def gateway_to(hop, **more):
    try:
        with pt.Gateway(domains={"acme.test": {"routes": ["127.0.0.1:%d" % hop.port], "cut_through": True}, "example.test": {}}, **more) as g:
            yield g
    finally:
        hop.close()


def send(client, mail="", rcpt="", sender="carol@example.test", recipient="ann@acme.test"):
    assert client.ask("MAIL FROM:<%s>%s" % (sender, mail))[-1].startswith("250")
    assert client.ask("RCPT TO:<%s>%s" % (recipient, rcpt))[-1].startswith("250")
    assert client.ask("DATA")[-1].startswith("354")
    client.raw(pt.sample().encode() + b"\r\n.\r\n")
    return client.reply()[-1]


def test_what_is_delivered_is_in_the_log():
    with gateway_to(Hop(dot=b"250 2.6.0 kept as 17\r\n")) as g:
        assert g.client().transact("ann@acme.test").startswith("250 2.6.0")
        row = g.wait_for_event(event="delivered", recipient="ann@acme.test")[0]
        assert row["remote_reply"] == "250 2.6.0 kept as 17" and row["host"].startswith("127.0.0.1[127.0.0.1]:")
        assert g.queue() == []


def test_a_destination_that_says_250_to_data_has_not_taken_the_message():
    with gateway_to(Hop(DATA=b"250 2.0.0 sure\r\n")) as g:
        assert g.client().transact("ann@acme.test").startswith("451 4.3.0")


def test_a_sender_that_the_destination_refuses_hears_it():
    with gateway_to(Hop(MAIL=b"550-5.7.1 not from\r\n550 5.7.1 you\r\n")) as g:
        assert "550-5.7.1 not from 550 5.7.1 you" in g.client().transact("ann@acme.test")


def test_requiretls_never_goes_out_in_plaintext():
    hop = Hop()
    with gateway_to(hop) as g:
        c = g.client()
        c.ask("EHLO client.example.test")
        c.ask("STARTTLS")
        c.start_tls()
        c.ask("EHLO client.example.test")
        assert send(c, mail=" REQUIRETLS").startswith("250")
        assert g.wait_for_event(event="bounced", recipient="ann@acme.test")[0]["dsn"] == "5.7.10"
        assert not [line for line in hop.said if line.startswith(("MAIL", "RCPT"))]


def test_an_internationalised_address_is_not_said_to_a_server_without_smtputf8():
    hop = Hop()
    with gateway_to(hop) as g:
        c = g.client()
        c.ask("EHLO client.example.test")
        assert send(c, mail=" SMTPUTF8", sender="käte@example.test", recipient="jörg@acme.test").startswith("250")
        assert g.wait_for_event(event="bounced", recipient="jörg@acme.test")[0]["dsn"] == "5.6.7"
        with open(g.path("log", "mail.log"), encoding="utf-8") as f:
            line = next(line for line in f if "status=bounced" in line)
        assert "does not offer SMTPUTF8" in line and "said:" not in line, "our own words are not put into the server's mouth"
        assert not [line for line in hop.said if line.startswith(("MAIL", "RCPT"))]


def test_a_report_of_success_is_written_where_the_destination_writes_none():
    with gateway_to(Hop()) as g:
        c = g.client()
        c.ask("EHLO client.example.test")
        assert send(c, rcpt=" NOTIFY=SUCCESS").startswith("250")
        report = pt.poll(lambda: g.sink.messages_for("carol@example.test"))[0]
        assert b"Action: relayed" in report
