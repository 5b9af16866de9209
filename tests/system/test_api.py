"""The administration: tenants, domains, settings, lists; who may ask, and how; nothing half-done, nothing done twice, everything remembered."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import time

import pytest
from console_client import Api, rows
from postern_testing import ROOT, Gateway, poll, sample

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def gateway():
    with Gateway(settings={"console_sign_in_attempts": 5}) as g:
        yield g


@pytest.fixture(scope="module")
def local(gateway):
    return Api(gateway)


def person(local, login, role="operator", **where):
    return local.made("persons", dict(login=login, role=role, password=PASSWORD, **where))


def signed_in(gateway, login, **more):
    api = Api(gateway, local=False)
    answer = api.sign_in(login, PASSWORD, **more)
    assert answer.status == 200, answer
    return api


def store(gateway):
    return sqlite3.connect(gateway.path("state", "store.db"), timeout=10)


def test_the_description_in_the_repository_is_current():
    subprocess.run([sys.executable, os.path.join(ROOT, "src", "admin", "openapi.py"), ROOT, os.path.join(ROOT, "docs", "openapi.json"), "--check"], check=True)


def test_the_description_is_served_as_it_stands_in_the_repository(gateway, local):
    with open(os.path.join(ROOT, "docs", "openapi.json"), "rb") as f:
        assert local.get("/api/openapi.json").raw == f.read()


def test_a_domain_is_known_by_number_and_by_any_form_of_its_name(local):
    made = local.made("domains", {"name": "Müller.Test"})
    assert made["name"] == "xn--mller-kva.test"
    for name in (made["id"], "xn--mller-kva.test", "m%C3%BCller.test", "XN--MLLER-KVA.TEST"):
        assert local.get("domains/" + name).json == made
    assert local.post("domains", {"name": "müller.test"}).status == 409
    assert local.delete("domains/" + made["id"]).status == 204
    assert local.get("domains/" + made["id"]).status == 404


def test_what_is_set_holds_below_and_what_is_not_is_inherited(local):
    tenant = local.made("tenants", {"name": "hoster"})
    below = local.made("tenants", {"name": "reseller", "parent": "hoster"})
    domain = local.made("domains", {"name": "inherits.test", "tenant": below["id"]})
    mailbox = local.made("domains/inherits.test/mailboxes", {"local_part": "ann"})
    where = "domains/inherits.test/settings/max_message_size"

    def now(path=where):
        answer = local.get(path).json
        return answer["value"], answer["from"], answer["from_id"], answer["is_set"]
    assert now() == ("52428800", "default", None, False)
    assert local.put("system/settings/max_message_size", {"value": "30M"}).status == 200
    assert now() == ("30M", "system", None, False)
    assert local.put("tenants/hoster/settings/max_message_size", {"value": "20M"}).status == 200
    assert now() == ("20M", "tenant", tenant["id"], False)
    assert local.put("tenants/%s/settings/max_message_size" % below["id"], {"value": 100000}).status == 200
    assert now() == ("100000", "tenant", below["id"], False)
    assert local.put(where, {"value": "20M"}).status == 200
    assert now() == ("20M", "domain", domain["id"], True)
    assert local.delete(where).status == 200
    assert local.delete("tenants/%s/settings/max_message_size" % below["id"]).status == 200
    assert now() == ("20M", "tenant", tenant["id"], False)
    assert local.put("mailboxes/ann@inherits.test/settings/spam_threshold", {"value": 50}).status == 200
    assert now("mailboxes/ann@inherits.test/settings/spam_threshold") == ("50", "mailbox", mailbox["id"], True)
    assert local.delete("system/settings/max_message_size").status == 200


def test_the_configuration_file_is_named_where_a_value_comes_from_it(local, gateway):
    assert local.get("system/settings/banner_delay").json["from"] == "file"
    local.made("domains", {"name": "acme.test"}) # the file has a section for it
    routes = local.get("domains/acme.test/settings/routes").json
    assert (routes["from"], routes["value"], routes["is_set"]) == ("file", ["127.0.0.1:%d" % gateway.sink.port], False)
    assert local.put("domains/acme.test/settings/routes", {"value": ["127.0.0.1:26"]}).json["from"] == "domain"
    assert local.delete("domains/acme.test/settings/routes").json["from"] == "file"


@pytest.mark.parametrize("name, value, why", [
    ("max_message_size", "1K", "not within"), ("max_message_size", "much", "not a size"), ("check_greeting", "maybe", "none of off"),
    ("routes", ["no route"], "not host:port"), ("observe", "perhaps", "not yes or no"), ("srs_domain", "elsewhere.test", "no domain of this gateway"),
    ("retry_schedule", ["soon"], "retry_schedule"), ("source_addresses", ["here"], "not an address"), ("routes", [], "entries")])
def test_a_value_out_of_bounds_is_refused_with_the_reason(local, name, value, why):
    local.post("domains", {"name": "bounds.test"})
    answer = local.put("domains/bounds.test/settings/" + name, {"value": value})
    assert answer.status == 400 and why in answer.json["errors"][0]["detail"], answer
    assert local.get("domains/bounds.test/settings/" + name).json["is_set"] is False


def test_a_setting_of_another_level_is_not_there(local):
    local.post("domains", {"name": "bounds.test"})
    assert local.put("domains/bounds.test/settings/max_sessions", {"value": 5}).status == 404
    assert local.put("system/settings/listen_mx", {"value": ["127.0.0.1:25"]}).status == 404
    assert local.put("system/settings/nonsense", {"value": 5}).status == 404


def test_a_change_holds_for_the_mail_that_comes_next(gateway, local):
    local.made("domains", {"name": "quick.test", "routes": ["127.0.0.1:%d" % gateway.sink.port]})
    assert local.post("domains/quick.test/lists/sender-block", {"pattern": "bad@example.test"}).status == 201

    def attempt():
        """the block to hold"""
        client = gateway.client()
        try:
            return client.transact("ann@quick.test", sender="bad@example.test").startswith("5")
        finally:
            client.close()
    poll(attempt, 10)


def test_lists_are_kept_in_normal_form_and_go_as_csv(local):
    local.made("domains", {"name": "lists.test"})
    entry = local.made("domains/lists.test/lists/sender-allow", {"pattern": "Ann@MÜLLER.test", "match": "both", "note": "she, \"herself\""})
    assert (entry["pattern"], entry["match"], entry["only_authenticated"]) == ("ann@xn--mller-kva.test", "both", True)
    assert local.post("domains/lists.test/lists/sender-allow", {"pattern": "ann@müller.test", "match": "both"}).status == 409
    assert local.post("domains/lists.test/lists/sender-allow", {"pattern": "*bad.test"}).status == 400
    assert local.post("domains/lists.test/lists/nonsense", {"pattern": "bad.test"}).status == 404
    assert local.post("domains/lists.test/lists/ip-allow", {"pattern": "192.0.2.0/24"}).status == 400 # says nothing to skip
    assert local.made("domains/lists.test/lists/ip-allow", {"pattern": "192.0.2.0/24", "skip": ["dns", "greylisting"]})["skip"] == ["dns", "greylisting"]
    text = local.get("domains/lists.test/lists/sender-allow/csv").raw.decode()
    assert text == 'pattern,match,only_authenticated,skip,note\r\nann@xn--mller-kva.test,both,yes,,"she, ""herself"""\r\n'
    local.made("domains", {"name": "lists2.test"})
    assert local.post("domains/lists2.test/lists/sender-allow/csv", csv=text + "b.test,,no\n").json == {"added": 2, "present": 0}
    assert local.post("domains/lists2.test/lists/sender-allow/csv", csv=text).json == {"added": 0, "present": 1}
    assert [r["pattern"] for r in rows(local, "domains/lists2.test/lists/sender-allow?limit=1")] == ["ann@xn--mller-kva.test", "b.test"]
    wrong = local.post("domains/lists2.test/lists/sender-allow/csv", csv="c.test\n*d.test\n")
    assert wrong.status == 400 and "Line 2" in wrong.json["detail"]
    assert len(rows(local, "domains/lists2.test/lists/sender-allow")) == 2 # all or none


