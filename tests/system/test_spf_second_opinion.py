"""pyspf and the gateway's Received-SPF agree, about the same records from the same DNS server."""
import re

import postern_testing as pt
import pytest

pytest.importorskip("dns.resolver", reason="python3-dnspython not installed (script/setup --test)")
spf = pytest.importorskip("spf", reason="python3-spf not installed (script/setup --test)")
import dns.resolver  # noqa: E402
import faulty_dns as fd  # noqa: E402

CLIENT, HELO, LOCAL = "127.0.0.9", "mx.client.test", "carol"
RECORDS = {
    "address": "v=spf1 ip4:127.0.0.9 -all", "network": "v=spf1 ip4:127.0.0.0/29 ip4:127.0.0.8/31 -all", "outside": "v=spf1 ip4:127.0.0.16/28 -all",
    "soft": "v=spf1 ip6:::1 ~all", "neutral": "v=spf1 ?all", "nothing": "v=spf1", "upper": "V=SPF1 IP4:127.0.0.9 -ALL", "host": "v=spf1 a:hosts.test -all",
    "host-network": "v=spf1 a:near.test/28 -all", "exchange": "v=spf1 mx:exchange.test -all", "reversed": "v=spf1 ptr:client.test -all",
    "exists": "v=spf1 exists:%{ir}.%{l}.%{d2}.exists.test -all", "exists-not": "v=spf1 exists:%{ir}.other.exists.test -all",
    "include": "v=spf1 include:address.spf.test -all", "include-fails": "v=spf1 include:outside.spf.test ?all", "include-soft": "v=spf1 include:soft.spf.test -all",
    "include-nobody": "v=spf1 include:nobody.test -all", "redirect": "v=spf1 redirect=outside.spf.test", "redirect-nobody": "v=spf1 redirect=nobody.test",
    "minus": "v=spf1 -ip4:127.0.0.9 +all", "word": "v=spf1 ipv4:127.0.0.9 -all", "bad-prefix": "v=spf1 ip4:127.0.0.9/33 -all", "bad-macro": "v=spf1 exists:%{x}.test -all",
    "deep": "v=spf1 include:deep.spf.test -all", "many": "v=spf1 %s +all" % " ".join("a:hosts%d.test" % i for i in range(11)),
    "voids": "v=spf1 a:void1.test a:void2.test a:void3.test +all", "fault": "v=spf1 a:fault.test -all", "text": "something else", "long": None, "two": None}


def names():
    found = {"%s.spf.test" % name: fd.says(TXT='"%s"' % text) for name, text in RECORDS.items() if text}
    found.update({
        "hosts.test": fd.says(A=["192.0.2.1", CLIENT]), "near.test": fd.says(A="127.0.0.1"), "exchange.test": fd.says(MX=["10 near.test.", "20 hosts.test."]),
        "9.0.0.127.in-addr.arpa": fd.says(PTR="mx.client.test."), HELO: fd.says(A=CLIENT), "9.0.0.127.carol.spf.test.exists.test": fd.says(A="127.0.0.2"),
        "fault.test": fd.fails(2), "two.spf.test": fd.says(TXT=['"v=spf1 +all"', '"v=spf1 -all"']),
        "long.spf.test": fd.says(TXT=" ".join('"%s"' % part for part in ["v=spf1 "] + ["ip4:192.0.2.%d " % i for i in range(200)] + ["ip4:127.0.0", ".9 -all"]))})
    found.update({"hosts%d.test" % i: fd.says(A="192.0.2.1") for i in range(11)})
    return found


@pytest.fixture(scope="module")
def both():
    with fd.FaultyDns(names()) as server:
        settings = dict(resolver=["%s:%d" % (server.address, server.port)], dns_zone_file="", spf="score", dmarc="off", max_connections_per_minute="0")
        with pt.Gateway(settings=settings) as g:
            yield server, g


def look_up_for_pyspf(server):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [server.address], server.port

    def look_up(name, kind, tcpfallback=True, timeout=30):
        try:
            found = resolver.resolve(name.rstrip(".") + ".", kind, lifetime=timeout)
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            return []
        except dns.exception.DNSException as e:
            raise spf.TempError("DNS " + str(e))
        data = {"A": lambda r: r.address, "AAAA": lambda r: r.address, "MX": lambda r: (r.preference, r.exchange.to_text(True)),
                "PTR": lambda r: r.target.to_text(True), "TXT": lambda r: list(r.strings)}[kind]
        return [((name, kind), data(r)) for r in found]
    return look_up


@pytest.mark.parametrize("name", RECORDS)
def test_both_say_the_same(both, name, monkeypatch):
    server, g = both
    sender, recipient = "%s@%s.spf.test" % (LOCAL, name), "ann.%s@acme.test" % name
    monkeypatch.setattr(spf, "DNSLookup", look_up_for_pyspf(server))
    theirs = spf.check2(i=CLIENT, s=sender, h=HELO)[0]
    c = g.client(source=CLIENT)
    assert c.transact(recipient, sender=sender, helo=HELO).startswith("250")
    c.close()
    delivered = pt.poll(lambda: g.sink.messages_for(recipient))[0].decode()
    ours = re.search(r"^Received-SPF: (\w+)", delivered, re.M).group(1)
    assert ours.lower() == theirs
