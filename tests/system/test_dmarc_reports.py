"""DMARC aggregate reports (RFC 9990): what came in a day is counted, outlives a kill, and goes to whom the domain names, once."""
import contextlib
import email
import email.policy
import gzip
import json
import os
import signal
import time
import xml.etree.ElementTree as tree

import pytest

import postern_testing as pt

NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"
DAY = 86400
ZONE = """
_dmarc.author.test. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@author.test,mailto:in@reports.test,mailto:victim@silent.test"
author.test._report._dmarc.reports.test. TXT "v=DMARC1"
_dmarc.soft.test. TXT "v=DMARC1; p=quarantine; t=y; rua=mailto:dmarc@author.test"
soft.test._report._dmarc.author.test. TXT "v=DMARC1"
_dmarc.quiet.test. TXT "v=DMARC1; p=reject"
author.test. TXT "v=spf1 ip4:127.0.0.9 -all"
"""
DOMAINS = {"acme.test": {"blocked_attachments": "off"}, "author.test": {}, "reports.test": {}, "silent.test": {}}
SETTINGS = {"dmarc_reports": True, "dmarc_reports_organization": "Acme Mail", "postmaster": "postmaster@acme.test", "max_connections_per_minute": "0",
            "check_spf": None}


def send(g, sender, author, source="127.0.0.9"):
    c = g.client(source)
    reply = c.transact("ann@acme.test", sender=sender, message=pt.sample(sender=author))
    c.close()
    return reply


def after_midnight(g):
    """Turns the clock to past the next midnight, by more than reports are spread over."""
    seconds = DAY - int(time.time()) % DAY + 1800
    assert g.control(noun="clock", verb="advance", seconds=seconds)["ok"]


def gather(g, address, count):
    """(message, name of the file, root of the XML) of each report to ADDRESS."""
    raw = pt.poll(lambda: len(g.sink.messages_for(address)) >= count and g.sink.messages_for(address))
    return [unpack(r) for r in raw]