def test_mailboxes_and_their_other_names(local):
    local.made("domains", {"name": "boxes.test"})
    local.made("domains/boxes.test/mailboxes", {"local_part": "Ann", "aliases": ["annie", "A.B"]})
    assert local.post("domains/boxes.test/mailboxes", {"local_part": "ANNIE"}).status == 409
    assert local.post("domains/boxes.test/mailboxes", {"local_part": "a@b"}).status == 400
    assert local.get("domains/boxes.test/mailboxes/csv").raw == b"local_part,aliases\r\nann,a.b annie\r\n"
    assert local.post("domains/boxes.test/mailboxes/csv", csv="local_part,aliases\nann,a.b x\nbob\n").json == {
        "added": 1, "removed": 0, "kept": 1, "aliases_added": 1, "aliases_removed": 0, "aliases_kept": 1}
    assert [r["local_part"] for r in rows(local, "mailboxes/ann@boxes.test/aliases?limit=1")] == ["a.b", "annie", "x"]
    wrong = local.post("domains/boxes.test/mailboxes/csv", csv="carl\nbob,annie\n")
    assert wrong.status == 400 and wrong.json["errors"] == [{"pointer": "/line 2", "detail": "annie is another name of another mailbox already"}]
    assert local.get("mailboxes/carl@boxes.test").status == 404
    assert local.delete("mailboxes/ann@boxes.test").status == 204
    assert [r["address"] for r in rows(local, "domains/boxes.test/mailboxes")] == ["bob@boxes.test"]


