"""What the operator sees of the DNS: look-ups as the relay makes them, its counters, and answers forgotten."""
import json

import pytest

import postern_testing as pt
import signed_dns

ZONE = """$TTL 300
acme.test. MX 10 mx.acme.test.
mx.acme.test. A 192.0.2.1
mx.acme.test. A 192.0.2.2
www.acme.test. CNAME mx.acme.test.
text.test. TXT "v=spf1 \\"x\\" \\200 -all"
null.test. MX 0 .
silent.test. TIMEOUT
xn--bcher-kva.test. A 192.0.2.9
7.2.0.192.in-addr.arpa. PTR mail.acme.test.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.acme.test.
$AUTHENTIC yes
_25._tcp.mx.acme.test. TLSA 3 1 1 00ff
"""


@pytest.fixture(scope="module")
def gateway():
    with pt.Gateway(zone=ZONE, sink=False) as g:
        yield g


def look_up(g, *words):
    return g.control(noun="dns", verb="lookup", name=words[0], type=words[1] if len(words) > 1 else "")


@pytest.mark.parametrize("words, status, records", [
    (("mx.acme.test",), "ok", ["192.0.2.1", "192.0.2.2"]),
    (("MX.acme.test.", "a"), "ok", ["192.0.2.1", "192.0.2.2"]),
    (("www.acme.test",), "ok", ["192.0.2.1", "192.0.2.2"]),
    (("www.acme.test", "CNAME"), "ok", ["mx.acme.test."]),
    (("acme.test", "MX"), "ok", ["10 mx.acme.test."]),
    (("null.test", "MX"), "ok", ["0 ."]),
    (("text.test", "TXT"), "ok", ['"v=spf1 \\"x\\" \\200 -all"']),
    (("192.0.2.7",), "ok", ["mail.acme.test."]),
    (("2001:db8::1",), "ok", ["six.acme.test."]),
    (("b\u00fccher.test",), "ok", ["192.0.2.9"]),
    (("_25._tcp.mx.acme.test", "TLSA"), "ok", ["3 1 1 00ff"]),
    (("acme.test", "A"), "no data", []),
    (("nowhere.test", "A"), "no such name", []),
    (("silent.test", "A"), "failed", [])])
def test_answers_are_shown(gateway, words, status, records):
    said = look_up(gateway, *words)
    assert said["ok"] and said["status"] == status
    assert sorted(r["data"] for r in said["records"]) == records
    assert all(r["ttl"] == 300 for r in said["records"])
    assert said["authentic"] == (words[-1] == "TLSA")
    assert said.get("canonical") == ("mx.acme.test." if words == ("www.acme.test",) else None)


def test_the_command_line_shows_them_and_says_by_its_status_what_came(gateway):
    said = gateway.cli("dns", "lookup", "acme.test", "MX").stdout
    assert "status: ok" in said and "authentic: false" in said and "300\tMX\t10 mx.acme.test." in said
    assert json.loads(gateway.cli("dns", "lookup", "192.0.2.7", "--json").stdout)["type"] == "PTR"
    for words, code in ((("nowhere.test",), 1), (("acme.test", "TLSA"), 1), (("silent.test",), 75), ((), 64), (("a.test", "A", "MX"), 64), (("a.test", "ANY"), 65),
                        (("",), 65), (("x" * 300,), 65)):
        assert gateway.cli("dns", "lookup", *words, check=False).returncode == code, words
    assert gateway.cli("dns", "show", "acme.test", check=False).returncode == 64
    assert gateway.cli("dns", "flush", "a.test", "b.test", check=False).returncode == 64


def test_the_cache_is_counted_and_forgotten():
    with pt.Gateway(zone=ZONE, sink=False) as g:
        assert [look_up(g, name)["from"] for name in ("mx.acme.test", "mx.acme.test", "www.acme.test", "silent.test")] == ["asked", "cache", "asked", "asked"]
        assert 0 < look_up(g, "mx.acme.test")["kept_s"] <= 300
        said = g.control(noun="dns", verb="show")
        assert (said["kept"], said["hits"], said["misses"], said["joined"], said["failures"], said["timeouts"]) == (3, 2, 3, 0, 1, 1)
        assert 0 < said["p50_ms"] <= said["p99_ms"] and said["kept"] < said["most_kept"]
        assert g.control(noun="relay", verb="stats")["dns"] == {k: v for k, v in said.items() if k != "ok"}
        assert "hits: 2\n" in g.cli("dns", "show").stdout
        assert json.loads(g.cli("dns", "show", "--json").stdout)["misses"] == 3
        assert "forgotten: 2\n" in g.cli("dns", "flush", "MX.acme.test").stdout  # and what the alias made of it
        assert look_up(g, "mx.acme.test")["from"] == "asked"
        assert "forgotten: 2\n" in g.cli("dns", "flush").stdout
        assert g.control(noun="dns", verb="show")["kept"] == 0
        assert not g.control(noun="dns", verb="everything")["ok"]
        assert not g.control(noun="dns", verb="lookup")["ok"]


@pytest.mark.skipif(signed_dns.why_not() is not None, reason=signed_dns.why_not() or "")
def test_a_validating_resolver():
    zones = {"signed.test": ["mx A 192.0.2.1", "mx A 192.0.2.2", "www CNAME mx", "long TXT " + " ".join('"%s"' % ("%03d" % i * 60) for i in range(20))],
             "plain.test": ["mx A 192.0.2.3"], "bogus.test": ["mx A 192.0.2.4"]}
    with signed_dns.SignedDns(zones, unsigned=("plain.test",), bogus=("bogus.test",)) as dns:
        with pt.Gateway(settings={"resolver": ["127.0.0.1:%d" % dns.resolver], "dns_zone_file": ""}, sink=False) as g:
            said = look_up(g, "www.signed.test")
            assert said["status"] == "ok" and said["authentic"] and said["canonical"] == "mx.signed.test." and said["from"] == "asked"
            assert sorted(r["data"] for r in said["records"]) == ["192.0.2.1", "192.0.2.2"]
            assert all(0 < r["ttl"] <= 60 for r in said["records"]) and 0 < said["kept_s"] <= 60
            assert look_up(g, "www.signed.test")["from"] == "cache"
            said = look_up(g, "long.signed.test", "TXT")  # does not fit into a datagram
            assert said["records"][0]["data"] == '"%s"' % "".join("%03d" % i * 60 for i in range(20))
            said = look_up(g, "nowhere.signed.test")
            assert said["status"] == "no such name" and said["authentic"] and 0 < said["kept_s"] <= 60
            assert look_up(g, "mx.signed.test", "TLSA")["status"] == "no data"
            said = look_up(g, "mx.plain.test")
            assert said["status"] == "ok" and not said["authentic"]
            assert look_up(g, "mx.bogus.test")["status"] == "failed"
            said = g.control(noun="dns", verb="show")
            assert (said["misses"], said["hits"], said["failures"], said["timeouts"]) == (6, 1, 1, 0)
            assert said["p99_ms"] >= said["p50_ms"] > 0
