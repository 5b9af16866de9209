"""The levels of destination_tls, against servers with certificates of an authority that tls_roots names, and of none."""
import os

import pytest

import postern_testing as pt
import signed_dns
from scripted_hop import Hop


@pytest.fixture(scope="module")
def servers():
    d = signed_dns.open_directory("tls")
    authority = signed_dns.Authority(d)
    hops = {"good": Hop(certificate=authority.issue("mail.hop.test")), "other": Hop(certificate=authority.issue("elsewhere.test")),
            "expired": Hop(certificate=authority.issue("mail.hop.test", stem="old", days=-1)),
            "self": Hop(certificate=pt.make_certificate(d, "mail.hop.test")), "plain": Hop()}
    yield authority, hops
    for hop in hops.values():
        hop.close()


def gateway(servers, level):
    authority, hops = servers
    return pt.Gateway(settings={"tls_roots": authority.cert}, sink=False, zone="mail.hop.test. A 127.0.0.1\n",
                      domains={name + ".test": {"routes": ["mail.hop.test:%d" % hop.port], "destination_tls": level} for name, hop in hops.items()})


REFUSED = {"encrypt": {"plain"}, "verify": {"other", "expired", "self", "plain"}, "secure": {"other", "expired", "self", "plain"}}
WHY = {"other": "certificate not good: *ostname mismatch*", "expired": "certificate not good: certificate has expired",
       "self": "certificate not good: self-signed certificate", "plain": "it does not offer STARTTLS"}


@pytest.mark.parametrize("level", ["none", "may", "encrypt", "dane", "verify", "secure"])
def test_a_level_takes_what_it_should(servers, level):
    with gateway(servers, level) as g:
        for name in servers[1]:
            assert g.client().transact("ann@%s.test" % name).startswith("250")
        for name in servers[1]:
            event = "deferred" if name in REFUSED.get(level, ()) else "delivered"
            row = g.wait_for_event(recipient="ann@%s.test" % name, event=event)[0]
            if event == "deferred":
                assert row["reason"] == "DELIVERY_TLS_FAILED" and row["dsn"] == "4.7.5"
                assert pt.glob("TLS with mail.hop.test[*]:* failed (%s: as destination_tls says): %s" % (level, WHY[name]), row["remote_reply"])
            else:
                assert row["tls_policy"].startswith("may: DNSSEC does not" if level == "dane" else level + ": as destination_tls says")
                assert ("tls" in row) == (name != "plain" and level != "none")


@pytest.mark.skipif(os.geteuid() != 0, reason="port 25 is for root")
@pytest.mark.parametrize("name, good", [("mail.hop.test", False), ("acme.test", True), ("mx.acme.test", True), ("a.b.acme.test", False),
                                        ("*.acme.test", True)])
def test_secure_is_for_the_domain_not_for_what_its_mx_says(name, good):
    authority = signed_dns.Authority(signed_dns.open_directory("secure"))
    address = signed_dns.free_address()
    hop = Hop(address=(address, 25), certificate=authority.issue(name, stem="x"))
    zone = "acme.test. MX 10 mail.hop.test.\nmail.hop.test. A %s\n" % address
    with pt.Gateway(settings={"tls_roots": authority.cert, "destination_tls": "secure"}, domains={"acme.test": {"routes": ["mx"]}}, sink=False,
                    zone=zone) as g:
        assert g.client().transact("ann@acme.test").startswith("250")
        row = g.wait_for_event(recipient="ann@acme.test", event="delivered" if good else "deferred")[0]
        assert good or "mismatch" in row["remote_reply"]
    assert len(hop.bodies) == good
    hop.close()


def test_a_failed_handshake_where_tls_may_be_is_told_in_the_log():
    """Opportunistic: the mail goes, in plaintext, and the log says why."""
    hop = Hop(EHLO=b"250-hop.test\r\n250 STARTTLS\r\n", STAR=b"454 4.7.0 not now\r\n")
    with pt.Gateway(domains={"acme.test": {"routes": ["127.0.0.1:%d" % hop.port]}}, sink=False) as g:
        assert g.client().transact("ann@acme.test").startswith("250")
        row = g.wait_for_event(event="delivered", recipient="ann@acme.test")[0]
        assert row["tls_policy"] == "may: 127.0.0.1 is no host name; plaintext, since TLS failed: STARTTLS was refused"
    hop.close()
