"""`postern <noun> <verb>` over the local socket: the same operations, as an operator types them."""
import json
import os
import re
import subprocess

import pytest
from postern_testing import ROOT, Gateway, binary

ZONE = """$ORIGIN .
mx.postern.test. 300 IN A 192.0.2.7
7.2.0.192.in-addr.arpa. 300 IN PTR mx.postern.test.
ready.test. 300 IN MX 10 mx.postern.test.
ready.test. 300 IN TXT "v=spf1 a:mx.postern.test -all"
_dmarc.ready.test. 300 IN TXT "v=DMARC1; p=none"
around.test. 300 IN MX 10 mx.postern.test.
around.test. 300 IN MX 20 backdoor.test.
"""


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sink=False, tls=False, zone=ZONE, domains={"file.test": {"routes": ["127.0.0.1:25"]}}) as g:
        yield g


def cli(gateway, *words, code=0, given=None):
    done = subprocess.run([binary(), *words, "--config", gateway.config], capture_output=True, text=True, timeout=60, input=given)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if "--json" in words and code == 0 else done.stdout if code == 0 else done.stderr


def test_a_first_domain_is_set_up_and_told_what_its_dns_must_say(gateway):
    text = cli(gateway, "setup", "new.test", "--route", "mail.new.test")
    assert "new.test is set up: its mail goes to mail.new.test:25" in text and "10 mx.postern.test." in text and '_dmarc.new.test.  TXT' in text
    shown = cli(gateway, "setting", "all", "--domain", "new.test", "--json")
    values = {s["name"]: s["value"] for s in shown}
    assert values["observe"] == "yes" and values["routes"] == ["mail.new.test:25"]
    checks = {c["check"]: c["state"] for c in cli(gateway, "setup", "ready.test", "--route", "mx", "--json")}
    assert checks == {"MX": "fine", "SPF": "fine", "DMARC": "fine", "MTA-STS": "missing", "DKIM": "see why", "PTR": "fine"}
    around = {c["check"]: c["state"] for c in cli(gateway, "setup", "around.test", "--route", "mx", "--dry-run", "--json")}
    assert around["MX"] == "differs" and around["SPF"] == "missing"
    cli(gateway, "domain", "show", "around.test", code=65)
    cli(gateway, "setup", "new.test", "--route", "elsewhere.test", code=65) # there already
    cli(gateway, "setup", "new.test", code=64)


def test_tenants_domains_and_mailboxes(gateway):
    cli(gateway, "tenant", "add", "hoster", "note=a first one")
    assert cli(gateway, "domain", "add", "cli.test", "tenant=hoster", "routes=127.0.0.1:26,127.0.0.1:27", "--json")["name"] == "cli.test"
    cli(gateway, "domain", "add", "cli.test", code=65)
    assert [d["name"] for d in cli(gateway, "domain", "list", "tenant=hoster", "--json")] == ["cli.test"]
    cli(gateway, "mailbox", "add", "cli.test", "Ann", "aliases=annie,a.b")
    cli(gateway, "mailbox", "alias", "ann@cli.test", "anna")
    assert cli(gateway, "mailbox", "export", "cli.test") == "local_part,aliases\nann,a.b anna annie\n"
    assert cli(gateway, "mailbox", "import", "cli.test", "-", "--json", given="bob\ncarl,c\n") == {
        "added": 2, "removed": 0, "kept": 0, "aliases_added": 1, "aliases_removed": 0, "aliases_kept": 0}
    assert [m["local_part"] for m in cli(gateway, "mailbox", "list", "cli.test", "--json")] == ["ann", "bob", "carl"]
    assert len(cli(gateway, "mailbox", "list", "cli.test", "--limit", "2", "--json")) == 2
    cli(gateway, "alias", "add", "cli.test", "other.test")
    assert "other.test" in cli(gateway, "alias", "list", "cli.test")
    cli(gateway, "tenant", "remove", "hoster", code=65)
    cli(gateway, "tenant", "change", "hoster", "is_suspended=yes", "--dry-run")
    assert cli(gateway, "tenant", "show", "hoster", "--json")["is_suspended"] is False


