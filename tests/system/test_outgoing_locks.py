"""Accounts that are locked by rules: for a while, a few times, then until somebody unlocks them, by hand or by the link that the owner gets; reports on what was blocked."""
import contextlib
import email
import email.policy
import re
import sqlite3
import urllib.error
import urllib.request

import pytest

import postern_testing as pt

PASSWORD = "correct horse"
RULES = {"lock_rules": ["bad-header-count:2/10m"], "lock_time": "10m", "lock_unlocks": "2", "max_connections_per_minute": "0", "max_date_skew_days": "0"}


def gateway(settings=None, contact="owner@acme.test"):
    g = pt.Gateway(settings=dict(RULES, **(settings or {})))
    g.settings["console_url"] = "http://127.0.0.1:%d" % g.console
    g.account("add", "ann@acme.test", password=PASSWORD)
    with contextlib.closing(sqlite3.connect(g.path("state", "store.db"))) as store:
        store.execute("UPDATE domain SET contact = ?", (contact,))
        store.commit()
    return g


def log_in(g):
    client = g.client(port=g.submission)
    assert client.log_in("ann@acme.test", PASSWORD).startswith("235")
    return client


def send(client, bad=False, sender="ann@acme.test", headers="", to="bob@acme.test"):
    message = pt.sample(sender=sender, headers=headers + ("Subject: twice\r\n" if bad else ""))
    return client.transact([to], sender=sender, helo=None, message=message)


def misbehave(client, **how):
    for _ in range(2):
        assert send(client, bad=True, **how).startswith("550 5.6.0")


def turn(g, seconds):
    assert g.control(noun="clock", verb="advance", seconds=seconds)["ok"]


def row(g, login="ann@acme.test"):
    import json
    return next(r for r in json.loads(g.cli("account", "list", "--json").stdout) if r["login"] == login)


def mails(g, count, to="owner@acme.test"):
    raw = pt.poll(lambda: g.sink.messages_for(to) if len(g.sink.messages_for(to)) >= count else None)
    return [email.message_from_bytes(m, policy=email.policy.default) for m in raw]


def page(g, url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=b"" if method == "POST" else None), timeout=20) as r:
            return r.status, r.read().decode(), r.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), e.headers


def test_locks_end_by_themselves_a_few_times_and_then_by_hand():
    with gateway() as g:
        client = log_in(g)
        for _ in range(2):
            misbehave(client)
            assert send(client).startswith("451 4.7.1") and row(g)["locked"]
            turn(g, 599)
            client = log_in(g)  # logging in is possible all the while
            assert send(client).startswith("451 4.7.1")
            turn(g, 2)
            assert send(client).startswith("250") and not row(g)["locked"]
        misbehave(client)
        assert send(client).startswith("550 5.7.1")
        assert row(g)["until"] == "unlocked by hand" and row(g)["reason"] == "2 times bad-header-count in 10 minutes"
        turn(g, 30 * 86400)
        client = log_in(g)
        assert send(client).startswith("550 5.7.1")
        g.account("unlock", "ann@acme.test")
        assert send(client).startswith("250")
        misbehave(client)  # and all begins anew
        assert send(client).startswith("451 4.7.1")


def test_what_is_old_does_not_count_and_a_restart_forgets_nothing():
    with gateway() as g:
        client = log_in(g)
        assert send(client, bad=True).startswith("550")
        turn(g, 601)
        client = log_in(g)
        assert send(client, bad=True).startswith("550")
        assert send(client).startswith("250")
        g.stop()
        g.start()
        client = log_in(g)
        assert send(client, bad=True).startswith("550")
        assert send(client).startswith("451 4.7.1")
        g.stop()
        g.start()
        assert send(log_in(g)).startswith("451 4.7.1")


