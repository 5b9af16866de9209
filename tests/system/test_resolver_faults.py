"""Whatever a resolver does wrong: nobody is refused for it, nothing passes in silence, others are served, and memory stays bounded."""
import contextlib
import re
import subprocess
import threading

import postern_testing as pt
import pytest

dkim = pytest.importorskip("dkim", reason="python3-dkim not installed (script/setup --test)")
pytest.importorskip("dns.message", reason="python3-dnspython not installed (script/setup --test)")
import faulty_dns as fd  # noqa: E402

FAULTS = {"servfail": fd.fails(2), "refused": fd.fails(5), "notimp": fd.fails(4), "formerr": fd.fails(1), "old": fd.no_edns(fd.fails(1)), "silent": fd.silent, "garbage": fd.garbage,
          "short": fd.short, "half": fd.cut_in_the_middle, "wrong-id": fd.wrong_id, "wrong-question": fd.wrong_question, "other-owner": fd.other_owner,
          "malformed": fd.malformed, "no-tcp": fd.cut_and_no_tcp, "referral": fd.referral, "lame": fd.lame, "loop": fd.loop, "long-chain": fd.chain(40, MX="10 mx.test.", TXT='"v=spf1 +all"')}
RELEASED = threading.Event()
SPF = "v=spf1 ip4:127.0.0.9 -all"
# 500 strings, about as many terms
LONG = "v=spf1 " + "".join(" ip4:192.0.2.%d" % (i % 250) for i in range(490)) + " ip4:127.0.0.9 -all"