def test_a_dry_run_checks_everything_and_changes_nothing(local):
    before = len(rows(local, "audit"))
    answer = local.post("domains?dry_run=true", {"name": "dry.test"})
    assert answer.status == 200 and answer.json["dry_run"] is True and answer.json["name"] == "dry.test"
    assert local.post("domains?dry_run=true", {"name": "no domain"}).status == 400
    assert local.get("domains/dry.test").status == 404
    assert len(rows(local, "audit")) == before


def test_a_request_sent_twice_with_its_key_is_done_once(local):
    key = {"Idempotency-Key": "k-1"}
    first = local.post("tenants", {"name": "once"}, headers=key)
    again = local.post("tenants", {"name": "once"}, headers=key)
    assert first.status == again.status == 201 and first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true" and not first.headers["Idempotent-Replayed"]
    assert len(rows(local, "tenants?name=once")) == 1
    assert local.post("tenants", {"name": "other"}, headers=key).status == 422
    assert local.post("tenants", {"name": "once"}, headers={"Idempotency-Key": "k-2"}).status == 409


def test_pages_meet_without_gap_or_overlap(local):
    names = ["page%02d.test" % i for i in range(25)]
    for name in names:
        local.made("domains", {"name": name})
    assert [r["name"] for r in rows(local, "domains?name=page&limit=7")] == names
    assert local.get("domains?limit=0").status == 400
    assert local.get("audit?cursor=nonsense").status == 400


def test_the_audit_trail_tells_who_did_what_and_why(local):
    local.made("domains", {"name": "why.test"})
    local.put("domains/why.test/settings/observe?reason=new%20customer", {"value": True})
    row = rows(local, "audit?action=domain-setting-put")[0]
    assert row["actor"].startswith("local user") and row["reason"] == "new customer" and "why.test setting observe" in row["object"]
    assert json.loads(row["before"]) == "no" and json.loads(row["after"]) == {"value": True}
    assert local.get("audit/verify").json["intact"] is True


@pytest.mark.parametrize("harm", [
    "UPDATE audit SET reason = 'another' WHERE id = (SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 2)",
    "UPDATE audit SET tenant = 5 WHERE id = (SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 1)",
    "DELETE FROM audit WHERE id = (SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 2)",
    "DELETE FROM audit WHERE id = (SELECT MAX(id) FROM audit)",
    "DELETE FROM audit",
    "UPDATE audit SET id = id + 1 WHERE id = (SELECT MAX(id) FROM audit)"])