def test_settings_at_each_level(gateway):
    cli(gateway, "domain", "add", "set.test")
    cli(gateway, "mailbox", "add", "set.test", "ann")
    cli(gateway, "setting", "set", "max_message_size", "20M", "--domain", "set.test", "--reason", "larger drawings")
    assert cli(gateway, "setting", "set", "spam_threshold", "60", "--mailbox", "ann@set.test", "--json")["from"] == "mailbox"
    assert cli(gateway, "setting", "set", "routes", "127.0.0.1:25", "127.0.0.1:26", "--domain", "set.test", "--json")["value"] == ["127.0.0.1:25", "127.0.0.1:26"]
    assert "not within" in cli(gateway, "setting", "set", "max_message_size", "1K", code=65)
    assert cli(gateway, "setting", "unset", "max_message_size", "--domain", "set.test", "--json")["from"] == "default"
    assert cli(gateway, "audit", "list", "action=domain-setting-put", "--json")[-1]["reason"] == "larger drawings"
    assert cli(gateway, "setting", "show", "spam_threshold", "--mailbox", "ann@set.test") == 'spam_threshold = "60"  (set here, mailbox)\n'
    assert cli(gateway, "setting", "show", "host_name").startswith('host_name = "mx.postern.test"') # the file's alone
    cli(gateway, "setting", "set", "observe", "yes", "--domain", "set.test", "--tenant", "x", code=64)
    cli(gateway, "setting", "set", "observe", code=64)
    cli(gateway, "setting", "set", "observe", "yes", "--domain", "nowhere.test", code=65)


def test_lists_by_hand_and_by_csv(gateway):
    cli(gateway, "domain", "add", "lists.test")
    entry = cli(gateway, "list", "add", "ip-allow", "192.0.2.0/24", "skip=dns,ptr", "note=the office", "--domain", "lists.test", "--json")
    assert entry["skip"] == ["dns", "ptr"] and entry["note"] == "the office"
    assert "192.0.2.0/24,envelope,yes,\"dns,ptr\",the office" in cli(gateway, "list", "export", "ip-allow", "--domain", "lists.test")
    cli(gateway, "list", "remove", entry["id"])
    assert cli(gateway, "list", "show", "ip-allow", "--domain", "lists.test", "--json") == []
    with open(gateway.path("block.csv"), "w") as f:
        f.write("bad.test\nworse.test,both\n")
    assert cli(gateway, "list", "import", "sender-block", gateway.path("block.csv"), "--json") == {"added": 2, "present": 0}
    assert len(cli(gateway, "list", "show", "sender-block", "--json")) == 2


def test_persons_and_keys_and_no_password_on_the_command_line(gateway):
    refused = cli(gateway, "person", "add", "olga", "operator", "password=secret-on-display", code=64)
    assert "secret-on-display" not in refused
    cli(gateway, "person", "add", "olga", "operator", "password=-", given="a long password\n")
    assert cli(gateway, "person", "show", "olga", "--json")["has_password"] is True
    cli(gateway, "person", "password", "olga", given="short\n", code=65)
    key = cli(gateway, "key", "add", "olga", "backup", "view-meta", "audit", "--json")
    assert key["key"].startswith("pk_") and key["permissions"] == ["view-meta", "audit"]
    cli(gateway, "key", "remove", "olga", key["id"])
    assert cli(gateway, "key", "list", "olga", "--json") == []


def test_the_trail_and_health_have_exit_codes_for_scripts(gateway):
    assert cli(gateway, "audit", "verify", "--json")["intact"] is True
    assert cli(gateway, "health", "--json")["is_ready"] is True


def test_without_a_gateway_it_says_so():
    with Gateway(sink=False, tls=False) as g:
        g.stop()
        assert "is the gateway running" in cli(g, "tenant", "list", code=69)


def test_every_command_of_the_api_has_its_row():
    root = os.path.join(ROOT, "src")
    with open(os.path.join(root, "catalog", "commands.def"), encoding="utf-8") as f:
        commands = re.findall(r'COMMAND\("(\w+)", "([\w-]*)", api_main', f.read())
    with open(os.path.join(root, "cli", "api_commands.def"), encoding="utf-8") as f:
        rows = re.findall(r'API\("(\w+)", "([\w-]*)"', f.read())
    assert sorted(commands) == sorted(rows)
