"""Callouts: the destination is asked at RCPT whether an address exists; what it says is remembered, what it does not say is not guessed."""
import json
import os
import re
import signal
import socket
import threading
import time

import peers
import postern_testing as pt
import pytest
from scripted_hop import Hop

HOUR = 3600


def destination(**more):
    """A hop that has ann and bob; "later" it cannot say."""
    def rcpt(line):
        who = re.search(rb"<([^@>]*)", line).group(1)
        return b"250 2.1.5 ok\r\n" if who in (b"ann", b"bob") else b"451 4.2.1 later\r\n" if who.startswith(b"later") else b"550 5.1.1 no %s here\r\n" % who
    return Hop(**{"RCPT": rcpt, **more})


class Rig(pt.Gateway):
    def __init__(self, *hops, settings=None, domain=None, **more):
        routes = ["127.0.0.1:%d" % (hop if isinstance(hop, int) else hop.port) for hop in hops]
        super().__init__(settings=dict({"recipient_callout": True, "max_invalid_recipients": "0", "max_invalid_recipients_per_hour": "0",
                                        "max_concurrent_connections": "0", "max_connections_per_minute": "0", "max_connections_per_hour": "0"}, **(settings or {})),
                         domains={"acme.test": dict({"routes": routes}, **(domain or {})), "plain.test": {"recipient_callout": False}}, tls=False, **more)

    def ask(self, recipient, sender="carol@example.test"):
        with self.client().socket as s:
            c = pt.Client.__new__(pt.Client)
            c.socket, c.rest = s, b""
            c.ask("EHLO client.example.test")
            c.ask("MAIL FROM:<%s>" % sender)
            return c.ask("RCPT TO:<%s>" % recipient)[-1]

    def remembered(self, what=""):
        return {(r["what"], r["address"]): r["answer"] for r in json.loads(self.cli("callout", "show", *([what] if what else []), "--json").stdout)["rows"]}


def rcpts(hop):
    return [re.search(r"<([^>]*)>", line).group(1) for line in hop.said if line.startswith("RCPT")]


def test_answers_are_remembered_for_their_time():
    hop = destination()
    with Rig(hop) as g:
        assert g.ask("ann@acme.test").startswith("250")
        said = [line for line in hop.said if not line.startswith("EHLO")]
        assert said[0] == "MAIL FROM:<>" and re.fullmatch(r"RCPT TO:<nobody-[0-9a-z]{10}@acme\.test>", said[1]) and said[2] == "RCPT TO:<ann@acme.test>"
        pt.poll(lambda: "QUIT" in hop.said)
        assert "550 5.1.1" in g.ask("gone@acme.test") and "no gone here" in str(g.wait_for_event(reason="DESTINATION_REFUSED")[0])
        assert g.ask("gone@acme.test").startswith("550 5.1.1") and g.ask("ann@acme.test").startswith("250")
        assert rcpts(hop)[1:] == ["ann@acme.test", "gone@acme.test"], "each once, and one address that nobody has"
        assert g.remembered() == {("recipient", "ann@acme.test"): "yes", ("recipient", "gone@acme.test"): "no", ("catch-all", "acme.test"): "no"}
        g.control(noun="clock", verb="advance", seconds=2 * HOUR + 60)
        g.ask("gone@acme.test")
        g.ask("ann@acme.test")
        assert rcpts(hop)[1:] == ["ann@acme.test", "gone@acme.test", "gone@acme.test"], "a negative answer holds for two hours"
        g.control(noun="clock", verb="advance", seconds=95 * HOUR)
        g.ask("ann@acme.test")
        assert rcpts(hop)[-1] == "ann@acme.test" and rcpts(hop)[-2].startswith("nobody-"), "a positive one for four days"
        assert g.ask("Ann@ACME.test").startswith("550"), "local parts are the destination's to compare"
        assert g.ask("gone@plain.test").startswith("250"), "the domain's own setting"


def test_a_catch_all_is_seen():
    hop = Hop()
    with Rig(hop) as g:
        assert all(g.ask("x%d@acme.test" % i).startswith("250") for i in range(3))
        assert len(rcpts(hop)) == 1 and g.remembered() == {("catch-all", "acme.test"): "yes"}


