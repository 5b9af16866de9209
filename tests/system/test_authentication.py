"""DKIM, ARC and DMARC at the front door: signatures made by another implementation, policies from the zone file, results in the message and the log."""
import base64
import email
import re
import subprocess

import dkim
import pytest

import postern_testing as pt

OPEN = {"max_connections_per_minute": "0", "max_messages_per_connection": "0", "max_concurrent_connections": "0"}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "rsa.pem"
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(path), "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", str(path), "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return path.read_bytes(), base64.b64encode(public).decode()


@pytest.fixture(scope="module")
def gateway(key):
    text = key[1]
    record = '"v=DKIM1; k=rsa; p=" "%s" "%s"' % (text[:200], text[200:])
    zone = "\n".join([
        "sender.test. A 127.0.3.1", 'sender.test. TXT "v=spf1 -all"', 'spf.test. TXT "v=spf1 ip4:127.0.0.0/8 -all"', "spf.test. A 127.0.3.1",
        'neutral.test. TXT "v=spf1 ?all"', "neutral.test. A 127.0.3.1",
        "s1._domainkey.signer.test. TXT " + record, "s1._domainkey.sealer.test. TXT " + record, "s1._domainkey.reject.test. TXT " + record,
        "slow._domainkey.reject.test. TIMEOUT",
        '_dmarc.reject.test. TXT "v=DMARC1; p=reject"', '_dmarc.quarantine.test. TXT "v=DMARC1; p=quarantine"',
        '_dmarc.none.test. TXT "v=DMARC1; p=none"', '_dmarc.spf.test. TXT "v=DMARC1; p=reject"', "_dmarc.dead.test. TIMEOUT",
        '_dmarc.signer.test. TXT "v=DMARC1; p=reject"',
    ] + ["%s. A 127.0.3.1" % d for d in ("signer.test", "reject.test", "quarantine.test", "none.test", "dead.test", "no-policy.test")]) + "\n"
    domains = {"acme.test": {}, "open.test": {"dmarc": "off"}, "noted.test": {"dmarc": "score"}, "unread.test": {"check_structure": "off"}, "arc.test": {"trusted_arc_sealers": "sealer.test"},
               "exempt.test": {"dmarc_exempt_networks": "127.0.3.0/24"}}
    with pt.Gateway(settings=OPEN, domains=domains, zone=zone) as g:
        yield g


def message(author, body="Hello.\r\n", extra=""):
    return extra + pt.sample(body=body).replace("From: <carol@example.test>", "From: Carol <carol@%s>" % author)


def signed(text, key, domain, selector="s1", **options):
    raw = text.encode()
    return (dkim.sign(raw, selector.encode(), domain.encode(), key[0], canonicalize=(b"relaxed", b"relaxed"), **options) + raw).decode()


def say(gateway, text, sender="bounce@neutral.test", to="ann@acme.test"):
    client = gateway.client(source="127.0.3.1")
    try:
        return client.transact(to, sender=sender, message=text)
    finally:
        client.close()


def arrives(gateway, text, to="ann@acme.test", **options):
    """The message as it arrived: TEXT has a Message-ID of its own."""
    mark = re.search("Message-ID: (\\S+)", text).group(1)
    reply = say(gateway, text, to=to, **options)
    assert reply.startswith("250"), reply
    found = pt.poll(lambda: next((m for m in gateway.sink.messages_for(to) if mark.encode() in m), None))
    return email.message_from_bytes(found)


def results(arrived):
    return " ".join(arrived.get_all("Authentication-Results")[0].split())


def test_a_signature_of_the_author_passes(gateway, key):
    got = results(arrives(gateway, signed(message("signer.test"), key, "signer.test")))
    assert got.startswith("mx.postern.test; spf=neutral smtp.mailfrom=neutral.test; dkim=pass header.d=signer.test header.s=s1 header.a=rsa-sha256 header.b=\"")
    assert got.endswith("; dmarc=pass (p=reject) header.from=signer.test")
    [row] = [r for r in gateway.events(event="accepted") if r.get("dkim") == "pass signer.test"]
    assert row["dmarc"] == "pass"


def test_a_changed_body_fails(gateway, key):
    reply = say(gateway, signed(message("signer.test"), key, "signer.test").replace("Hello", "Hullo"))
    assert reply.startswith("550 5.7.26") and "signer.test (SPF neutral for neutral.test, DKIM fail signer.test)" in reply
    row = gateway.wait_for_event(reason="DMARC_REJECT")[-1]
    assert row["dmarc"] == "fail" and row["dkim"] == "fail signer.test"


