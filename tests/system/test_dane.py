"""DANE towards destinations (RFC 7672), with zones that Knot signs and unbound validates, and servers that show certificates of all sorts."""
import pytest

import peers
import postern_testing as pt
import signed_dns
from scripted_hop import Hop
from signed_dns import OTHER_DIGEST, tlsa

pytestmark = pytest.mark.skipif(signed_dns.why_not() is not None, reason=signed_dns.why_not() or "")


class World:
    """Destinations by name, each a domain below signed.test (or plain.test, which is not signed) with MX hosts at addresses of their own."""

    def __init__(self, directory):
        self.directory, self.hops, self.signed, self.plain = directory, {}, [], []
        self.authority = signed_dns.Authority(directory)
        self.own = pt.make_certificate(directory, "somebody.else.test", "own")

    def host(self, name, certificate=None, zone=None):
        """A server for the MX host NAME, relative to its zone."""
        address = signed_dns.free_address()
        self.hops[name] = Hop(address=(address, 25), certificate=certificate)
        (self.signed if zone is None else zone).append("%s A %s" % (name, address))

    def add(self, name, certificate=None, records=(), zone=None):
        zone = self.signed if zone is None else zone
        self.host("mx." + name, certificate, zone)
        zone.append("%s MX 10 mx.%s" % (name, name))
        zone += ["_25._tcp.mx.%s TLSA %s" % (name, r) for r in records]

    def build(self):
        own, ca, issue = self.own, self.authority.cert, self.authority.issue
        self.add("key", own, [tlsa(own[0])])
        self.add("whole", own, [tlsa(own[0], selector=0, matching=0)])
        self.add("rollover", own, ["3 1 1 " + OTHER_DIGEST, tlsa(own[0])])
        self.add("foreign", own, ["3 1 1 " + OTHER_DIGEST])
        self.add("plaintext", None, [tlsa(own[0])])
        self.add("anchor", issue("mx.anchor.signed.test"), [tlsa(ca, 2, 0, 1)])
        self.add("anchorkey", issue("mx.anchorkey.signed.test"), [tlsa(ca, 2, 1, 2)])
        self.add("domainname", issue("domainname.signed.test"), [tlsa(ca, 2, 0, 1)])
        self.add("othername", issue("mx.elsewhere.test"), [tlsa(ca, 2, 0, 1)])
        self.add("expiredkey", issue("x.test", stem="e1", days=-1), [])
        self.signed.append("_25._tcp.mx.expiredkey TLSA " + tlsa(self.path("e1.pem")))
        self.add("expiredanchor", issue("mx.expiredanchor.signed.test", stem="e2", days=-1), [tlsa(ca, 2, 0, 1)])
        self.add("unusable", own, ["1 1 1 " + OTHER_DIGEST, "3 1 9 " + OTHER_DIGEST])
        self.add("unusableplain", None, ["0 0 1 " + OTHER_DIGEST])
        self.add("agile", own, [tlsa(own[0]), "3 1 2 " + 2 * OTHER_DIGEST])
        self.add("without", None)
        self.add("badchild", own)
        self.signed += ["_tcp.mx.badchild NS ns", "_tcp.mx.badchild DS 4711 13 2 " + OTHER_DIGEST]
        self.host("mx1.second", own)
        self.host("mx2.second", own)
        self.signed += ["second MX 10 mx1.second", "second MX 20 mx2.second", "_25._tcp.mx1.second TLSA 3 1 1 " + OTHER_DIGEST,
                        "_25._tcp.mx2.second TLSA " + tlsa(own[0])]
        self.signed += ["alias MX 10 mx.alias", "mx.alias CNAME mx.key"]
        self.signed += ["shared MX 10 mx.shared", "_25._tcp.mx.shared CNAME _25._tcp.mx.key"]
        self.host("mx.shared", own)
        self.add("unsigned", None, ["3 1 1 " + OTHER_DIGEST], zone=self.plain)
        self.plain.append("leads MX 10 mx.foreign.signed.test.")

    def path(self, name):
        return "%s/%s" % (self.directory, name)

    def close(self):
        for hop in self.hops.values():
            hop.close()