def test_4xx_proves_nothing_and_the_next_route_is_asked():
    first, second = destination(RCPT=b"450 4.7.1 greylisted\r\n"), destination()
    with Rig(first, second) as g:
        assert g.ask("ann@acme.test").startswith("250") and g.ask("gone@acme.test").startswith("550")
        assert rcpts(first) and rcpts(second)
    with Rig(first) as g:
        refused = g.ask("ann@acme.test")
        assert refused.startswith("451 4.4.1") and "greylisted" in refused and g.remembered() == {}
        assert "DESTINATION_UNVERIFIED" in [e["reason"] for e in g.wait_for_event(recipient="ann@acme.test")]
    odd = destination(RCPT=lambda line: b"451 4.2.1 later\r\n" if b"nobody-" in line else b"250 ok\r\n")
    with Rig(odd) as g:
        assert g.ask("ann@acme.test").startswith("250") and g.remembered() == {("recipient", "ann@acme.test"): "yes"}
    shy = destination(MAIL=b"550 5.7.1 no empty senders\r\n")
    with Rig(shy) as g:
        refused = g.ask("ann@acme.test")
        assert refused.startswith("451 4.4.1") and "no empty senders" in refused, "that says nothing of ann"


def test_known_recipients_are_taken_while_the_destination_is_down():
    hop = destination()
    with Rig(hop, domain={"callout_positive": "1h"}) as g:
        assert g.ask("ann@acme.test").startswith("250")
        g.control(noun="clock", verb="advance", seconds=2 * HOUR)
        hop.script["banner"] = None
        assert g.ask("bob@acme.test").startswith("451 4.4.1"), "never seen"
        assert g.ask("ann@acme.test").startswith("250"), "known, if not of late"
        tried = len([line for line in hop.said if line.startswith("EHLO")])
        g.stop()
        g.start()
        assert g.ask("ann@acme.test").startswith("250"), "also after a restart"
        assert g.ask("bob@acme.test").startswith("451 4.4.1")
        hop.script["banner"] = Hop.USUAL["banner"]
        assert g.ask("bob@acme.test").startswith("451"), "not asked again at once"
        assert len([line for line in hop.said if line.startswith("EHLO")]) == tried
        g.cli("callout", "clear", "acme.test")
        assert g.ask("bob@acme.test").startswith("250"), "cleared by hand"
    with Rig(pt.free_port(), domain={"local_recipients": ["ann"]}) as g:
        assert g.ask("ann@acme.test").startswith("250") and g.ask("bob@acme.test").startswith("550 5.1.1"), "the owner's list counts as known"


def send(g, recipients, message=None):
    c = g.client()
    try:
        return c.transact(recipients, message=message or pt.sample())
    finally:
        c.close()


def test_real_deliveries_teach():
    hop = destination()
    with Rig(hop, settings={"max_date_skew_days": "0"}) as g:
        assert send(g, "ann@acme.test").startswith("250")
        pt.poll(lambda: g.events(event="delivered", recipient="ann@acme.test"))
        g.control(noun="clock", verb="advance", seconds=95 * HOUR)
        assert send(g, "ann@acme.test").startswith("250"), "from memory, and delivered anew"
        pt.poll(lambda: len(g.events(event="delivered", recipient="ann@acme.test")) == 2)
        asked = len([line for line in hop.said if line == "MAIL FROM:<>"])
        g.control(noun="clock", verb="advance", seconds=95 * HOUR)
        assert g.ask("ann@acme.test").startswith("250")
        assert len([line for line in hop.said if line == "MAIL FROM:<>"]) == asked, "a delivery is as good as a question"

        def gone(line):
            return b"550 5.7.1 not from you\r\n" if b"<bob" in line else b"550 5.1.1 gone\r\n"
        assert g.ask("bob@acme.test").startswith("250")
        hop.script["RCPT"] = gone
        assert send(g, ["ann@acme.test", "bob@acme.test"]).startswith("250")
        pt.poll(lambda: len(g.events(event="bounced")) == 2)
        assert g.ask("ann@acme.test").startswith("550 5.1.1"), "refused at the front door from now on"
        assert g.remembered("bob@acme.test") == {("recipient", "bob@acme.test"): "yes"}, "another refusal says nothing of the address"
        assert g.ask("carl@acme.test").startswith("550")
        hop.script["RCPT"], hop.script["MAIL"] = b"250 2.1.5 ok\r\n", lambda line: b"250 ok\r\n" if b"<>" in line else b"550 5.1.1 nor you\r\n"
        assert send(g, "bob@acme.test").startswith("250")
        pt.poll(lambda: len(g.events(event="bounced")) == 3)
        assert g.remembered("bob@acme.test") == {("recipient", "bob@acme.test"): "yes"}, "what is said to MAIL is not said of the address"


