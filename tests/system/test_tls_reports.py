"""TLSRPT (RFC 8460): what was counted yesterday is reported to who asks, by mail and by HTTPS, with the results of real sessions."""
import email
import gzip
import json
import os
import re
import time

import pytest

import postern_testing as pt
from policy_host import World, policy, reply

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 25 is for root")


@pytest.fixture(scope="module")
def world():
    w = World()
    w.add("good.test", policy("mx.good.test"))
    w.add("self.test", policy("mx.self.test"), good=False)
    w.add("trial.test", policy("*.trial.test", mode="testing"), good=False)
    w.add("unnamed.test", policy("mx.somebody.test"))
    w.add("fetch.test", reply("no", "404 Not Found"), tls=False)
    w.add("silent.test", None, txt="hello")
    w.add("reports.test", None, tls=False, txt="hello")
    w.https.add("collect.test", reply("", "201 Created"))
    w.zone += ["collect.test. A 127.0.0.1"]
    for name in ("good.test", "self.test", "trial.test", "unnamed.test", "fetch.test"):
        w.zone.append('_smtp._tls.%s. TXT "v=TLSRPTv1; rua=https://collect.test:%d/%s"' % (name, w.https.port, name))
    w.zone.append('_smtp._tls.silent.test. TXT "v=TLSRPTv1; rua=mailto:rua@reports.test?x=y, https://nowhere.test/"')
    yield w
    w.close()


def send(g, recipient, event, count=1):
    c = g.client(port=g.submission)
    assert c.transact(recipient).startswith("250")
    c.close()
    g.wait_for_event(event=event, recipient=recipient, count=count)


def next_day(g):
    g.control(noun="clock", verb="advance", seconds=86400)


def report_on(world, name):
    rows = [r for r in world.https.requests if r[0] == "collect.test" and r[1] == "POST /%s HTTP/1.1" % name]
    if not rows:
        return None
    assert rows[0][2]["content-type"] == "application/tlsrpt+gzip"
    return json.loads(gzip.decompress(rows[0][3]))


def test_every_domain_that_asks_gets_what_was_counted(world):
    g = world.gateway(tls_reports=True, tls_report_delay="0", tls_report_contact="tls@postern.test")
    try:
        g.start()
        send(g, "ann@good.test", "delivered")
        send(g, "ann@self.test", "deferred")
        send(g, "ann@trial.test", "delivered")
        send(g, "ann@unnamed.test", "deferred")
        send(g, "ann@fetch.test", "delivered")
        send(g, "ann@silent.test", "delivered")
        g.stop()
        g.start()  # counts outlive it
        next_day(g)
        reports = {name: pt.poll(lambda name=name: report_on(world, name)) for name in ("good.test", "self.test", "trial.test", "unnamed.test", "fetch.test")}

        good = reports["good.test"]
        assert good["organization-name"] == "mx.postern.test" and good["contact-info"] == "tls@postern.test"
        assert good["date-range"]["start-datetime"].endswith("T00:00:00Z") and good["date-range"]["end-datetime"].endswith("T23:59:59Z")
        assert good["policies"] == [{
            "policy": {"policy-type": "sts", "policy-domain": "good.test", "mx-host": ["mx.good.test"],
                       "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.good.test", "max_age: 604800"]},
            "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}]

        for name, result in (("self.test", "certificate-not-trusted"), ("trial.test", "certificate-not-trusted"), ("unnamed.test", "validation-failure")):
            row, = reports[name]["policies"]
            detail, = row["failure-details"]
            assert row["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}, name
            assert detail["result-type"] == result and detail["failed-session-count"] == 1 and detail["receiving-mx-hostname"] == "mx." + name
            assert detail["receiving-ip"].startswith("127.") and detail["failure-reason-code"]
        results = {d["result-type"] for row in reports["fetch.test"]["policies"] for d in row["failure-details"]}
        assert results == {"sts-policy-fetch-error", "starttls-not-supported"}

        mail = pt.poll(lambda: world.hops["reports.test"].bodies)[0]
        message = email.message_from_bytes(mail)
        assert message["TLS-Report-Domain"] == "silent.test" and message["TLS-Report-Submitter"] == "postern.test"
        assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "tlsrpt"
        text, part = message.get_payload()
        assert part.get_content_type() == "application/tlsrpt+gzip" and part.get_filename().startswith("postern.test!silent.test!")
        row, = json.loads(gzip.decompress(part.get_payload(decode=True)))["policies"]
        assert row["policy"] == {"policy-type": "no-policy-found", "policy-domain": "silent.test"}
        assert row["summary"]["total-successful-session-count"] == 1
        assert "no signing key for tls@postern.test" in g.said()
        pt.poll(lambda: len(world.https.requests) and '"silent.test"' not in open(g.path("state", "tls-reports")).read())
        g.stop()
        assert '"reports.test"' not in open(g.path("state", "tls-reports")).read(), "the session of a report is not reported on"
    finally:
        g.close()


def test_a_report_by_mail_is_signed(world, monkeypatch):
    dkim = pytest.importorskip("dkim")
    before = len(world.hops["reports.test"].bodies)
    g = world.gateway(tls_reports=True, tls_report_delay="0", tls_report_contact="tls@postern.test")
    g.settings["dkim_directory"] = g.path("dkim")
    g.write_config()
    key = json.loads(g.cli("dkim", "new", "postern.test", "--json").stdout)
    with g:
        send(g, "ann@silent.test", "delivered")
        next_day(g)
        mail = pt.poll(lambda: world.hops["reports.test"].bodies[before:])[0].replace(b"\r\n..", b"\r\n.")
        fields = next(line for line in mail.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ").split(b"\r\n") if line.startswith(b"DKIM-Signature:"))
        assert b"d=postern.test" in fields and b"; l=" not in fields
        assert b"tls-report-domain" in fields.lower() and b"tls-report-submitter" in fields.lower()
        monkeypatch.setattr(time, "time", lambda: int(re.search(rb"; t=(\d+)", fields).group(1)))  # the gateway's clock is turned
        assert dkim.verify(mail, dnsfunc=lambda name, timeout=5: key["text"].encode() if name.decode().rstrip(".") == key["name"] else None)


def test_nothing_is_counted_where_it_is_off(world):
    g = world.gateway()
    try:
        g.start()
        send(g, "ann@good.test", "delivered")
        g.stop()
        assert not os.path.exists(g.path("state", "tls-reports"))
    finally:
        g.close()


def test_a_collector_that_fails_is_asked_again():
    w = World()
    w.add("later.test", policy("mx.later.test"))
    w.https.add("collect.test", reply("", "503 Busy"))
    w.zone += ["collect.test. A 127.0.0.1", '_smtp._tls.later.test. TXT "v=TLSRPTv1; rua=https://collect.test:%d/later.test"' % w.https.port]
    with w.gateway(tls_reports=True, tls_report_delay="0") as g:
        send(g, "ann@later.test", "delivered")
        next_day(g)
        pt.poll(lambda: w.https.asked("collect.test") == 1)
        w.https.answers["collect.test"] = reply("", "200 OK")
        pt.poll(lambda: "did not take the report on later.test" in g.said())
        g.control(noun="clock", verb="advance", seconds=1000)
        pt.poll(lambda: w.https.asked("collect.test") == 2)
        pt.poll(lambda: "sent the report on later.test" in g.said())
    w.close()
