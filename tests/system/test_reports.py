"""Delivery reports, read back as a mail program would: failure, delay, expiry, success; RET, ORCPT, ENVID (RFC 3461, 3464)."""
import email
import email.policy

import pytest

import postern_testing as pt

DOMAINS = {"acme.test": {}, "sender.test": {}, "down.test": {"routes": ["127.0.0.1:1"]}}


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(domains=dict(DOMAINS), settings={"max_connections_per_minute": "0", "delay_notice_after": "4h", "queue_lifetime": "4d"}) as g:
        yield g


def send(g, sender, recipient, mail="", rcpt="", body="Hello.", subject="test"):
    c = g.client()
    assert c.ask("EHLO client.example.test")[-1].startswith("250")
    assert c.ask("MAIL FROM:<%s>%s" % (sender, mail))[-1].startswith("250")
    reply = c.ask("RCPT TO:<%s>%s" % (recipient, rcpt))[-1]
    assert reply.startswith("250"), reply
    assert c.ask("DATA")[-1].startswith("354")
    c.raw(pt.sample(subject=subject, body=body).encode() + b"\r\n.\r\n")
    reply = c.reply()[-1]
    c.close()
    assert reply.startswith("250"), reply


def report_for(g, sender, count=1):
    found = pt.poll(lambda: len(g.sink.messages_for(sender)) >= count and g.sink.messages_for(sender))
    reports = [parse(raw) for raw in found]
    return reports[0] if count == 1 else reports


def parse(raw):
    """(message, fields of the message, fields of the first recipient, third part) of a report, having looked at its shape."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert not message.defects
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"].startswith("auto-") and message["MIME-Version"] == "1.0" and message["Message-ID"] and message["Date"]
    text, status, original = message.get_payload()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    about, recipient = status.get_payload()[:2]
    assert about["Reporting-MTA"] == "dns;mx.postern.test" and about["Arrival-Date"]
    assert b"\nX-Sink-Mail-From: <>" in b"\n" + raw.replace(b"\r", b""), "reports come from the null sender"
    return message, about, recipient, original


def test_failure_word_for_word(gateway):
    send(gateway, "one@sender.test", "gone@acme.test", mail=" RET=HDRS ENVID=QQ+2B314", rcpt=" ORCPT=rfc822;First+2Bname@acme.test NOTIFY=FAILURE",
         body="secret body")
    message, about, recipient, original = report_for(gateway, "one@sender.test")
    assert about["Original-Envelope-Id"] == "QQ+314"
    assert recipient["Original-Recipient"] == "rfc822;First+name@acme.test"
    assert recipient["Final-Recipient"] == "rfc822;gone@acme.test"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert recipient["Diagnostic-Code"] == "smtp;550 5.1.1 No such user here"
    assert original.get_content_type() == "text/rfc822-headers"
    assert "Subject: test" in original.get_payload() and "secret body" not in message.as_string()


def test_failure_with_the_whole_message(gateway):
    send(gateway, "two@sender.test", "late-reject@acme.test", mail=" RET=FULL", body="the whole body")
    _, _, recipient, original = report_for(gateway, "two@sender.test")
    assert recipient["Diagnostic-Code"].startswith("smtp;550 5.7.1")
    assert original.get_content_type() == "message/rfc822"
    assert "the whole body" in original.get_payload()[0].get_payload()


def test_never_means_never(gateway):
    send(gateway, "three@sender.test", "gone@acme.test", rcpt=" NOTIFY=NEVER")
    assert gateway.wait_for_event(event="bounced", sender="three@sender.test")
    pt.poll(lambda: gateway.queue(sender="three@sender.test") == [])
    assert gateway.queue(recipient="three@sender.test") == [] and gateway.sink.messages_for("three@sender.test") == []


def test_delivery_asked_for(gateway):
    """The next hop takes DSN parameters, so the duty goes on to it; else we say "relayed"."""
    send(gateway, "four@sender.test", "ann@acme.test", rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;ann@acme.test")
    delivered = pt.poll(lambda: [m for m in gateway.sink.messages_for("ann@acme.test") if b"<four@sender.test>" in m])
    passed_on = b" NOTIFY=" in delivered[0]
    if passed_on:
        assert b"ORCPT=rfc822;ann@acme.test" in delivered[0]
    else:
        _, _, recipient, _ = report_for(gateway, "four@sender.test")
        assert recipient["Action"] in ("relayed", "delivered") and recipient["Status"].startswith("2.")


def test_bounce_of_a_bounce_is_frozen(gateway):
    send(gateway, "gone@sender.test", "gone@acme.test")
    row = gateway.wait_for_event(event="frozen", recipient="gone@sender.test")[0]
    assert row["status"] == "queue-frozen"
    frozen = gateway.queue(state="frozen", recipient="gone@sender.test")
    assert len(frozen) == 1 and frozen[0]["sender"] == ""


def test_delay_then_expiry():
    with pt.Gateway(domains=dict(DOMAINS), settings={"delay_notice_after": "4h", "queue_lifetime": "4d"}) as g:
        send(g, "five@sender.test", "ann@down.test", rcpt=" NOTIFY=DELAY,FAILURE")
        send(g, "six@sender.test", "ann@down.test", rcpt=" NOTIFY=FAILURE")
        pt.poll(lambda: len(g.queue(recipient="ann@down.test", state="queued")) == 2 and all(r["attempts"] for r in g.queue(domain="down.test")))
        attempts = g.queue(sender="five@sender.test")[0]["attempts"]
        for _ in range(5):
            g.cli("clock", "advance", "3600")
            pt.poll(lambda: (rows := g.queue(sender="five@sender.test", state="queued")) and rows[0]["attempts"] > attempts)
            attempts = g.queue(sender="five@sender.test")[0]["attempts"]
        message, _, recipient, _ = report_for(g, "five@sender.test")
        assert "delay" in message["Subject"].lower()
        assert (recipient["Action"], recipient["Status"]) == ("delayed", "4.4.1") or recipient["Status"].startswith("4.")
        assert recipient["Will-Retry-Until"]
        assert g.sink.messages_for("six@sender.test") == [], "a delay that was not asked for is not reported"
        g.cli("clock", "advance", str(4 * 86400))
        both = report_for(g, "five@sender.test", count=2)
        last = [r for _, _, r, _ in both if r["Action"] == "failed"]
        assert len(last) == 1 and last[0]["Status"].startswith(("5.4", "4.4")), last[0]["Status"]
        assert report_for(g, "six@sender.test")[2]["Action"] == "failed"
        pt.poll(lambda: g.queue() == [])


def test_a_report_on_requiretls_mail_holds_no_body(gateway):
    """RFC 8689 §5: as if RET=HDRS were there; and it is delivered although its way back does not promise REQUIRETLS."""
    client = gateway.client()
    client.ask("EHLO client.example.test")
    client.ask("STARTTLS")
    client.start_tls()
    client.ask("EHLO client.example.test")
    assert client.ask("MAIL FROM:<private@sender.test> REQUIRETLS RET=FULL")[-1].startswith("250")
    assert client.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
    assert client.ask("DATA")[-1].startswith("354")
    client.raw(pt.sample(body="between us").encode() + b"\r\n.\r\n")
    assert client.reply()[-1].startswith("250")
    message, _, recipient, original = report_for(gateway, "private@sender.test")
    assert recipient["Status"] == "5.7.10", "§4.2.1: no TLS at all; 5.7.30 is for a server with TLS that does not offer REQUIRETLS"
    assert original.get_content_type() == "text/rfc822-headers" and "between us" not in message.as_string()