def test_a_catch_all_that_ends_is_noticed():
    hop = Hop()
    with Rig(hop) as g:
        assert send(g, "x1@acme.test").startswith("250")
        pt.poll(lambda: g.events(event="delivered"))
        assert g.remembered() == {("catch-all", "acme.test"): "yes"}, "single addresses are not kept beside it"
        hop.script["RCPT"] = lambda line: b"250 ok\r\n" if b"<ann" in line else b"550 5.1.1 no\r\n"
        assert send(g, "x2@acme.test").startswith("250")
        pt.poll(lambda: g.events(event="bounced"))
        assert g.remembered() == {("recipient", "x2@acme.test"): "no"}
        assert g.ask("x3@acme.test").startswith("550 5.1.1") and g.ask("ann@acme.test").startswith("250")


def test_cut_through_teaches_too():
    hop = destination()
    with Rig(hop, domain={"cut_through": True}) as g:
        assert send(g, "ann@acme.test").startswith("250") and send(g, "gone@acme.test").startswith("550 5.1.1")
        assert g.remembered() == {("recipient", "ann@acme.test"): "yes", ("recipient", "gone@acme.test"): "no"}


def test_what_is_known_outlives_a_kill():
    hop = destination()
    with Rig(hop, domain={"callout_positive": "1h"}) as g:
        assert g.ask("ann@acme.test").startswith("250") and g.ask("gone@acme.test").startswith("550")

        def kept():
            """the memory on the disk"""
            return os.path.exists(g.path("state", "callouts")) and " r:ann@acme.test\n" in open(g.path("state", "callouts")).read()
        pt.poll(kept, seconds=60)
        relay = g.children()["relay"][0]
        os.kill(relay, signal.SIGKILL)
        pt.poll(lambda: g.children().get("relay", [relay])[0] != relay)
        hop.script["banner"] = None

        def remembered():
            """the new relay"""
            done = g.cli("callout", "show", "--json", check=False)
            return done.returncode == 0 and json.loads(done.stdout)["rows"]
        assert [r["address"] for r in pt.poll(remembered)] == ["ann@acme.test"]
        g.control(noun="clock", verb="advance", seconds=2 * HOUR)
        assert g.ask("ann@acme.test").startswith("250") and g.ask("bob@acme.test").startswith("451 4.4.1")


def test_clear_and_reload_forget():
    hop = destination()
    with Rig(hop) as g:
        for who in ("ann", "gone", "other"):
            g.ask(who + "@acme.test")
        assert json.loads(g.cli("callout", "clear", "gone@acme.test", "--json").stdout)["cleared"] == 1
        assert ("recipient", "gone@acme.test") not in g.remembered()
        g.cli("reload")
        pt.poll(lambda: "the configuration is reloaded" in g.said())
        assert g.remembered() == {("recipient", "ann@acme.test"): "yes", ("catch-all", "acme.test"): "no"}, "a mailbox may just have been made"
        g.cli("callout", "clear", "all")
        assert g.remembered() == {}
        assert g.cli("callout", "clear", check=False).returncode == 64


def test_the_command_shows_the_dialogue():
    hop = destination()
    with Rig(hop) as g:
        told = g.cli("callout", "test", "ann@acme.test")
        assert re.search(r"S: 220 hop\.test.*C: EHLO mx\.postern\.test.*C: MAIL FROM:<>\nS: 250.*C: RCPT TO:<nobody-.*\nS: 550 .*C: RCPT TO:<ann@acme\.test>\nS: 250",
                         told.stdout, re.S) and told.stdout.splitlines()[-1].startswith("ann@acme.test: yes, says 127.0.0.1")
        told = g.cli("callout", "test", "gone@acme.test", "--json", check=False)
        assert told.returncode == 1 and json.loads(told.stdout)["answer"] == "no" and "no gone here" in json.loads(told.stdout)["text"]
        assert g.cli("callout", "test", "later@acme.test", check=False).returncode == 75
        assert g.cli("callout", "test", "no address", check=False).returncode == 64
        assert g.remembered() == {}


def in_parallel(count, what):
    results = [None] * count

    def run(i):
        results[i] = what(i)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_the_same_question_is_asked_once_and_few_at_once():
    lock, now, most, go = threading.Lock(), [0], [0], threading.Event()

    def rcpt(line):
        if b"nobody-" in line:
            return b"550 5.1.1 no\r\n"
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        go.wait(pt.PATIENCE)
        with lock:
            now[0] -= 1
        return b"250 ok\r\n"
    hop = destination(RCPT=rcpt)
    with Rig(hop, settings={"max_callouts": 3}) as g:
        asked = threading.Thread(target=lambda: results.extend(in_parallel(16, lambda i: g.ask("u%d@acme.test" % (i % 8)))))
        results = []
        asked.start()
        pt.poll(lambda: now[0] == 3)
        assert g.ask("x@plain.test").startswith("250"), "others are served meanwhile"
        go.set()
        asked.join()
        assert len(results) == 16 and all(r.startswith("250") for r in results)
        assert most[0] == 3 and sorted(r for r in rcpts(hop) if not r.startswith("nobody-")) == ["u%d@acme.test" % i for i in range(8)]


