"""Runs the dialogues: text files that read like an SMTP session.

    # name.smtp     reason: INVALID_GREETING
    given domain acme.test                        routed to the sink; several are possible
    given domain acme.test NAME = VALUE           a setting of the domain (lists: blank-separated)
    given setting NAME = VALUE                    a setting of the system
    given default NAME                            the setting's own default, where the tests otherwise switch it off
    given zone NAME TYPE DATA                     a line of the zone that stands in for DNS
    given list sender-block: *@bad.test           a line of a list file
    given account LOGIN PASSWORD                  an outgoing account; LOGIN without a password: a network, client is it
    given rule acme.test NAME: JSON               a custom rule of the domain, or of the operator; in this order
    given client 127.0.0.9                        the client's address
    given listener mx|submission|submissions
    given others 10                               so many connections of the same client are open already
    given earlier 3                               so many came and went before
    given no-off                                  the governing setting's own "off" does not concern this dialogue
    S: 550 5.5.2 *invalid greeting*               the next whole reply; one of its lines must match (* is any text)
    S+: 250-STARTTLS*                             another line of the same reply
    C: EHLO client.example.test                   a line, CR LF behind it
    C-raw: a\\r\\n.\\n                              bytes, with escapes
    C-repeat 200: RCPT TO:<x@acme.test>           the same line so often, without waiting
    C-repeat-raw 200: x                           the same bytes so often
    account lock ann@acme.test                    `postern account …`
    date / date +40d                              a Date field, from now
    clock 600                                     the gateway's clock is turned on by so many seconds
    reconnect 127.0.9.9                           another connection, from that address (without: the same)
    auth-plain LOGIN PASSWORD                     AUTH PLAIN with these
    starttls                                      the TLS handshake
    closed                                        the server closes the connection
    close                                         the client does
    then log reason=ID recipient=ann@acme.test    a row of the message log (globs)
    then delivered to ann@acme.test
    then delivered to ann@acme.test with Subject: x*    a field of its header, unfolded
    then nothing delivered

Two more tests come from each dialogue that names a reason, as the catalogue demands: with the governing setting off the refusal must
not come, and with the sender on the allow list it must be lifted exactly where its row says so.
"""
import base64
import json
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))
import postern_testing as pt  # noqa: E402


def rows_of(name, macro):
    with open(os.path.join(pt.ROOT, "src", "catalog", name)) as f:
        text = f.read()
    found = {}
    for line in re.findall(r"^%s\((.*)\)$" % macro, text, re.M):
        cells = [c.strip() for c in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,])+', line)]
        found[cells[0]] = [c[1:-1] if c.startswith('"') else c for c in cells]
    return found


REASONS = rows_of("reasons.def", "REASON")  # id, slug, kind, stage, code, enhanced, text, action, setting, allow, …
SETTINGS = rows_of("settings.def", "SETTING")  # id, type, default, min, max, levels, …


def off_value(setting):
    """What switches SETTING off, or None."""
    kind, low = SETTINGS[setting][1], SETTINGS[setting][3]
    if kind == "ACTION":
        return "off"
    if kind == "BOOL":
        return "no"
    if kind in ("INT", "SIZE") and low == "0":
        return "0"
    if kind == "TEXT" and low == "0":
        return ""
    if kind == "LIST" and low == "0":
        return []
    return None


class Dialogue:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            lines = [line.rstrip("\n") for line in f]
        found = re.search(r"reason:\s*([A-Z_, ]+)", lines[0])
        self.reasons = [r.strip() for r in found.group(1).split(",")] if found else []
        self.givens = [line[6:].strip() for line in lines if line.startswith("given ")]
        self.steps = [line for line in lines if line and not line.startswith(("#", "given "))]

    @property
    def reason(self):
        return self.reasons[0] if self.reasons else None

    def sender(self):
        for line in self.steps:
            found = re.match(r"C: MAIL FROM:<([^>]+)>", line, re.I)
            if found:
                return found.group(1)
        return None


