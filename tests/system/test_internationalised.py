"""Internationalised addresses (RFC 6531): one domain is one domain, however it is written."""
import os

import pytest

import postern_testing as pt
from scripted_hop import Hop

UTF8 = b"250-hop.test\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


@pytest.fixture(scope="module")
def gateway():
    hop = Hop(EHLO=UTF8, RCPT=lambda line: b"550 5.1.1 no\r\n" if b"gone" in line else b"250 ok\r\n")
    with pt.Gateway(domains={"bücher.test": {"routes": ["127.0.0.1:%d" % hop.port]}, "sender.test": {"routes": ["127.0.0.1:%d" % hop.port]}},
                    lists={"sender-block": "*@böse.test\n"}) as g:
        g.hop = hop
        yield g
    hop.close()


def greeted(gateway):
    client = gateway.client()
    assert "250-SMTPUTF8" in client.ask("EHLO client.example.test")
    return client


@pytest.mark.parametrize("written", ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test"])
def test_our_domain_in_every_form(gateway, written):
    client = greeted(gateway)
    assert client.ask("MAIL FROM:<carol@example.test> SMTPUTF8")[-1].startswith("250")
    assert client.ask("RCPT TO:<jörg@%s>" % written)[-1].startswith("250")


def test_a_list_entry_with_u_labels(gateway):
    client = greeted(gateway)
    for written in ("böse.test", "xn--bse-sna.test"):
        assert client.ask("MAIL FROM:<carol@%s> SMTPUTF8" % written)[-1].startswith("250")
        assert "block list" in client.ask("RCPT TO:<jörg@bücher.test>")[-1]
        client.ask("RSET")


def test_it_is_delivered_and_reported(gateway):
    client = greeted(gateway)
    assert client.ask("MAIL FROM:<käte@sender.test> SMTPUTF8")[-1].startswith("250")
    assert client.ask("RCPT TO:<gone@bücher.test> ORCPT=utf-8;jörg@bücher.test NOTIFY=FAILURE")[-1].startswith("250")
    assert client.ask("DATA")[-1].startswith("354")
    client.raw(pt.sample(subject="Grüße").encode() + b"\r\n.\r\n")
    assert client.reply()[-1].startswith("250")
    report = pt.poll(lambda: gateway.hop.bodies)[0].decode()
    assert "RCPT TO:<käte@sender.test>" in gateway.hop.said
    assert "Content-Type: message/global-delivery-status" in report
    assert "\r\nOriginal-Recipient: utf-8;jörg@bücher.test\r\n" in report
    assert "\r\nRemote-MTA: dns;[127.0.0.1]\r\n" in report
    status = report.split("message/global-delivery-status")[1].split("\r\n--")[0]
    assert status.endswith("\r\n"), "the last field ends its own line"


@pytest.mark.skipif(os.geteuid() != 0, reason="port 25 is for root")
def test_an_address_literal_is_delivered_to():
    hop = Hop(address=("127.0.0.77", 25))
    with pt.Gateway(settings={"submission_networks": ["127.0.0.0/8"], "submission_require_tls": False}) as g:
        client = g.client(port=g.submission)
        assert client.transact("ann@[127.0.0.77]").startswith("250")
        assert g.wait_for_event(event="delivered", recipient="ann@*")[0]["host"] == "127.0.0.77[127.0.0.77]:25"
    assert len(hop.bodies) == 1
    hop.close()