def strings(text, count):
    cuts = [len(text) * i // count for i in range(count + 1)]
    return " ".join('"%s"' % text[a:b] for a, b in zip(cuts, cuts[1:]))


def names():
    well = dict(MX="10 mx.fine.test.", A="192.0.2.1", TXT='"%s"' % SPF)
    found = {"%s.fault.test" % name: act for name, act in FAULTS.items()}
    for name, act in FAULTS.items():  # all is well but for one question
        found["%s.spf.test" % name] = fd.says(MX="10 mx.fine.test.", TXT='"v=spf1 a:a.%s.fault.test -all"' % name)
        found["%s.include.test" % name] = fd.says(MX="10 mx.fine.test.", TXT='"v=spf1 include:%s.fault.test -all"' % name)
        found["%s.author.test" % name] = fd.says(**well)
        found["_dmarc.%s.author.test" % name] = act
        found["%s.key.test" % name] = fd.says(MX="10 mx.fine.test.", A="192.0.2.1")
        found["_dmarc.%s.key.test" % name] = fd.says(TXT='"v=DMARC1; p=reject"')
        found["k._domainkey.%s.key.test" % name] = act
        found["%s.list.test" % name] = act
    found.update({
        "fine.test": fd.says(**well), "_dmarc.fine.test": fd.says(TXT='"v=DMARC1; p=reject"'), "_dmarc.test": fd.says(), "test": fd.fails(3),
        "slow.test": fd.later(0.02, fd.says(**well)), "chain.test": fd.chain(8, **{k: v for k, v in well.items()}),
        "no-edns.test": fd.no_edns(fd.says(**well)), "strings.test": fd.says(MX="10 mx.fine.test.", TXT=strings(LONG, 500)),
        "records.test": fd.says(MX="10 mx.fine.test.", TXT=['"something else %d"' % i for i in range(499)] + ['"%s"' % SPF]),
        "none.test": fd.fails(3), "9.0.0.127.in-addr.arpa": fd.says(PTR="mx.fine.test."), "mx.fine.test": fd.says(A="127.0.0.9", TXT='"%s"' % SPF), "stuck.test": fd.held(RELEASED), "flood.test": fd.says(MX="10 mx.fine.test.", TXT='"v=spf1 +all"')})
    return found


@pytest.fixture(scope="module")
def faulty():
    with fd.FaultyDns(names()) as dns:
        yield dns


# who waits in vain is not to wait long, and who is answered is not to be too late because the machine is busy
IMPATIENT = {"dns_timeout": "1500ms", "client_lookup_deadline": "1500ms"}
PATIENT = {"dns_timeout": "60s", "lookup_deadline": "60s", "client_lookup_deadline": "30s"}


def gateway(dns, **settings):
    return pt.Gateway(settings=dict(IMPATIENT, **{"dns_zone_file": "", "resolver": ["%s:%d" % (dns.address, dns.port)],
                                     "check_sender_dns": None, "max_concurrent_connections": "0", "max_connections_per_minute": "0"}, **settings))


@pytest.fixture(scope="module")
def relay(faulty):
    with gateway(faulty) as g:
        yield g
        assert len(g.children()["relay"]) == 1 and g.process.poll() is None


@pytest.fixture(scope="module")
def patient(faulty):
    with gateway(faulty, **PATIENT) as g:
        yield g


@pytest.fixture(scope="module")
def signing_key():
    return subprocess.run(["openssl", "genrsa", "2048"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def send(g, sender, recipient, author=None, message=None):
    c = g.client()
    said = c.transact(recipient, sender=sender, helo="mx.fine.test", message=message or pt.sample(sender=author or sender, to=recipient))
    c.close()
    return said


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sender_is_asked_to_come_again(relay, fault):
    recipient = "ann.%s@acme.test" % fault
    said = send(relay, "carol@%s.fault.test" % fault, recipient)
    assert said.startswith("451 4.4.3"), said
    row = relay.wait_for_event(recipient=recipient, reason="SENDER_DNS_FAILURE", status="delayed")[0]
    assert "SPF_UNAVAILABLE" in str(row["findings"])


@pytest.mark.parametrize("kind", ["spf", "include"])
@pytest.mark.parametrize("fault", FAULTS)
def test_spf_is_not_decided_by_a_fault(relay, fault, kind):
    recipient = "bob.%s.%s@acme.test" % (kind, fault)
    said = send(relay, "carol@%s.%s.test" % (fault, kind), recipient)
    assert said.startswith("451 4.7.24"), said
    assert relay.wait_for_event(recipient=recipient, reason="SPF_UNAVAILABLE", status="delayed")[0]["spf"] == "temperror"


@pytest.mark.parametrize("fault", FAULTS)
def test_dmarc_is_not_decided_by_a_fault(relay, fault):
    recipient = "dan.%s@acme.test" % fault
    said = send(relay, "carol@fine.test", recipient, author="carol@%s.author.test" % fault)
    assert said.startswith("451 4.4.3"), said
    relay.wait_for_event(recipient=recipient, reason="DMARC_UNAVAILABLE", status="delayed")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_signature_whose_key_faults_does_not_decide(relay, signing_key, fault):
    recipient, domain = "ed.%s@acme.test" % fault, "%s.key.test" % fault
    message = pt.sample(sender="carol@" + domain, to=recipient)
    message = dkim.sign(message.encode(), b"k", domain.encode(), signing_key).decode() + message
    said = send(relay, "carol@fine.test", recipient, message=message)
    assert said.startswith("451 4.4.3"), said
    relay.wait_for_event(recipient=recipient, reason="DMARC_UNAVAILABLE", status="delayed")


def test_block_lists_that_fault_list_nobody(faulty):
    with gateway(faulty, dnsbl_zones=["%s.list.test:10" % name for name in FAULTS], dnsbl="refuse", **dict(PATIENT, dns_timeout="4s")) as g:
        pt.poll(lambda: g.said().count("is not used") >= len(FAULTS))
        assert send(g, "carol@fine.test", "ann@acme.test").startswith("250")
        assert "DNSBL_LISTED" not in str(g.events())


@pytest.mark.parametrize("domain", ["fine", "slow", "chain", "no-edns", "strings", "records"])
def test_what_is_only_unusual_is_read(patient, faulty, domain):
    for i in range(2):  # another name: not from the cache
        recipient = "eve%d.%s@acme.test" % (i, domain)
        said = send(patient, "carol@n%d.%s.test" % (i, domain), recipient, author="carol@fine.test") if domain != "chain" else \
            send(patient, "carol@chain.test", recipient, author="carol@fine.test")
        assert patient.wait_for_event(recipient=recipient)[0]["spf"] == "pass", said
    if domain in ("strings", "records"):
        assert ("n0.%s.test" % domain, "TXT", True) in faulty.asked


def test_a_name_that_is_not_there_is_no_fault(patient):
    assert send(patient, "carol@none.test", "fay@acme.test").startswith("550 5.1.8")


def test_others_are_served_while_one_waits(faulty):
    with gateway(faulty, **PATIENT) as g:
        waiting = g.client()
        waiting.ask("EHLO mx.fine.test")
        waiting.ask("MAIL FROM:<carol@stuck.test>")
        waiting.send("RCPT TO:<ann@acme.test>")
        pt.poll(lambda: ("stuck.test", "MX", False) in faulty.asked)
        for i in range(20):
            assert send(g, "carol@fine.test", "bob%d@acme.test" % i).startswith("250")
        assert not g.events(recipient="ann@acme.test")
        RELEASED.set()
        assert waiting.reply()[-1].startswith("451 4.4.3")
        waiting.close()


@pytest.mark.parametrize("is_silent", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_dead_resolver_delays_until_it_is_back(is_silent):
    with fd.FaultyDns({}) as reserved:
        address, port = reserved.address, reserved.port
    quiet = fd.FaultyDns({"test": fd.silent, "arpa": fd.silent}, address, port) if is_silent else contextlib.nullcontext(reserved)
    with gateway(reserved, dnsbl_zones=["fine.list.test:10"], dnsbl="refuse", check_ptr="refuse") as g:
        with quiet:
            for sender in ("carol@fine.test", "carol@none.test"):
                assert send(g, sender, "ann@acme.test").startswith("451")
                g.wait_for_event(recipient="ann@acme.test", sender=sender, status="delayed")
            assert not g.sink.messages_for("ann@acme.test")
        with fd.FaultyDns(names(), address, port):
            pt.poll(lambda: send(g, "carol@fine.test", "bob@acme.test").startswith("250"))
            pt.poll(lambda: send(g, "carol@none.test", "bob@acme.test").startswith("550 5.1.8"))  # what failed is kept for a moment


def resident_octets(g):
    with open("/proc/%d/status" % g.children()["relay"][0]) as f:
        return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024


def test_a_flood_of_names_is_bounded(faulty):
    with gateway(faulty, spf="score", check_ptr="off", **PATIENT) as g:
        c = g.client()
        c.ask("EHLO mx.fine.test")
        c.transact("ann@acme.test", sender="carol@flood.test", helo=None)
        before = resident_octets(g)
        for i in range(5000):
            assert c.ask("MAIL FROM:<carol@n%d.flood.test>" % i)[-1].startswith("250")
            assert c.ask("RCPT TO:<ann@acme.test>")[-1].startswith("250")
            assert c.ask("RSET")[-1].startswith("250")
        c.close()
        said = g.control(noun="dns", verb="show")
        assert 10000 <= said["kept"] < said["most_kept"] and said["evicted"] == 0 and said["failures"] == 0
        assert resident_octets(g) - before < 100 << 20