@pytest.fixture(scope="module")
def world():
    w = World(signed_dns.open_directory("dane"))
    w.build()
    zones = {"signed.test": w.signed, "plain.test": w.plain, "_tcp.mx.badchild.signed.test": ["_25 TLSA " + tlsa(w.own[0])],
             "bogus.test": ["@ MX 10 mx", "mx A 127.0.0.1"]}
    with signed_dns.SignedDns(zones, unsigned=("plain.test", "_tcp.mx.badchild.signed.test"), bogus=("bogus.test",)) as dns:
        w.dns = dns
        yield w
    w.close()


def settings_for(world, **more):
    return {"submission_networks": ["127.0.0.0/8"], "submission_require_tls": False, "resolver": ["127.0.0.1:%d" % world.dns.resolver],
            "dns_zone_file": "", "mta_sts": False, **more}


@pytest.fixture(scope="module")
def gateway(world):
    with pt.Gateway(settings=settings_for(world), sink=False, domains={"acme.test": {"routes": ["127.0.0.1:9"]}}) as g:
        yield g


def send(gateway, domain, event):
    recipient = "ann@" + domain
    client = gateway.client(port=gateway.submission)
    assert client.transact(recipient).startswith("250")
    client.close()
    return gateway.wait_for_event(event=event, recipient=recipient)[0]


@pytest.mark.parametrize("name, policy", [
    ("key", "dane: TLSA 3 1 1 *… of _25._tcp.mx.key.signed.test; matched 3 1 1 *"),
    ("whole", "dane: TLSA 3 0 0 *; matched 3 0 0 *"),
    ("rollover", "dane: TLSA 3 1 1 * and 1 more of _25._tcp.mx.rollover.signed.test; matched 3 1 1 *"),
    ("anchor", "dane: TLSA 2 0 1 *; matched 2 0 1 *"),
    ("anchorkey", "dane: TLSA 2 1 2 *; matched 2 1 2 *"),
    ("domainname", "dane: TLSA 2 0 1 *; matched 2 0 1 *"),
    ("expiredkey", "dane: TLSA 3 1 1 *; matched 3 1 1 *"),
    ("unusable", "dane: no TLSA record of _25._tcp.mx.unusable.signed.test can be used"),
    ("shared", "dane: TLSA 3 1 1 * of _25._tcp.mx.shared.signed.test; matched 3 1 1 *")])
def test_a_server_that_proves_itself_gets_the_mail(world, gateway, name, policy):
    row = send(gateway, name + ".signed.test", "delivered")
    assert pt.glob(policy, row["tls_policy"]), row["tls_policy"]
    assert row["tls"].startswith("TLSv1.3")
    hop = world.hops["mx." + name]
    assert len(hop.bodies) == 1 and hop.server_names == ["mx.%s.signed.test" % name]


@pytest.mark.parametrize("name, why", [
    ("foreign", "TLS with mx.foreign.signed.test[*]:25 failed (dane: TLSA 3 1 1 0000000000000000… of _25._tcp.mx.foreign.signed.test): certificate not good: *"),
    ("plaintext", "*(dane: TLSA 3 1 1 *): it does not offer STARTTLS"),
    ("othername", "*(dane: TLSA 2 0 1 *): certificate not good: *ostname mismatch*"),
    ("expiredanchor", "*(dane: TLSA 2 0 1 *): certificate not good: certificate has expired"),
    ("unusableplain", "*(dane: no TLSA record of _25._tcp.mx.unusableplain.signed.test can be used): it does not offer STARTTLS"),
    ("agile", "*(dane: TLSA 3 1 * and 1 more of *): certificate not good: *"),
    ("badchild", "mx.badchild.signed.test is not used: dane: _25._tcp.mx.badchild.signed.test cannot be looked up")])
def test_one_that_does_not_gets_nothing(world, gateway, name, why):
    row = send(gateway, name + ".signed.test", "deferred")
    assert row["reason"] == "DELIVERY_DANE_FAILED" and row["dsn"] == "4.7.5"
    assert pt.glob(why, row["remote_reply"]), row["remote_reply"]
    hop = world.hops["mx." + name]
    assert not hop.bodies and not [line for line in hop.said if line.startswith(("MAIL", "RCPT"))]


def test_the_next_host_may_do_better(world, gateway):
    row = send(gateway, "second.signed.test", "delivered")
    assert row["host"].startswith("mx2.second.signed.test[")
    assert not world.hops["mx1.second"].bodies and len(world.hops["mx2.second"].bodies) == 1


