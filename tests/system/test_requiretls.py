"""What a message itself says of TLS (RFC 8689): REQUIRETLS, or TLS-Required: No; and tls_policies, the operator's table of destinations."""
import os

import pytest

import postern_testing as pt
import signed_dns
from policy_host import World, policy
from scripted_hop import Hop

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 25 is for root")

OFFER = b"250-hop.test\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n"
TABLE = ["table.test=verify", ".table.test=none", "named.test=secure:mx.named.test:other.test", "strict.test=encrypt"]


@pytest.fixture(scope="module")
def world():
    w = World()
    w.add("sts.test", policy("mx.sts.test"))
    w.add("trial.test", policy("mx.trial.test", mode="testing"))
    w.add("nothing.test", None, txt="hello")
    w.add("elsewhere.test", policy("mx.somebody.test", mode="testing"))
    w.add("unwilling.test", policy("mx.unwilling.test"))
    w.add("self.test", policy("mx.self.test"), good=False)
    w.add("signed.test", None, txt="hello")
    w.zone[-3:] = ["$AUTHENTIC yes", *w.zone[-3:], "$AUTHENTIC no"]
    w.add("plain.test", policy("mx.plain.test"), tls=False)
    w.add("again.test", policy("mx.again.test"), tls=False)
    w.add("unnamed.test", policy("mx.somebody.test"))
    w.add("twice.test", policy("mx.twice.test"), tls=False)
    w.add("strict.test", None, tls=False, txt="hello")
    w.add("table.test", None, good=False, txt="hello")
    w.add("a.table.test", None, txt="hello")
    w.add("named.test", None, txt="hello")
    for name, hop in w.hops.items():
        if hop.context and name != "unwilling.test":
            hop.script["EHLO"] = OFFER
    yield w
    w.close()


@pytest.fixture(scope="module")
def gateway(world):
    with world.gateway(tls_policies=TABLE) as g:
        yield g


def send(gateway, recipient, event, mail="", headers="", count=1, sender="carol@example.test"):
    c = gateway.client(port=gateway.submission)
    c.ask("EHLO client.example.test")
    assert c.ask("STARTTLS")[-1].startswith("220")
    c.start_tls()
    c.ask("EHLO client.example.test")
    assert c.ask("MAIL FROM:<%s>%s" % (sender, mail))[-1].startswith("250")
    assert c.ask("RCPT TO:<%s>" % recipient)[-1].startswith("250")
    assert c.ask("DATA")[-1].startswith("354")
    c.raw(pt.sample(headers=headers).encode() + b"\r\n.\r\n")
    assert c.reply()[-1].startswith("250")
    c.close()
    return gateway.wait_for_event(event=event, recipient=recipient, count=count)[count - 1]


@pytest.mark.parametrize("domain", ["sts.test", "trial.test", "signed.test"])
def test_a_host_that_is_vouched_for_gets_requiretls_mail(world, gateway, domain):
    row = send(gateway, "req@" + domain, "delivered", " REQUIRETLS")
    assert row["tls_policy"].endswith("; requiretls") and row["tls"]
    assert "MAIL FROM:<carol@example.test> REQUIRETLS" in world.hops[domain].said


@pytest.mark.parametrize("domain, dsn, says", [
    ("nothing.test", "5.7.10", "mx.nothing.test is not used: neither DNSSEC nor MTA-STS vouches for it as a mail server of nothing.test, as REQUIRETLS wants (may: *"),
    ("elsewhere.test", "5.7.10", "*neither DNSSEC nor MTA-STS vouches*(sts: testing, * does not name mx.elsewhere.test)"),
    ("unwilling.test", "5.7.30", "mx.unwilling.test[*]:25 does not offer REQUIRETLS"),
    ("self.test", "5.7.10", "TLS with mx.self.test[*]:25 failed (sts: enforce, *; requiretls): certificate not good: self-signed certificate"),
    ("plain.test", "5.7.10", "*: it does not offer STARTTLS")])
def test_one_that_is_not_gets_none(world, gateway, domain, dsn, says):
    row = send(gateway, "req@" + domain, "bounced", " REQUIRETLS")
    assert row["reason"] == "DELIVERY_NEEDS_TLS" and row["dsn"] == dsn
    assert pt.glob(says, row["remote_reply"]), row["remote_reply"]
    assert not [line for line in world.hops[domain].said if "req@" in line]