def test_a_chain_broken_by_hand_is_noticed(harm):
    with Gateway(sink=False, tls=False) as g:
        local = Api(g)
        for i in range(5):
            local.made("tenants", {"name": "t%d" % i})
        assert local.get("audit/verify").json == dict(local.get("audit/verify").json, intact=True, rows=5)
        with store(g) as db:
            assert db.execute(harm).rowcount > 0
        assert local.get("audit/verify").json["intact"] is False


def test_signing_in_is_not_for_trying(gateway, local):
    person(local, "try")
    assert Api(gateway, local=False).post("sign-in?dry_run=true", {"login": "try", "password": PASSWORD}).status == 400
    with store(gateway) as db:
        assert db.execute("SELECT count(*) FROM session s JOIN person p ON p.id = s.person WHERE p.login = 'try'").fetchone()[0] == 0


def test_signing_in_and_out(gateway, local):
    person(local, "Olga@Example.test")
    api = Api(gateway, local=False)
    assert api.get("me").status == 401
    answer = api.sign_in("olga@example.test", PASSWORD)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    assert api.get("me").json["name"] == "olga@example.test"
    assert "Secure" in Api(gateway, local=False).post("sign-in", {"login": "olga@example.test", "password": PASSWORD},
                                                     headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    assert api.post("sign-out").status == 204
    assert api.get("me").status == 401


def test_a_session_changes_nothing_without_its_csrf_token(gateway, local):
    person(local, "csrf")
    api = signed_in(gateway, "csrf")
    token, api.csrf = api.csrf, None
    assert api.post("tenants", {"name": "forged"}).status == 403
    assert api.post("tenants", {"name": "forged"}, headers={"X-CSRF-Token": "x" * len(token)}).status == 403
    assert api.get("tenants").status == 200
    api.csrf = token
    assert api.post("tenants", {"name": "own"}).status == 201


def test_wrong_passwords_are_limited_by_login_and_never_tell_who_is_there(gateway, local):
    person(local, "limited")
    api = Api(gateway, local=False, source="127.0.0.77")
    unknown, wrong = api.sign_in("nobody-of-that-name", "x" * 12), api.sign_in("limited", "x" * 12)
    assert (unknown.status, unknown.json) == (wrong.status, wrong.json) == (401, unknown.json)
    for _ in range(4):
        assert api.sign_in("limited", "x" * 12).status == 401
    refused = api.sign_in("limited", PASSWORD)
    assert refused.status == 429 and int(refused.headers["Retry-After"]) > 0


def test_one_address_cannot_try_many_logins(gateway):
    api = Api(gateway, local=False, source="127.0.0.78")
    answers = [api.sign_in("somebody%d" % i, "x" * 12).status for i in range(16)]
    assert answers == [401] * 15 + [429]


def totp(secret, step):
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[-1] & 15
    return "%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000)


def test_an_authenticator_wants_codes_and_none_works_twice(gateway, local):
    person(local, "totp")
    api = signed_in(gateway, "totp")
    secret = api.post("me/totp").json["secret"]
    signed_in(gateway, "totp") # it does not count yet
    step = int(time.time()) // 30
    assert api.post("me/totp/confirm", {"code": "%06d" % ((int(totp(secret, step)) + 1) % 1000000)}).status in (400,)
    assert api.post("me/totp/confirm", {"code": totp(secret, step - 1)}).status == 204
    fresh = Api(gateway, local=False)
    missing = fresh.sign_in("totp", PASSWORD)
    assert missing.status == 401 and missing.json["type"].endswith("code-needed")
    assert fresh.sign_in("totp", PASSWORD, code=totp(secret, step - 1)).status == 401 # used already
    assert fresh.sign_in("totp", PASSWORD, code=totp(secret, step + 30)).status == 401
    assert fresh.sign_in("totp", "wrong " + PASSWORD, code=totp(secret, step + 1)).status == 401
    assert fresh.sign_in("totp", PASSWORD, code=totp(secret, step + 1)).status == 200 # the next step: clocks differ
    assert Api(gateway, local=False).sign_in("totp", PASSWORD, code=totp(secret, step + 1)).status == 401


def test_sessions_end_when_idle_and_in_any_case(gateway):
    with Gateway(sink=False, tls=False, settings={"console_session_idle": "30m", "console_session_lifetime": "2h"}) as g:
        local = Api(g)
        person(local, "idle")
        idle, lasting = signed_in(g, "idle"), signed_in(g, "idle")
        with store(g) as db: # the console's clock is not ours to turn: what it compares with is
            db.execute("UPDATE session SET seen_ms = seen_ms - 1000 * 60 * 31 WHERE id = (SELECT MIN(id) FROM session)")
            db.execute("UPDATE session SET expires_ms = expires_ms - 1000 * 60 * 60 * 2 WHERE id = (SELECT MAX(id) FROM session)")
        assert idle.get("me").status == 401 and lasting.get("me").status == 401


def test_keys_do_what_they_are_for_from_where_they_may(gateway, local):
    owner = person(local, "robot", role="robot")
    key = local.made("persons/robot/keys", {"name": "lists", "permissions": ["edit-lists", "view-meta"]})
    api = Api(gateway, key=key["key"])
    local.made("domains", {"name": "keys.test"})
    assert api.post("domains/keys.test/lists/sender-block", {"pattern": "a.test"}).status == 201
    assert api.put("domains/keys.test/settings/observe", {"value": True}).status == 403
    assert local.post("persons/robot/keys", {"name": "more", "permissions": ["impersonate"]}).status == 403
    assert "key" not in rows(local, "persons/robot/keys")[0]
    bound = local.made("persons/robot/keys", {"name": "bound", "permissions": ["view-meta"], "networks": ["127.0.0.50/31"]})
    assert Api(gateway, key=bound["key"], source="127.0.0.51").get("domains").status == 200
    assert Api(gateway, key=bound["key"], source="127.0.0.52").get("domains").status == 403
    expiring = local.made("persons/robot/keys", {"name": "short", "permissions": ["view-meta"], "expires_days": 1})
    assert Api(gateway, key=expiring["key"]).get("domains").status == 200
    with store(gateway) as db:
        db.execute("UPDATE api_key SET expires_ms = 1 WHERE id = ?", (int(expiring["id"]),))
    assert Api(gateway, key=expiring["key"]).get("domains").status == 401
    assert local.patch("persons/robot", {"is_locked": True}).status == 200
    assert api.get("domains").status == 401
    assert owner["role"] == "robot"


def test_a_key_cannot_make_a_key_that_may_more(gateway, local):
    person(local, "chain", role="robot")
    key = local.made("persons/chain/keys", {"name": "api", "permissions": ["api", "view-meta"]})
    api = Api(gateway, key=key["key"])
    assert api.post("me/keys", {"name": "more", "permissions": ["queue"]}).status == 403
    assert api.post("me/keys", {"name": "same", "permissions": ["view-meta"]}).status == 201
    assert api.post("me/password", {"old": PASSWORD, "new": "another one altogether"}).status == 403


def test_nobody_makes_a_person_that_may_more(gateway, local):
    local.made("tenants", {"name": "limits"})
    person(local, "limits-reseller", role="reseller", tenant="limits")
    local.made("domains", {"name": "limits.test", "tenant": "limits"})
    api = signed_in(gateway, "limits-reseller")
    assert api.post("persons", {"login": "evil", "role": "operator"}).status == 403
    assert api.post("persons", {"login": "evil", "role": "support"}).status == 403 # stands nowhere: that would be everywhere
    assert api.post("persons", {"login": "limits-owner", "role": "domain-owner", "domain": "limits.test", "password": PASSWORD}).status == 201
    owner = signed_in(gateway, "limits-owner")
    assert owner.post("persons/limits-reseller/password", {"password": PASSWORD + "!"}).status == 404
    assert api.delete("tenants/limits").status == 403 and owner.delete("domains/limits.test").status == 403
    assert api.patch("tenants/limits", {"is_suspended": True}).status == 403
    assert local.patch("tenants/limits", {"is_suspended": True}).status == 200
    assert owner.get("me").status == 401 and api.get("me").status == 401


def test_acting_as_another_gives_what_both_may_and_names_both(gateway, local):
    local.made("tenants", {"name": "act"})
    local.made("domains", {"name": "act.test", "tenant": "act"})
    person(local, "act-reseller", role="reseller", tenant="act")
    person(local, "act-owner", role="domain-owner", domain="act.test")
    person(local, "act-operator")
    api = signed_in(gateway, "act-reseller")
    assert api.post("persons/act-operator/impersonate").status == 404
    answer = api.post("persons/act-owner/impersonate")
    shown = Api(gateway, local=False)
    shown.cookie, shown.csrf = answer.headers["Set-Cookie"].split(";")[0], answer.json["csrf"]
    me = shown.get("me").json
    assert (me["name"], me["acting_as"], me["scope"]) == ("act-reseller", "act-owner", "domain")
    assert "api" not in me["permissions"] and "impersonate" not in me["permissions"]
    assert shown.put("domains/act.test/settings/observe", {"value": True}).status == 200
    row = rows(local, "audit?actor=act-reseller&action=domain-setting-put")[0]
    assert row["acting_as"] == "act-owner"
    assert shown.post("me/password", {"old": PASSWORD, "new": PASSWORD + "2"}).status == 403


def test_passwords_and_keys_are_nowhere_to_be_read(gateway, local):
    person(local, "secret")
    local.made("persons/secret/keys", {"name": "k", "permissions": ["*"]}, headers={"Idempotency-Key": "secret-key"})
    again = local.post("persons/secret/keys", {"name": "k", "permissions": ["*"]}, headers={"Idempotency-Key": "secret-key"})
    assert again.status == 201 and "key" not in again.json
    with store(gateway) as db:
        whole = "\n".join(db.iterdump())
    assert PASSWORD not in whole and "pk_" not in whole


def kept(gateway, count, reason="SPF_FAILURE", sender="from@elsewhere.test"):
    """Rows as the relay makes them when it quarantines."""
    ids = [(1700000000000 << 21) + 1000 * hash(reason + sender) % 10 ** 9 + i for i in range(count)]
    with store(gateway) as db:
        domain = db.execute("SELECT id FROM domain WHERE name = 'kept.test'").fetchone()[0]
        for number in ids:
            db.execute("INSERT INTO body(id, packing, size, header, data) VALUES(?, 'none', 6, x'', ?)", (number, b"S: x\r\n\r\nbody\r\n"))
            db.execute("INSERT INTO quarantine(id, body, domain, direction, reference, sender, recipient, subject, size, reason, is_refused, envelope, state, changed_ms, "
                       "expires_ms) VALUES(?, ?, ?, 'in', 'REF', ?, 'ann@kept.test', 'x', 20, ?, 1, x'', 'kept', 1, 99999999999999)",
                       (number, number, domain, sender, reason))
    return [str(number) for number in ids]


def test_what_is_kept_is_removed_one_by_one_or_all_that_match_after_a_count():
    with Gateway(sink=False, tls=False) as g:
        local = Api(g)
        local.made("domains", {"name": "kept.test"})
        ids = kept(g, 5)
        virus = kept(g, 1, "VIRUS", "bad@virus.test")[0]
        assert len(rows(local, "quarantine?limit=2")) == 6 and len(rows(local, "quarantine?reason=virus")) == 1
        removed = local.post("quarantine/%s/remove" % ids[0], {"block": True})
        assert removed.json["state"] == "removed" and removed.json["changed_by"].startswith("local user")
        assert local.post("quarantine/%s/remove" % ids[0], {}).status == 409 # somebody was faster
        assert [e["pattern"] for e in rows(local, "domains/kept.test/lists/sender-block")] == ["from@elsewhere.test"]
        body = {"sender": "from@elsewhere.test"}
        assert local.post("quarantine/remove?dry_run=true", body).json["count"] == 4
        assert local.post("quarantine/remove", body).status == 409
        assert local.post("quarantine/remove", dict(body, count=3)).status == 409
        assert local.post("quarantine/remove", dict(body, count=4)).json == {"count": 4}
        assert {r["state"] for r in rows(local, "quarantine?sender=from@elsewhere.test")} == {"removed"}
        local.made("persons", {"login": "owner", "role": "domain-owner", "domain": "kept.test", "password": PASSWORD})
        owner = signed_in(g, "owner")
        assert owner.get("quarantine/%s/body" % virus).raw == b"S: x\r\n\r\nbody\r\n"
        refused = owner.post("quarantine/%s/release" % virus, {})
        assert refused.status == 403 and "release-risky" in refused.json["detail"]
        assert owner.post("quarantine/release", {"count": 1}).status == 403


def test_an_owner_finds_what_was_refused_reads_it_and_has_it_delivered_once(gateway, local):
    local.made("domains", {"name": "refuses.test", "routes": ["127.0.0.1:%d" % gateway.sink.port]})
    local.made("domains/refuses.test/mailboxes", {"local_part": "ann"})
    local.made("persons", {"login": "ann", "role": "mailbox", "mailbox": "ann@refuses.test", "password": PASSWORD})
    message = sample(subject="with a program", headers='Content-Type: application/octet-stream; name="run.exe"\r\n', body="MZ")

    ann = signed_in(gateway, "ann")

    def refused_and_kept():
        """the domain to hold, and a message to be kept"""
        client = gateway.client()
        try:
            client.transact("ann@refuses.test", sender="carol@refused.test", message=message)
        finally:
            client.close()
        return rows(ann, "quarantine?sender=carol@refused.test")
    row = poll(refused_and_kept)[0]
    assert row["recipient"] == "ann@refuses.test" and row["state"] == "kept" and not row["is_risky"]
    assert b'name="run.exe"' in ann.get("quarantine/%s/body" % row["id"]).raw
    assert ann.post("quarantine/%s/release" % row["id"], {"allow": True}).json["state"] in ("releasing", "released")
    poll(lambda: gateway.sink.messages_for("ann@refuses.test"))
    poll(lambda: ann.get("quarantine/" + row["id"]).json["state"] == "released")
    assert ann.post("quarantine/%s/release" % row["id"], {}).status == 409
    assert [e["pattern"] for e in rows(ann, "mailboxes/ann@refuses.test/lists/sender-allow")] == ["carol@refused.test"]
    assert rows(local, "audit?action=quarantine-release")[0]["actor"] == "ann"
    assert len(gateway.sink.messages_for("ann@refuses.test")) == 1


def test_outgoing_accounts(gateway, local):
    local.made("domains", {"name": "sends.test"})
    account = local.made("domains/sends.test/accounts", {"kind": "user", "login": "Ann@Sends.test", "password": PASSWORD, "networks": ["192.0.2.0/24"]})
    assert (account["login"], account["networks"], account["has_password"]) == ("ann@sends.test", ["192.0.2.0/24"], True)
    assert local.post("domains/sends.test/accounts", {"kind": "user", "login": "ann@sends.test", "password": PASSWORD}).status == 409
    assert local.post("domains/sends.test/accounts", {"kind": "user", "login": "ann@other.test", "password": PASSWORD}).status == 422
    assert local.post("accounts/ann@sends.test/lock", {"why": "sends spam", "minutes": 10}).json["lock_reason"] == "sends spam"
    assert local.post("accounts/ann@sends.test/unlock").json["is_locked"] is False
    assert local.post("accounts/ann@sends.test/password", {"password": "short"}).status == 422
    assert local.post("accounts/ann@sends.test/password", {"password": PASSWORD + "2"}).status == 204
    limit = "accounts/ann@sends.test/settings/outgoing_per_minute"
    assert local.get(limit).json["from"] == "default" and local.put(limit, {"value": 7}).json["from"] == "account"
    assert [a["login"] for a in rows(local, "domains/sends.test/accounts")] == ["ann@sends.test"]
    assert local.delete("accounts/ann@sends.test").status == 204
    with store(gateway) as db:
        assert db.execute("SELECT count(*) FROM setting WHERE level = 'u'").fetchone()[0] == 0


def test_the_log_tells_what_became_of_a_message(gateway, local):
    local.made("domains", {"name": "logged.test", "routes": ["127.0.0.1:%d" % gateway.sink.port]})

    def accepted():
        """the domain to hold"""
        client = gateway.client()
        try:
            return client.transact("ann@logged.test", sender="carol@logs.test").startswith("250")
        finally:
            client.close()
    poll(accepted)

    def delivered():
        """its row"""
        found = rows(local, "messages?filter=from:*@logs.test%20status:delivered%20since:1d")
        return found and found[0]
    row = poll(delivered)
    assert row["recipient"] == "ann@logged.test" and row["subject"] == "test"
    wrong = local.get("messages?filter=nonsense:x")
    assert wrong.status == 400 and wrong.json["errors"][0]["pointer"] == "/filter"
    whole = local.get("messages/" + row["id"]).json
    assert whole["host"] and whole["helo"] == "client.example.test" and isinstance(whole["findings"], list)


def raw(gateway, octets):
    with socket.create_connection(("127.0.0.1", gateway.console), 20) as s:
        s.sendall(octets)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            piece = s.recv(65536)
            if not piece:
                return answer
            answer += piece


@pytest.mark.parametrize("lines", [
    ["Content-Length: 2", "Content-Length: 2"], ["Content-Length: 2", "Content-Length: 60"], ["Content-Length: 2", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked"], ["Content-Length: 2, 2"], ["Content-Length: +2"], ["Content-Length: 0x2"], ["Content-Length : 2"],
    ["Host: other.test", "Content-Length: 2"], ["Transfer-Encoding: identity", "Content-Length: 2"], ["Content-Length: -1"], ["Content-Length:"]])
def test_framing_that_could_be_read_in_two_ways_is_refused_and_the_connection_ends(gateway, lines):
    smuggled = b"GET /api/v1/smuggled HTTP/1.1\r\nHost: x.test\r\n\r\n"
    head = "POST /api/v1/sign-in HTTP/1.1\r\nHost: x.test\r\nContent-Type: application/json\r\n%s\r\n\r\n" % "\r\n".join(lines)
    answer = raw(gateway, head.encode() + b"{}" + smuggled)
    assert set(re.findall(rb"HTTP/1\.1 (\d\d\d)", answer)) <= {b"400"}, answer[:300]
    assert b"no such path" not in answer # what followed was not taken for a request


def test_bodies_have_a_ceiling(gateway, local):
    assert local.post("domains", '{"name": "%s"}' % ("x" * 3 * 1024 * 1024)).status == 413
    assert local.post("sign-in", "[" * 100000).status == 400
    assert local.get("domains", body="{}").status == 400
    assert local.get("domains?name=" + "x" * 9000).status == 400


def test_a_get_changes_nothing_whatever_it_asks_for(gateway, local):
    with open(os.path.join(ROOT, "docs", "openapi.json"), encoding="utf-8") as f:
        paths = [path for path, methods in json.load(f)["paths"].items() if "post" in methods or "delete" in methods]
    with store(gateway) as db:
        before = list(db.iterdump())
    for path in paths:
        local.get(re.sub(r"\{\w+\}", "1", path))
        local.get(re.sub(r"\{\w+\}", "1", path) + "?_method=DELETE")
    with store(gateway) as db:
        assert list(db.iterdump()) == before


def test_what_watches_from_outside(gateway, local):
    assert local.get("/livez").raw == b"ok\n" and local.get("/readyz").status == 200
    text = local.get("/metrics").raw.decode()
    assert "postern_relay_up 1" in text and "postern_queue_messages 0" in text
    for line in text.splitlines():
        assert re.fullmatch(r'(# (HELP|TYPE) postern_\w+ .+|postern_\w+(\{(reason|status)="[\w-]+"\})? [-+.e\d]+)', line), line


def test_ready_says_what_is_missing():
    with Gateway(sink=False, tls=False) as g:
        os.kill(g.children()["relay"][0], 19)
        try:
            os.unlink(g.path("run", "control"))
            answer = Api(g).get("/readyz")
            assert answer.status == 503 and b"relay" in answer.raw
        finally:
            os.kill(g.children()["relay"][0], 18)