def test_domains_that_share_a_host_share_its_turns():
    """Else a thousand domains of one server, or of one sender who wants it asked, would be five thousand questions at once."""
    lock, now, most, go = threading.Lock(), [0], [0], threading.Event()

    def rcpt(line):
        if b"nobody-" in line:
            return b"550 5.1.1 no\r\n"
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        go.wait(pt.PATIENCE)
        with lock:
            now[0] -= 1
        return b"250 ok\r\n"
    hop = destination(RCPT=rcpt)
    with Rig(hop, settings={"max_callouts": 2}) as g:
        for i in range(8):
            g.domains["d%d.test" % i] = {"routes": ["127.0.0.1:%d" % hop.port]}
        g.write_config()
        g.cli("reload")
        pt.poll(lambda: "the configuration is reloaded" in g.said())
        results = []
        asked = threading.Thread(target=lambda: results.extend(in_parallel(8, lambda i: g.ask("ann@d%d.test" % i))))
        asked.start()
        pt.poll(lambda: now[0] == 2)
        assert g.ask("x@plain.test").startswith("250"), "others are served meanwhile"
        go.set()
        asked.join()
        assert len(results) == 8 and all(r.startswith("250") for r in results) and most[0] == 2


def test_a_destination_that_hangs_hurts_nobody_else():
    with socket.create_server(("127.0.0.1", 0), backlog=256) as hang:  # takes connections and says nothing
        with Rig(hang.getsockname()[1], settings={"callout_timeout": "2s", "workers": 16}) as g:
            results = []
            asked = threading.Thread(target=lambda: results.extend(in_parallel(40, lambda i: g.ask("u%d@acme.test" % i))))
            asked.start()
            worst, served = 0, 0
            while asked.is_alive():
                before = time.monotonic()
                assert g.ask("x@plain.test").startswith("250")
                worst, served = max(worst, time.monotonic() - before), served + 1
            asked.join()
            print("%d other transactions meanwhile, the slowest took %.0f ms" % (served, worst * 1000))
            assert len(results) == 40 and all(r.startswith("451 4.4.1") for r in results) and served > 10


def test_senders_are_asked_about():
    hop = destination()
    with Rig(destination(), settings={"sender_callout": True, "sender_callout_exempt": ["exempt.test"]}) as g:
        g.domains["out.test"] = {"routes": ["127.0.0.1:%d" % hop.port]}
        g.write_config()
        g.cli("reload")
        pt.poll(lambda: "the configuration is reloaded" in g.said())
        assert g.ask("ann@acme.test", "ann@out.test").startswith("250")
        assert g.ask("ann@acme.test", "gone@out.test").startswith("550 5.1.8")
        assert g.ask("ann@acme.test", "later@out.test").startswith("451 4.1.8")
        assert g.ask("ann@acme.test", "").startswith("250") and g.ask("ann@acme.test", "x@exempt.test").startswith("250")
        assert not [r for r in rcpts(hop) if r.startswith("nobody-")]
        assert {e["reason"] for e in g.wait_for_event(2, sender="*@out.test", reason="SENDER_*")} >= {"SENDER_REFUSED", "SENDER_UNVERIFIED"}


@pytest.mark.skipif(peers.why_not(peers.POSTFIX) is not None, reason=str(peers.why_not(peers.POSTFIX)))
def test_against_postfix():
    extra = "smtpd_recipient_restrictions = check_recipient_access inline:{{grey@acme.test = 451 4.7.1 greylisted}}\n"
    with peers.Postfix("dest.test", extra, domain="acme.test") as p, Rig(p.port) as g:
        assert g.ask("ann@acme.test").startswith("250")
        refused = g.ask("gone@acme.test")
        assert refused.startswith("550 5.1.1") and "User unknown" in refused
        assert g.ask("grey@acme.test").startswith("451 4.4.1")
        assert "SIZE=" not in p.log() and "improper command pipelining" not in p.log()
    with peers.Postfix("dest.test", "virtual_alias_maps = inline:{{@acme.test = ann@acme.test}}\n", domain="acme.test") as p, Rig(p.port) as g:
        assert g.ask("whoever@acme.test").startswith("250") and g.remembered() == {("catch-all", "acme.test"): "yes"}
    with peers.Postfix("dest.test", "smtpd_recipient_restrictions = sleep 30\n", domain="acme.test") as p, Rig(p.port, settings={"callout_timeout": "1s"}) as g:
        assert g.ask("ann@acme.test").startswith("451 4.4.1") and g.ask("x@plain.test").startswith("250")
