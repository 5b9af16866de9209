"""Custom rules of the store under a running gateway: they hold within a second, each for its owner's mail, and `postern rule test` says the same."""
import json

import postern_testing as pt
from test_settings_store import NOW, Store, answer, soon

SETTINGS = {"max_connections_per_minute": "0", "max_concurrent_connections": "0"}
INVOICE = {"conditions": [{"what": "subject", "operator": "contains", "value": "overdue invoice"}], "action": "refuse"}
MESSAGE = pt.sample(subject="Your Overdue Invoice", body="Dear all,\r\nplease pay 300 now.\r\n")


def add(store, level, owner, name, definition, position=1, on=1):
    number = store.id()
    store.change(("INSERT INTO rule(id, level, owner, position, name, is_on, definition, created_ms, changed_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  number, level, owner, position, name, on, definition if isinstance(definition, str) else json.dumps(definition), NOW, NOW))
    return number


def said(gateway):
    with open(gateway.path("stderr")) as f:
        return f.read()


def data(gateway, recipients, message=MESSAGE, sender="ann@sender.test"):
    """What DATA is answered."""
    c = gateway.client()
    for line in ["EHLO client.example.test", "MAIL FROM:<%s>" % sender] + ["RCPT TO:<%s>" % r for r in recipients]:
        assert c.ask(line)[-1].startswith("250")
    assert c.ask("DATA")[-1].startswith("354")
    c.raw(message.encode() + b"\r\n.\r\n")
    reply = c.reply()[-1]
    c.close()
    return reply


def data_soon(gateway, start, recipients, **rest):
    def look():
        reply = data(gateway, recipients, **rest)
        return reply if reply.startswith(start) else None
    return pt.poll(look, seconds=10)


def test_rules_come_and_go_while_mail_flows():
    with pt.Gateway(SETTINGS, {"file.test": {}}) as g:
        store = Store(g)
        domain = store.domain("shop.test", routes=["127.0.0.1:%d" % g.sink.port])
        soon(g, "250", "ann@shop.test")
        assert data(g, ["ann@shop.test"]).startswith("250")
        number = add(store, "d", domain, "Fake invoices", INVOICE)
        reply = data_soon(g, "550 5.7.1", ["ann@shop.test"])
        assert "overdue" not in reply.lower() and "Fake" not in reply, "what a rule looks for is not the sender's business"
        assert data(g, ["bob@file.test"]).startswith("250"), "it is that domain's rule"
        event = g.wait_for_event(reason="CUSTOM_RULE", recipient="ann@shop.test")[0]
        evidence = [f["evidence"] for f in event["findings"] if f["reason"] == "CUSTOM_RULE"]
        assert evidence == ['rule "Fake invoices" of shop.test refuses: subject contains "Overdue Invoice"']
        store.change(("UPDATE rule SET is_on = 0 WHERE id = ?", number))
        data_soon(g, "250", ["ann@shop.test"])


def test_levels_and_a_bad_rule():
    with pt.Gateway(SETTINGS, {"file.test": {}}) as g:
        store = Store(g)
        reseller = store.tenant("reseller")
        customer = store.tenant("customer", reseller)
        domain = store.domain("shop.test", customer)
        soon(g, "250", "ann@shop.test")
        add(store, "d", domain, "no rule at all", "{\"conditions\": [{\"what\": \"body\", \"operator\": \"regex\", \"value\": \"(\"}], \"action\": \"refuse\"}")
        add(store, "d", 4711, "nobody's", INVOICE)
        add(store, "t", reseller, "Reseller's", {"conditions": [{"what": "sender", "operator": "is", "value": "bulk.test"}], "action": "refuse"})
        assert soon(g, "550 5.7.1", "ann@shop.test", "x@bulk.test")
        assert answer(g, "bob@file.test", "x@bulk.test").startswith("250"), "not that tenant's domain"
        text = said(g)
        assert "no rule at all" in text and "conditions[0].value: missing closing parenthesis, at octet 1" in text
        assert "nobody's" in text
        add(store, "s", 0, "Everybody's", {"conditions": [{"what": "sender", "operator": "contains", "value": "@worse."}], "action": "refuse"})
        assert soon(g, "550 5.7.1", "bob@file.test", "x@worse.test")
        assert answer(g, "postmaster@file.test", "x@worse.test").startswith("250"), "role addresses stay open"


def test_one_message_is_not_the_same_to_all():
    with pt.Gateway(SETTINGS, {"one.test": {}, "two.test": {}}) as g:
        g.rule("one.test", "Keep back", dict(INVOICE, action="quarantine"))
        g.rule("two.test", "Only for bob", {"conditions": [{"what": "recipient", "operator": "is", "value": "bob@two.test"}] + INVOICE["conditions"], "action": "quarantine"})
        store = Store(g)
        held = lambda: sorted(r for r, in store.db.execute("SELECT recipient FROM quarantine"))

        def sent():
            assert data(g, ["ann@one.test", "ann@two.test", "bob@two.test"]).startswith("250")
            return "bob@two.test" in held()
        pt.poll(sent, seconds=10)
        pt.poll(lambda: g.sink.messages_for("ann@two.test"))
        rows = [r["reason"] for r in g.wait_for_event(reason="CUSTOM_RULE", recipient="bob@two.test")]
        assert rows and "ann@two.test" not in held()
        assert "ann@one.test" in held()


def test_a_pattern_that_never_ends_is_said_and_counted():
    with pt.Gateway(SETTINGS, {"file.test": {}}) as g:
        limited = lambda: json.loads(g.cli("stats", "--json").stdout)["limited_rules"]
        assert limited() == 0
        g.rule("file.test", "Catastrophe", {"conditions": [{"what": "body", "operator": "regex", "value": "^(a+)+$"}], "action": "refuse"})
        bad = pt.sample(body="a" * 60 + "!")

        def told():
            assert data(g, ["bob@file.test"], message=bad).startswith("250"), "a limit is no match"
            return "rule \"Catastrophe\" of file.test took too much work" in said(g)
        pt.poll(told, seconds=20)
        assert limited() > 0


def test_the_test_box(tmp_path):
    message, definition = tmp_path / "m.eml", tmp_path / "rule.json"
    message.write_text(MESSAGE.replace("\r\n", "\n"))
    definition.write_text(json.dumps({"match": "all", "action": "score", "points": 2, "conditions": [
        {"what": "body", "operator": "regex", "value": "^please pay \\d+ now\\.$"}, {"what": "ip", "operator": "in", "value": "192.0.2.0/24"},
        {"what": "recipient", "operator": "is", "value": "*@acme.test"}, {"what": "sender", "operator": "is", "value": "<>"}]}))
    with pt.Gateway(sink=False) as g:
        run = lambda *words: g.cli("rule", "test", "--definition", str(definition), "--json", *words, check=False)
        done = run("--message", str(message), "--from", "<>", "--to", "Ann@acme.test", "--ip", "192.0.2.7")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["matches"] == "yes" and found["action"] == "score" and found["points"] == 2
        assert found["conditions"][0]["what"] == 'body regex "please pay 300 now."'
        done = run("--message", str(message), "--from", "x@y.test", "--to", "ann@acme.test", "--ip", "192.0.2.7")
        assert done.returncode == 1 and [c["holds"] for c in json.loads(done.stdout)["conditions"]] == ["yes", "yes", "yes", "no"]
        done = run("--ip", "192.0.2.7")
        assert done.returncode == 1 and json.loads(done.stdout)["matches"] == "open", "as at RCPT: the message is not there"
        done = g.cli("rule", "test", "--definition", '{"conditions": [{"what": "body", "operator": "regex", "value": "a)"}], "action": "tag"}', check=False)
        assert done.returncode == 65 and "conditions[0].value: unmatched closing parenthesis, at octet 1" in done.stderr


def test_a_rule_is_tried_before_it_is_kept():
    with pt.Gateway(SETTINGS, {"file.test": {}}) as g:
        store = Store(g)
        store.domain("shop.test")
        soon(g, "250", "ann@shop.test")
        done = g.cli("rule", "add", "Bad", '{"conditions": [{"what": "subject", "operator": "regex", "value": "[a"}], "action": "refuse"}', "--domain", "shop.test", check=False)
        assert done.returncode != 0 and "conditions[0].value: missing terminating ]" in done.stderr + done.stdout
        assert store.db.execute("SELECT count(*) FROM rule").fetchone() == (0,)
        g.cli("rule", "add", "Good", json.dumps(INVOICE), "--domain", "shop.test")
        data_soon(g, "550 5.7.1", ["ann@shop.test"])