def test_where_nothing_is_published_it_is_as_it_was(world, gateway):
    row = send(gateway, "without.signed.test", "delivered")
    assert row["tls_policy"] == "may: there are no TLSA records at _25._tcp.mx.without.signed.test; plaintext" and "tls" not in row


@pytest.mark.parametrize("name, of", [("unsigned.plain.test", "unsigned.plain.test"), ("leads.plain.test", "leads.plain.test")])
def test_records_that_nobody_vouches_for_do_not_count(gateway, name, of):
    row = send(gateway, name, "delivered")
    assert row["tls_policy"].startswith("may: DNSSEC does not vouch for the MX records of " + of)


def test_an_alias_is_followed_to_its_records(world, gateway):
    row = send(gateway, "alias.signed.test", "delivered")
    assert "of _25._tcp.mx.key.signed.test; matched 3 1 1" in row["tls_policy"]
    assert world.hops["mx.key"].server_names[-1] == "mx.key.signed.test", "the base domain is asked for"


def test_mx_records_with_wrong_signatures_delay_the_mail(gateway):
    row = send(gateway, "bogus.test", "deferred")
    assert "cannot be looked up" in row["remote_reply"]


def test_dane_only_wants_records(world):
    with pt.Gateway(settings=settings_for(world, destination_tls="dane-only"), sink=False, domains={"acme.test": {"routes": ["127.0.0.1:9"]}}) as g:
        row = send(g, "unsigned.plain.test", "deferred")
        assert row["reason"] == "DELIVERY_DANE_FAILED" and "dane-only: DNSSEC does not vouch" in row["remote_reply"]
        row = send(g, "unusable.signed.test", "deferred")
        assert "dane-only: no TLSA record of" in row["remote_reply"]
        assert send(g, "key.signed.test", "delivered")["tls_policy"].startswith("dane-only: TLSA 3 1 1")


def test_may_looks_nothing_up(world):
    with pt.Gateway(settings=settings_for(world, destination_tls="may"), sink=False, domains={"acme.test": {"routes": ["127.0.0.1:9"]}}) as g:
        assert send(g, "foreign.signed.test", "delivered")["tls_policy"] == "may: as destination_tls says"


def test_what_never_came_right_is_reported_with_its_reason(world):
    with pt.Gateway(settings=settings_for(world, queue_lifetime="1h", delay_notice_after="0"), sink=False,
                    domains={"acme.test": {"routes": ["127.0.0.1:9"]}}) as g:
        send(g, "foreign.signed.test", "deferred")
        g.control(noun="clock", verb="advance", seconds=7200)
        row = g.wait_for_event(event="expired", recipient="ann@foreign.signed.test")[0]
        assert row["reason"] == "DELIVERY_DANE_FAILED" and row["dsn"] == "5.7.5"


@pytest.mark.skipif(peers.why_not(peers.POSTFIX) is not None, reason=peers.why_not(peers.POSTFIX) or "")
def test_a_real_postfix_behind_a_route(tmp_path):
    """A host that the operator names is no MX host: its own records count, at its own port."""
    with peers.Postfix("mail.acme.test", domain="acme.test") as postfix, \
            peers.Postfix("mail.wrong.test", domain="wrong.test") as wrong:
        zone = ["mail A 127.0.0.1", "_%d._tcp.mail TLSA %s" % (postfix.port, tlsa(postfix.path("cert.pem"))),
                "_%d._tcp.mail TLSA 3 1 1 %s" % (wrong.port, OTHER_DIGEST)]
        with signed_dns.SignedDns({"hosts.test": zone}) as dns:
            domains = {"acme.test": {"routes": ["mail.hosts.test:%d" % postfix.port]}, "wrong.test": {"routes": ["mail.hosts.test:%d" % wrong.port]}}
            with pt.Gateway(settings={"resolver": ["127.0.0.1:%d" % dns.resolver], "dns_zone_file": ""}, sink=False, domains=domains) as g:
                assert g.client().transact("ann@acme.test").startswith("250")
                row = g.wait_for_event(event="delivered", recipient="ann@acme.test")[0]
                assert "of _%d._tcp.mail.hosts.test; matched 3 1 1" % postfix.port in row["tls_policy"]
                pt.poll(lambda: postfix.mailbox("ann"))
                assert g.client().transact("ann@wrong.test").startswith("250")
                assert g.wait_for_event(event="deferred", recipient="ann@wrong.test")[0]["reason"] == "DELIVERY_DANE_FAILED"
                assert not wrong.mailbox("ann")