def unpack(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    part = next(p for p in message.walk() if p.get_content_type() == "application/gzip")
    return message, part.get_filename(), tree.fromstring(gzip.decompress(part.get_content()))


def texts(node, path):
    return [n.text or "" for n in node.findall("/".join(NS + p for p in path.split("/")))]


def day_files(g):
    return sorted(name for name in os.listdir(g.path("state")) if name.startswith("dmarc-"))


def kill_relay(g):
    relay = g.children()["relay"][0]
    os.kill(relay, signal.SIGKILL)
    pt.poll(lambda: g.children().get("relay", [relay])[0] != relay)

    def answers():
        """the relay's second life"""
        with contextlib.suppress(OSError):
            return g.control(noun="relay", verb="stats")["ok"]
    pt.poll(answers)


def test_a_day_is_counted_and_reported():
    today = time.strftime("%Y-%m-%d", time.gmtime())
    with pt.Gateway(domains=DOMAINS, settings=SETTINGS, zone=ZONE) as g:
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        kill_relay(g)
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        assert send(g, "mallory@other.test", "carol@author.test", "127.0.0.10").startswith("550 5.7.26")
        assert send(g, "carol@quiet.test", "carol@quiet.test").startswith("550 5.7.26")
        printed = g.cli("dmarc", "report", "--dry-run", "--domain", "author.test")
        assert texts(tree.fromstring(printed.stdout), "record/row/count") == ["2", "1"]
        assert "asks for it at in@reports.test" in printed.stderr
        assert g.cli("dmarc", "report", check=False).returncode != 0
        assert day_files(g) == ["dmarc-" + today]
        after_midnight(g)
        (message, name, root), = gather(g, "in@reports.test", 1)
        begin = int(time.time()) // DAY * DAY
        assert name == "mx.postern.test!author.test!%d!%d.xml.gz" % (begin, begin + DAY - 1)
        report_id = "%s_author.test@mx.postern.test" % today
        assert message["Subject"].split() == ["Report", "Domain:", "author.test", "Submitter:", "mx.postern.test", "Report-ID:", "<%s>" % report_id]
        assert message["From"].addresses[0].addr_spec == "postmaster@acme.test"
        assert texts(root, "report_metadata/report_id") == [report_id]
        assert texts(root, "report_metadata/org_name") == ["Acme Mail"]
        assert texts(root, "policy_published/domain") == ["author.test"]
        assert texts(root, "policy_published/p") == ["reject"]
        assert texts(root, "record/row/source_ip") == ["127.0.0.9", "127.0.0.10"]
        assert texts(root, "record/row/count") == ["2", "1"]
        assert texts(root, "record/row/policy_evaluated/disposition") == ["pass", "reject"]
        assert texts(root, "record/row/policy_evaluated/spf") == ["pass", "fail"]
        assert texts(root, "record/row/policy_evaluated/dkim") == ["fail", "fail"]
        assert texts(root, "record/row/policy_evaluated/reason/type") == []
        assert texts(root, "record/identifiers/header_from") == ["author.test", "author.test"]
        assert texts(root, "record/identifiers/envelope_from") == ["author.test", "other.test"]
        assert texts(root, "record/identifiers/envelope_to") == ["acme.test", "acme.test"]
        assert texts(root, "record/auth_results/spf/result") == ["pass", "none"]
        assert len(gather(g, "dmarc@author.test", 1)) == 1
        pt.poll(lambda: not day_files(g))
        # the next day has its own report, and only that; who never agreed gets none
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        assert g.control(noun="clock", verb="advance", seconds=DAY)["ok"]
        found = [(texts(r, "report_metadata/date_range/begin"), texts(r, "record/row/count")) for _, _, r in gather(g, "in@reports.test", 2)]
        assert sorted(found) == [([str(begin)], ["2", "1"]), ([str(begin + DAY)], ["1"])]
        assert not g.sink.messages_for("victim@silent.test")


def test_what_was_not_followed_says_why():
    with pt.Gateway(domains=dict(DOMAINS, **{"acme.test": {"dmarc_exempt_networks": ["127.0.0.20/32"]}}), settings=SETTINGS, zone=ZONE) as g:
        assert send(g, "carol@other.test", "carol@soft.test").startswith("250")  # t=y: of quarantine, none is left
        assert send(g, "carol@other.test", "carol@author.test", "127.0.0.20").startswith("250")
        after_midnight(g)
        found = {texts(root, "policy_published/domain")[0]: root for _, _, root in gather(g, "dmarc@author.test", 2)}
        for domain, why in (("soft.test", "policy_test_mode"), ("author.test", "local_policy")):
            assert texts(found[domain], "record/row/policy_evaluated/disposition") == ["none"]
            assert texts(found[domain], "record/row/policy_evaluated/reason/type") == [why]
        assert texts(found["soft.test"], "policy_published/testing") == ["y"]


def test_a_destination_that_is_not_sure_is_asked_again():
    zone = ZONE.replace('author.test._report._dmarc.reports.test. TXT "v=DMARC1"', "author.test._report._dmarc.reports.test. TIMEOUT")
    with pt.Gateway(domains=DOMAINS, settings=SETTINGS, zone=zone) as g:
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        after_midnight(g)
        gather(g, "dmarc@author.test", 1)
        assert len(day_files(g)) == 1
        g.zone = ZONE
        g.stop()
        g.start()
        after_midnight(g)
        gather(g, "in@reports.test", 1)
        pt.poll(lambda: not day_files(g))
        assert len(g.sink.messages_for("dmarc@author.test")) == 1


def test_reports_are_signed(monkeypatch):
    dkim = pytest.importorskip("dkim")
    g = pt.Gateway(domains=DOMAINS, settings=SETTINGS, zone=ZONE)
    g.settings["dkim_directory"] = g.path("dkim")
    g.write_config()
    made = json.loads(g.cli("dkim", "new", "acme.test", "--json").stdout)
    with g:
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        after_midnight(g)
        gather(g, "dmarc@author.test", 1)
        raw = g.sink.messages_for("dmarc@author.test")[0]
        assert b"X-Sink-Mail-From: <postmaster@acme.test>" in raw  # SPF can be aligned, too
        sent = b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith(b"X-Sink-"))
        records = {made["name"] + ".": made["text"].encode()}
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 2 * DAY)  # to dkimpy a signature of tomorrow is none
        assert dkim.verify(sent, dnsfunc=lambda name, timeout=5: records.get(name.decode()))


@pytest.mark.parametrize("setting", [{}, {"dmarc_reports": False}])
def test_nothing_is_counted_unasked(setting):
    settings = {k: v for k, v in SETTINGS.items() if k != "dmarc_reports"}
    with pt.Gateway(domains=DOMAINS, settings=dict(settings, **setting), zone=ZONE) as g:
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        g.wait_for_event(event="accepted", sender="carol@author.test")
        assert day_files(g) == []
        assert "off" in g.cli("dmarc", "report", "--dry-run").stderr


def test_switched_off_nothing_is_sent_any_more():
    with pt.Gateway(domains=DOMAINS, settings=SETTINGS, zone=ZONE) as g:
        assert send(g, "carol@author.test", "carol@author.test").startswith("250")
        assert len(day_files(g)) == 1
        g.settings["dmarc_reports"] = False
        g.stop()
        g.start()
        after_midnight(g)
        pt.poll(lambda: not day_files(g))
        assert not g.sink.messages_for("dmarc@author.test")
