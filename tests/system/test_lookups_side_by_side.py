"""What is asked about a client waits together: a chain of questions, each of which needs the answer before it, does not wait for another chain."""
import threading

import postern_testing as pt
import pytest

pytest.importorskip("dns.message", reason="python3-dnspython not installed (script/setup --test)")
import faulty_dns as fd  # noqa: E402

CLIENT, HELO, LISTS = "127.0.0.9", "helo.test", ["one.lists.test", "two.lists.test"]
# where each chain begins, and what follows from the answer
CHAINS = {
    "name of the client": (("9.0.0.127.in-addr.arpa", "PTR"), ("mail.client.test", "A")),
    "domain without MX": (("sender.test", "MX"), ("sender.test", "A")),
    "SPF of the sender": (("sender.test", "TXT"), ("spf.sender.test", "TXT")),
    "SPF of the HELO": (("helo.test", "TXT"), ("host.helo.test", "A")),
}
BLOCK_LISTS = [("9.0.0.127." + zone, "A") for zone in LISTS]


def act_for(answers, held, released):
    """ANSWERS by type; those in HELD wait for the event and say the same then."""
    def act(question, over_tcp):
        if fd.kind_of(question) in held:
            released.wait(pt.PATIENCE)
        return fd.says(**answers)(question, over_tcp)
    return act


@pytest.mark.parametrize("held", CHAINS)
def test_one_chain_does_not_hold_up_another(held):
    released = threading.Event()
    answers = {"9.0.0.127.in-addr.arpa": {"PTR": "mail.client.test."}, "mail.client.test": {"A": CLIENT}, "spf.sender.test": {"TXT": '"v=spf1 ip4:127.0.0.9 -all"'},
               "sender.test": {"A": "192.0.2.1", "TXT": '"v=spf1 include:spf.sender.test -all"'}, "helo.test": {"TXT": '"v=spf1 a:host.helo.test -all"'},
               "host.helo.test": {"A": CLIENT}, "lists.test": {}, **{"2.0.0.127." + zone: {"A": "127.0.0.2"} for zone in LISTS}}
    names = {name: act_for(data, [kind for of, kind in CHAINS[held][:1] if of == name], released) for name, data in answers.items()}
    with fd.FaultyDns(names) as dns, pt.Gateway(settings={
            "dns_zone_file": "", "resolver": ["%s:%d" % (dns.address, dns.port)], "dns_timeout": "60s", "lookup_deadline": "60s", "client_lookup_deadline": "60s",
            "check_sender_dns": None, "check_ptr": "refuse", "dnsbl": "refuse", "dnsbl_zones": LISTS, "banner_delay": "0"}) as g:
        pt.poll(lambda: all(said.startswith("works") for said in g.control(noun="relay", verb="stats")["block_lists"].values()))
        c = g.client(source=CLIENT)
        c.ask("EHLO " + HELO)
        assert c.ask("MAIL FROM:<carol@sender.test>")[-1].startswith("250")
        c.send("RCPT TO:<ann@acme.test>")
        expected = {CHAINS[held][0], *BLOCK_LISTS, *(question for name, chain in CHAINS.items() if name != held for question in chain)}
        pt.poll(lambda: not expected - {asked[:2] for asked in dns.asked})
        assert CHAINS[held][1] not in {asked[:2] for asked in dns.asked}, "it is of its chain"
        released.set()
        assert c.reply()[-1].startswith("250")
        c.close()
        pt.poll(lambda: CHAINS[held][1] in {asked[:2] for asked in dns.asked})