def test_spf_of_another_domain_does_not_help(gateway):
    reply = say(gateway, message("reject.test"), sender="bounce@spf.test")
    assert reply.startswith("550 5.7.26") and "DKIM none" in reply


def test_aligned_spf_passes(gateway):
    assert "dmarc=pass (p=reject) header.from=spf.test" in results(arrives(gateway, message("spf.test"), sender="bounce@spf.test"))


@pytest.mark.parametrize("author,reply", [("quarantine.test", "550 5.7.26"), ("none.test", "250"), ("no-policy.test", "250"), ("sub.reject.test", "550 5.7.26")])
def test_policies(gateway, author, reply):
    assert say(gateway, message(author)).startswith(reply)


def test_a_policy_of_none_is_told(gateway):
    assert "dmarc=fail (p=none) header.from=none.test" in results(arrives(gateway, message("none.test")))


@pytest.mark.parametrize("to,reply", [("ann@open.test", "250"), ("ann@noted.test", "250"), ("ann@exempt.test", "250"), ("ann@acme.test", "550")])
def test_settings_of_the_recipient_decide(gateway, to, reply):
    assert say(gateway, message("reject.test"), to=to).startswith(reply)


def test_two_authors_are_as_good_as_the_worse(gateway):
    text = message("spf.test").replace("From: Carol <carol@spf.test>", "From: a@spf.test, b@reject.test")
    assert say(gateway, text, sender="bounce@spf.test").startswith("550 5.7.26")


@pytest.mark.parametrize("author", [
    "x_y.reject.test", "a..reject.test", ".reject.test", "-x.reject.test", "a" * 64 + ".reject.test", "[reject.test]", "reject.test\\", "reject\x07.test",
    "b\u00fc_x.reject.test", "x." * 200 + "reject.test", "reject\uff0etest", "x_y.\uff52eject.test"])
def test_a_name_that_no_host_has_hides_no_author(gateway, author):
    """Their reader sees reject.test, which asks for all below it to be refused as well."""
    text = message("spf.test").replace("<carol@spf.test>", "<ceo@%s>" % author)
    assert say(gateway, text, sender="bounce@spf.test").startswith("550 5.7.26"), author


def test_an_underscore_of_ones_own_passes(gateway):
    text = message("spf.test").replace("<carol@spf.test>", "<carol@my_news.spf.test>")
    assert "dmarc=pass (p=reject) header.from=my_news.spf.test" in results(arrives(gateway, text, sender="bounce@spf.test"))


@pytest.mark.parametrize("authors", [["a@d%d.test" % i for i in range(5)] + ["ceo@reject.test"], ["a@spf.test"] * 60 + ["ceo@reject.test"],
                                     ["<ceo@" + ("x." * 400 + "\r\n ") * 5 + "reject.test>"]])
def test_so_many_authors_that_one_would_not_be_looked_at(gateway, authors):
    text = message("spf.test").replace("From: Carol <carol@spf.test>", "From: " + ",\r\n ".join(authors))
    assert say(gateway, text, sender="bounce@spf.test").startswith("550 5.6.0")


def test_other_addresses_do_not_crowd_out_the_author(gateway):
    others = ("Return-Path: " + ",".join("@" * 50) + "\r\n") * 2000
    assert say(gateway, message("reject.test", extra=others), sender="bounce@spf.test").startswith("550 5.7.26")


def test_a_dead_dns_gives_no_verdict(gateway, key):
    assert say(gateway, message("dead.test")).startswith("451 4.4.3")
    text = message("reject.test", extra="")
    assert say(gateway, signed(text, key, "reject.test", selector="slow")).startswith("451 4.4.3")
    # a pass needs no further answer
    both = signed(signed(text, key, "reject.test"), key, "reject.test", selector="slow")
    assert say(gateway, both).startswith("250")


def test_a_signature_of_a_part_does_not_count(gateway, key):
    text = signed(message("reject.test"), key, "reject.test", length=True)
    assert say(gateway, text).startswith("250")
    reply = say(gateway, text + "\r\nAppended by somebody.\r\n")
    assert reply.startswith("550 5.7.26") and "DKIM policy reject.test" in reply, "it verifies, but not for all that is read"
    arrived = arrives(gateway, signed(message("none.test"), key, "signer.test", length=True) + "\r\nAppended by somebody.\r\n")
    assert "dkim=policy (only a part of the body is signed) header.d=signer.test" in results(arrived)