def test_other_mail_is_not_held_up_by_it(gateway):
    send(gateway, "other@nothing.test", "bounced", " REQUIRETLS")
    assert send(gateway, "ann@nothing.test", "delivered")["attempts"] == 1


def test_a_host_that_the_operator_names_needs_no_other_word():
    authority = signed_dns.Authority(signed_dns.open_directory("route"))
    hop = Hop(certificate=authority.issue("mail.acme.test"))
    hop.script["EHLO"] = OFFER
    with pt.Gateway(settings={"tls_roots": authority.cert, "submission_networks": ["127.0.0.0/8"]}, zone="mail.acme.test. A 127.0.0.1\n", sink=False,
                    domains={"acme.test": {"routes": ["mail.acme.test:%d" % hop.port]}}) as g:
        assert send(g, "ann@acme.test", "delivered", " REQUIRETLS")["tls_policy"].endswith("; requiretls")
    hop.close()


def test_tls_required_no_outweighs_what_the_destination_publishes(world, gateway):
    no = "TLS-Required: No\r\n"
    row = send(gateway, "no@self.test", "delivered", headers=no)
    assert pt.glob("may: TLS-Required: No of the message, instead of sts: enforce, policy a1 of self.test names mx.self.test", row["tls_policy"])
    assert row["tls"], "TLS all the same, where it is to be had"
    row = send(gateway, "yes@self.test", "deferred")  # and the connection that is kept is for such mail only
    assert row["reason"] == "DELIVERY_STS_FAILED" and not [line for line in world.hops["self.test"].said if "yes@" in line]
    assert "plaintext" in send(gateway, "no@plain.test", "delivered", headers="tls-required:\r\n no\r\n")["tls_policy"]
    assert "does not name" in send(gateway, "no@unnamed.test", "delivered", headers=no)["tls_policy"]


def test_it_is_not_held_up_by_mail_that_waits_for_the_policy(gateway):
    send(gateway, "yes@again.test", "deferred")
    send(gateway, "no@again.test", "delivered", headers="TLS-Required: No\r\n")


@pytest.mark.parametrize("headers", ["TLS-Required: No\r\nTLS-Required: No\r\n", "TLS-Required: Yes\r\n", "X-TLS-Required: No\r\n"])
def test_only_the_one_field_with_its_one_value_counts(gateway, headers):
    recipient = "%d@twice.test" % len(headers)
    assert send(gateway, recipient, "deferred", headers=headers)["reason"] == "DELIVERY_STS_FAILED"


def test_requiretls_outweighs_the_header(gateway):
    assert send(gateway, "both@plain.test", "bounced", " REQUIRETLS", "TLS-Required: No\r\n")["reason"] == "DELIVERY_NEEDS_TLS"


def test_what_the_operator_demands_holds_against_the_header(gateway):
    row = send(gateway, "no@strict.test", "deferred", headers="TLS-Required: No\r\n")
    assert row["reason"] == "DELIVERY_TLS_FAILED" and "(encrypt: as tls_policies says for strict.test)" in row["remote_reply"]


def test_the_table_says_it_for_single_destinations(gateway):
    row = send(gateway, "ann@table.test", "deferred")
    assert pt.glob("*(verify: as tls_policies says for table.test): certificate not good: self-signed*", row["remote_reply"])
    row = send(gateway, "ann@a.table.test", "delivered")
    assert row["tls_policy"] == "none: as tls_policies says for .table.test; plaintext" and "tls" not in row
    assert send(gateway, "ann@named.test", "delivered")["tls_policy"] == "secure: as tls_policies says for named.test"


def test_an_entry_that_is_none_is_refused_at_start(tmp_path):
    g = pt.Gateway(settings={"tls_policies": ["a.test=must"]}, sink=False, tls=False)
    g.write_config()
    done = g.cli("check", check=False)
    assert done.returncode != 0 and 'tls_policies: "a.test=must" has none of the levels of destination_tls' in done.stdout + done.stderr
    g.close()