def test_the_owner_gets_a_link_that_works_once():
    with gateway({"lock_unlocks": "0"}) as g:
        client = log_in(g)
        misbehave(client)
        assert send(client).startswith("550 5.7.1")
        notice = mails(g, 1)[0]
        assert "ann@acme.test" in notice.get_content() and "bad-header-count" in notice.get_content()
        assert notice["Auto-Submitted"] == "auto-generated" and notice["Return-Path"] in (None, "<>")
        url = re.search(r"http://\S+/unlock/[0-9a-f]{40}", notice.get_content()).group()
        status, text, headers = page(g, url)
        assert status == 200 and "ann@acme.test" in text and "<form" in text and "form-action 'self'" in headers["Content-Security-Policy"]
        assert send(client).startswith("550 5.7.1"), "looking at the page unlocks nothing"
        status, text, _ = page(g, url, "POST")
        assert status == 200 and "may send again" in text
        assert send(client).startswith("250")
        misbehave(client)
        for method in ("GET", "POST"):
            assert page(g, url, method)[0] == 404
        assert send(client).startswith("550 5.7.1")
        assert page(g, url[:-1] + ("0" if url[-1] != "0" else "1"), "POST")[0] == 404
        second = re.search(r"http://\S+/unlock/[0-9a-f]{40}", mails(g, 2)[1].get_content()).group()
        turn(g, 8 * 86400)
        with contextlib.closing(sqlite3.connect(g.path("state", "store.db"))) as store:  # the console's clock is not turned
            store.execute("UPDATE token SET expires_ms = 1")
            store.commit()
        assert page(g, second, "POST")[0] == 404
        with contextlib.closing(sqlite3.connect(g.path("state", "store.db"))) as store:
            actions = [r[0] for r in store.execute("SELECT action FROM audit ORDER BY id")]
        assert actions == ["account-add", "account-lock", "account-unlock", "account-lock"]


def test_one_user_of_a_smarthost_is_locked_and_the_others_are_not():
    with gateway({"identity": "header:X-User"}) as g:
        client = log_in(g)
        misbehave(client, headers="X-User: eve\r\n")
        assert send(client, headers="X-User: eve\r\n").startswith("451 4.7.1")
        assert send(client, headers="X-User: joe\r\n").startswith("250")
        assert row(g)["locked_identities"] == ["eve"] and not row(g)["locked"]
        g.account("unlock", "ann@acme.test", "eve")
        assert send(client, headers="X-User: eve\r\n").startswith("250")
        g.account("lock", "ann@acme.test", "joe", "--reason", "because")
        assert "550 5.7.1" in (refused := send(client, headers="X-User: joe\r\n")) and "because" in refused


@pytest.mark.parametrize("rule, locked", [("*:2/10m", True), ("spam:2/10m", False), ("bad-*:3/10m", False)])
def test_a_rule_names_classes(rule, locked):
    with gateway({"lock_rules": [rule]}) as g:
        client = log_in(g)
        misbehave(client)
        assert send(client).startswith("451" if locked else "250")


def test_the_owner_may_have_a_report_on_each_blocked_message():
    with gateway({"abuse_reports": "yes", "lock_rules": []}) as g:
        assert send(log_in(g), bad=True).startswith("550")
        report = mails(g, 1)[0]
        assert report.get_content_type() == "multipart/report" and report.get_param("report-type") == "feedback-report"
        words, fields, header = report.iter_parts()
        assert "bad-header-count" in words.get_content()
        assert fields.get_content_type() == "message/feedback-report"
        facts = email.message_from_string(fields.get_payload(0).as_string() if fields.is_multipart() else fields.get_payload())
        assert facts["Feedback-Type"] == "abuse" and facts["Version"] == "1" and facts["Source-IP"] == "127.0.0.9" and facts["User-Agent"]
        assert facts["Original-Mail-From"] == "<ann@acme.test>" and facts["Reported-Domain"] == "acme.test"
        assert header.get_content_type() == "text/rfc822-headers" and "Subject: twice" in header.get_payload()


def test_settings_of_rules_are_checked():
    g = gateway()
    for wrong in ("lock_rules=spam", "lock_rules=spam:0/10m", "lock_rules=sp_am:5/10m", "lock_rules=spam:5/10", "identity=whoever", "identity=header:", "identity_pattern=(",
                  "identity_pattern=(a)\\1"):
        done = g.cli("account", "limits", "ann@acme.test", wrong, check=False)
        assert done.returncode == 65 and wrong.split("=")[0] in done.stderr, wrong
    g.sink.stop()