def value_of(name, text):
    return text.split() if SETTINGS[name][1] in ("LIST", "NETWORKS") else text


class Run:
    def __init__(self, dialogue, extra_setting=None, allow=None, passes=False):
        self.dialogue, self.passes = dialogue, passes
        self.settings, self.domains, self.lists, self.zone = {}, {}, {}, ""
        self.accounts, self.rules = [], []
        self.client_address, self.listener, self.others, self.earlier = "127.0.0.9", "mx", 0, 0
        for given in dialogue.givens:
            self.given(given)
        self.domains = self.domains or {"acme.test": {}}
        if extra_setting:
            name, value = extra_setting
            for own in self.domains.values() if "D" in SETTINGS[name][5] else []:
                own.pop(name, None)
            if SETTINGS[name][5].strip() == "D":
                for own in self.domains.values():
                    own[name] = value
            else:
                self.settings[name] = value
        if allow:
            self.lists["sender-allow"] = self.lists.get("sender-allow", "") + allow + " unauthenticated\n"

    def given(self, text):
        found = re.fullmatch(r"domain (\S+)(?:\s+(\w+)\s*=\s*(.*))?", text)
        if found:
            own = self.domains.setdefault(found.group(1), {})
            if found.group(2):
                own[found.group(2)] = value_of(found.group(2), found.group(3))
            return
        found = re.fullmatch(r"setting (\w+)\s*=\s*(.*)", text)
        if found:
            self.settings[found.group(1)] = value_of(found.group(1), found.group(2))
            return
        found = re.fullmatch(r"list ([a-z-]+): (.*)", text)
        if found:
            self.lists[found.group(1)] = self.lists.get(found.group(1), "") + found.group(2) + "\n"
            return
        found = re.fullmatch(r"rule (\S+) ([^:]+): (.*)", text)
        if found:
            self.rules.append((found.group(1), found.group(2), json.loads(found.group(3))))
            return
        word, _, rest = text.partition(" ")
        if word == "no-off":
            return
        if word == "default":
            self.settings[rest] = None
            return
        if word == "account":
            self.accounts.append(rest.split())
            return
        if word == "zone":
            self.zone += rest + "\n"
            return
        name = {"client": "client_address", "listener": "listener", "others": "others", "earlier": "earlier"}[word]
        setattr(self, name, int(rest) if name in ("others", "earlier") else rest)

    def refusal(self, pattern):
        """Is this the reply that the dialogue's reason gives?"""
        row = REASONS.get(self.dialogue.reason)
        return bool(row) and pattern.startswith((row[4] + " " + row[5]).strip())

    def go(self):
        self.gateway = pt.Gateway(self.settings, self.domains, self.lists, self.zone)
        for login, *password in self.accounts:
            self.gateway.account("add", login, *([] if password else [self.client_address, "--type", "network", "--domain", list(self.domains)[0]]),
                                 password=password[0] if password else None)
        for rule in self.rules:
            self.gateway.rule(*rule)
        with self.gateway as g:
            self.port = {"mx": g.mx, "submission": g.submission, "submissions": g.submissions}[self.listener]
            connect = lambda: pt.Client(("127.0.0.1", self.port), self.client_address, tls=self.listener == "submissions", banner=False)
            for _ in range(self.earlier):
                one = connect()
                one.reply()
                one.send("QUIT")
                assert one.is_closed()
            held = [connect() for _ in range(self.others)]
            for one in held:
                one.reply()
            self.client, self.last = connect(), []
            for step in self.dialogue.steps:
                if self.step(step) == "enough":
                    return
            assert not self.passes, "the refusal that should not come stands nowhere in the dialogue"
            for one in held + [self.client]:
                one.close()

    def step(self, line):
        word, _, rest = line.partition(" ")
        if word == "S:":
            self.last = self.client.reply()
            if self.passes and self.refusal(rest):
                assert self.last and self.last[-1][0] in "23", "%s: expected to pass, got %r" % (line, self.last)
                return "enough"
            assert any(pt.glob(rest, x) for x in self.last), "expected %s, got %r" % (line, self.last)
        elif word == "S+:":
            assert any(pt.glob(rest, x) for x in self.last), "expected %s in %r" % (line, self.last)
        elif word == "C:":
            self.client.send(rest)
        elif word == "auth-plain":
            login, password = rest.split()
            self.client.send("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (login, password)).encode()).decode())
        elif word == "C-raw:":
            self.client.raw(rest.encode().decode("unicode_escape").encode("latin-1"))
        elif word == "C-repeat-raw":
            count, _, text = rest.partition(": ")
            self.client.raw(text.encode() * int(count))
        elif word == "account":
            self.gateway.account(*rest.split())
        elif word == "C-repeat":
            count, _, text = rest.partition(": ")
            self.client.raw((text + "\r\n").encode() * int(count))
        elif word == "date":
            days = int(re.fullmatch(r"([+-]\d+)d", rest).group(1)) if rest else 0
            self.client.send(time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000", time.gmtime(time.time() + days * 86400)))
        elif word == "clock":
            assert self.gateway.control(noun="clock", verb="advance", seconds=int(rest))["ok"]
        elif word == "reconnect":
            self.client.close()
            self.client = pt.Client(("127.0.0.1", self.port), rest or self.client_address, banner=False)
        elif word == "starttls":
            self.client.start_tls()
        elif word == "closed":
            assert self.client.is_closed()
        elif word == "close":
            self.client.close()
        elif word == "then":
            self.then(rest)
        else:
            raise AssertionError("not understood: %s" % line)
        return None

    def then(self, text):
        word, _, rest = text.partition(" ")
        if word == "log":
            self.gateway.wait_for_event(**dict(pair.split("=", 1) for pair in rest.split()))
        elif text.startswith("delivered to "):
            recipient, _, field = text[13:].strip().partition(" with ")
            found = pt.poll(lambda: self.gateway.sink.messages_for(recipient))
            header = found[0].split(b"\r\n\r\n")[0].decode(errors="replace").replace("\r\n\t", " ").split("\r\n")
            assert not field or any(pt.glob(field, line) for line in header), "expected %s in %r" % (field, header)
        elif text == "nothing delivered":
            assert self.gateway.sink.messages() == [] and self.gateway.queue() == []
        else:
            raise AssertionError("not understood: then %s" % text)


def pytest_collect_file(parent, file_path):
    return SmtpFile.from_parent(parent, path=file_path) if file_path.suffix == ".smtp" else None


class SmtpFile(pytest.File):
    def collect(self):
        d = Dialogue(self.path)
        name = self.path.stem
        yield SmtpItem.from_parent(self, name=name, run=lambda: Run(d).go())
        row = REASONS.get(d.reason)
        if not row or row[2] not in ("TEMPORARY", "PERMANENT"):
            return
        setting = row[8]
        if setting != "NONE" and off_value(setting) is not None and "no-off" not in d.givens:
            yield SmtpItem.from_parent(self, name=name + "-off", run=lambda: Run(d, extra_setting=(setting, off_value(setting)), passes=True).go())
        if d.sender() and row[3] in ("HELO", "RCPT", "DATA"):
            lifted = row[9] == "LIFTED"
            yield SmtpItem.from_parent(self, name=name + ("-allow-lifts" if lifted else "-allow-stands"),
                                       run=lambda: Run(d, allow=d.sender(), passes=lifted).go())


class SmtpItem(pytest.Item):
    def __init__(self, *, run, **rest):
        super().__init__(**rest)
        self.run = run

    def runtest(self):
        self.run()

    def repr_failure(self, excinfo):
        return "%s: %s" % (self.path.name, excinfo.value) if isinstance(excinfo.value, AssertionError) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, self.name