def test_results_in_our_name_are_removed(gateway):
    forged = ("Authentication-Results: mx.postern.test; dmarc=pass header.from=bank.test\r\n"
              "authentication-results : (x) \"MX.\\postern.test\"\r\n 1; spf=pass\r\n"
              "Authentication-Results: elsewhere.test; spf=pass\r\n"
              "Authentication-Results: ; mx.postern.test dmarc=pass\r\n")
    arrived = arrives(gateway, message("none.test", extra=forged))
    fields = arrived.get_all("Authentication-Results")
    assert len(fields) == 2 and "dmarc=fail" in fields[0] and fields[1].startswith("elsewhere.test")
    assert "bank.test" not in arrived.as_string()
    assert arrived["Subject"] and arrived.get_payload().strip() == "Hello."


def test_results_in_our_name_are_removed_behind_ever_so_many(gateway):
    many = "Authentication-Results: elsewhere.test; spf=pass\r\n" * 300 + "Received-SPF: none receiver=elsewhere.test\r\n" * 300
    forged = ("Authentication-Results: mx.postern.test; dmarc=pass header.from=bank.test\r\n"
              "Received-SPF: pass receiver=mx.postern.test; envelope-from=bank.test\r\n")
    arrived = arrives(gateway, message("none.test", extra=forged + many + forged), to="ann@unread.test")
    assert "bank.test" not in arrived.as_string() and len(arrived.get_all("Authentication-Results")) == 301


def test_our_own_fields_are_removed(gateway):
    arrived = arrives(gateway, message("none.test", extra="X-Postern-Evidence: forged; here\r\nx-postern-class : ham\r\n\tforged\r\nX-Poster: kept\r\n"))
    assert "forged" not in arrived.as_string() and arrived["X-Poster"] == "kept" and arrived["Subject"]


def test_spf_results_in_our_name_are_removed(gateway):
    kept = "pass (elsewhere.test: domain of a@b.test designates 192.0.2.1 as permitted sender)\r\n receiver=elsewhere.test; helo=mx.postern.test"
    forged = ("Received-SPF: pass (x) receiver=mx.postern.test; identity=mailfrom; envelope-from=bank.test\r\n"
              "received-spf : Pass\r\n (bank.test) receiver = \"MX.\\postern.test\"\r\n ;\r\n"
              "Received-SPF: " + kept + "\r\n"
              "Received-SPF: pass (mx.postern.test: domain of bank.test)\r\n"
              "Received-SPF: pass receiver=elsewhere.test; receiver=mx.postern.test; helo=bank.test\r\n"
              "Received-SPF: pass " + ("(" + 60 * "x" + ")\r\n ") * 50 + "x; receiver=mx.postern.test; helo=bank.test\r\n")
    arrived = arrives(gateway, message("none.test", extra=forged))
    fields = arrived.get_all("Received-SPF")
    assert [f for f in fields if "mx.postern.test" not in f.partition("helo")[0]] == [kept]
    assert len(fields) == 2 and "bank.test" not in arrived.as_string()
    assert arrived["Subject"] and arrived.get_payload().strip() == "Hello."


def sealed(text, key, results_say):
    """As a mailing list does it: what it found, its seal, and then its footer would follow."""
    raw = ("Authentication-Results: sealer.test; %s\r\n" % results_say + text).encode()
    lines = dkim.arc_sign(raw, b"s1", b"sealer.test", key[0], b"sealer.test", include_headers=[b"from", b"to", b"subject", b"date", b"message-id"])
    return (b"".join(lines) + raw).decode()


@pytest.mark.parametrize("says,to,reply", [("dmarc=pass header.from=reject.test", "ann@arc.test", "250"), ("dmarc=fail header.from=reject.test", "ann@arc.test", "550"),
                                           ("dmarc=pass header.from=reject.test", "ann@acme.test", "550"),
                                           ("dmarc=pass header.from=signer.test", "ann@arc.test", "550"),
                                           ("dmarc=fail header.from=reject.test; dmarc=pass header.from=signer.test", "ann@arc.test", "550"),
                                           ("dmarc=pass header.from=x@REJECT.test", "ann@arc.test", "250"), ("dmarc=pass", "ann@arc.test", "250")])
def test_a_trusted_sealer_vouches(gateway, key, says, to, reply):
    text = sealed(message("reject.test"), key, says)
    assert say(gateway, text, to=to).startswith(reply)


def test_a_broken_seal_vouches_for_nothing(gateway, key):
    text = sealed(message("reject.test"), key, "dmarc=pass header.from=reject.test").replace("Hello", "Hullo")
    assert say(gateway, text, to="ann@arc.test").startswith("550 5.7.26")
