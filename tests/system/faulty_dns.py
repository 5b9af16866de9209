"""faulty_dns.py: a DNS server on loopback, over UDP and TCP of one port, that does to each name what the test says.

NAMES: by name, lower case, a function of (question, over_tcp) that gives the answer's octets, a list of them, or None for silence. What is below the
name belongs to it too unless it has a line of its own. Names that nobody mentions do not exist.
"""
import contextlib
import os
import select
import socket
import threading
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import postern_testing as pt

SOA = "ns.test. hostmaster.test. 1 3600 600 86400 60"


def name_of(question):
    return question.question[0].name.to_text().rstrip(".").lower()


def kind_of(question):
    return dns.rdatatype.to_text(question.question[0].rdtype)


def answer(question, records=(), rcode=0):
    """RECORDS: (owner or None for the name asked, type, data...)."""
    reply = dns.message.make_response(question, recursion_available=True)
    reply.set_rcode(rcode)
    for owner, kind, *data in records:
        reply.answer.append(dns.rrset.from_text_list((owner or name_of(question)) + ".", 60, "IN", kind, data))
    if not reply.answer and rcode in (0, 3):
        reply.authority.append(dns.rrset.from_text("test.", 60, "IN", "SOA", SOA))
    return reply


def wire(reply):
    return reply.to_wire(max_size=65535)


def says(**records):
    """By type the data (or a list); other types have none."""
    def act(question, over_tcp):
        data = records.get(kind_of(question), ())
        whole = wire(answer(question, [(None, kind_of(question), d) for d in ([data] if isinstance(data, str) else data)]))
        return whole if over_tcp or len(whole) <= 1232 else cut(question)
    return act


def cut(question):
    reply = answer(question)
    reply.authority = []
    reply.flags |= dns.flags.TC
    return wire(reply)


def fails(rcode):
    return lambda question, over_tcp: wire(answer(question, rcode=rcode))


def silent(question, over_tcp):
    return None


def garbage(question, over_tcp):
    return question.id.to_bytes(2, "big") + os.urandom(90)


def short(question, over_tcp):
    return question.id.to_bytes(2, "big") + b"\x81\x80\0"


def cut_in_the_middle(question, over_tcp):
    """One record is said to be there, and half of it is."""
    return wire(answer(question, [(None, kind_of(question), {"MX": "10 mx.test.", "A": "192.0.2.1"}.get(kind_of(question), '"v=spf1 +all"'))]))[:-4]


def wrong_id(question, over_tcp):
    reply = answer(question, rcode=3)
    reply.id = question.id ^ 1
    return wire(reply)


def wrong_question(question, over_tcp):
    other = dns.message.make_query("somebody.else.test", kind_of(question))
    other.id = question.id
    return wire(answer(other, rcode=3))


def other_owner(question, over_tcp):
    """An answer in which all records are somebody else's."""
    return wire(answer(question, [("somebody.else.test", kind_of(question), {"MX": "0 .", "A": "127.0.0.2"}.get(kind_of(question), '"v=spf1 -all"'))]
                       if kind_of(question) in ("MX", "A", "TXT") else []))


def referral(question, over_tcp):
    """Somebody who resolves nothing, and says whom to ask instead."""
    reply = answer(question)
    reply.flags &= ~dns.flags.RA
    reply.authority = [dns.rrset.from_text(".", 60, "IN", "NS", "a.root-servers.test.")]
    return wire(reply)


def lame(question, over_tcp):
    """Neither resolves nor has authority, and says that in the header alone."""
    reply = answer(question)
    reply.flags &= ~(dns.flags.RA | dns.flags.AA)
    reply.authority = []
    return wire(reply)


def raw(question, data):
    """One record of any data, valid or not."""
    kind = question.question[0].rdtype.to_bytes(2, "big")
    return question.id.to_bytes(2, "big") + b"\x81\x80\0\1\0\1\0\0\0\0" + question.question[0].name.to_wire() + kind + b"\0\1" + \
        b"\xc0\x0c" + kind + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data


def malformed(question, over_tcp):
    """Records whose data is none: an MX without a name, five octets of address, a string longer than its record."""
    data = {"MX": b"\0\x0a", "A": b"\xc0\0\2\1\1", "AAAA": b"\1", "TXT": b"\x20v=spf1"}.get(kind_of(question), b"")
    return raw(question, data)


def no_edns(then):
    """Does not know EDNS, and says FORMERR as RFC 6891 §7 has it."""
    def act(question, over_tcp):
        if question.edns < 0:
            return then(question, over_tcp)
        reply = answer(question, rcode=1)
        reply.use_edns(False)
        return wire(reply)
    return act


def cut_and_no_tcp(question, over_tcp):
    return None if over_tcp else cut(question)


def loop(question, over_tcp):
    name = name_of(question)
    return wire(answer(question, [(None, "CNAME", "other.%s." % name), ("other." + name, "CNAME", name + ".")]))


def chain(links, **records):
    """So many aliases, and records at their end."""
    def act(question, over_tcp):
        names = [name_of(question)] + ["a%d.%s" % (i, name_of(question)) for i in range(links)]
        found = [(a, "CNAME", b + ".") for a, b in zip(names, names[1:])]
        found += [(names[-1], kind_of(question), records[kind_of(question)])] if kind_of(question) in records else []
        whole = wire(answer(question, found))
        return whole if over_tcp or len(whole) <= 1232 else cut(question)
    return act


def later(seconds, then):
    def act(question, over_tcp):
        time.sleep(seconds)  # in a thread of the question's own: what is tested is a slow resolver
        return then(question, over_tcp)
    return act


def held(event):
    """Silence until EVENT, failure then."""
    def act(question, over_tcp):
        return wire(answer(question, rcode=2)) if event.wait(pt.PATIENCE) else None
    return act


class FaultyDns:
    def __init__(self, names, address="127.0.0.1", port=0):
        self.names, self.asked, self.ended = names, [], threading.Event()
        self.address, self.port = address, port or pt.free_port(address)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for s in (self.udp, self.tcp):
            s.bind((address, self.port))
        self.tcp.listen(64)
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def act(self, data, over_tcp):
        try:
            question = dns.message.from_wire(data)
        except dns.exception.DNSException:
            if len(data) < 12:
                return None
            return data[:2] + b"\x81\x81" + bytes(8)  # FORMERR
        name = name_of(question)
        self.asked.append((name, kind_of(question), over_tcp))
        while name and name not in self.names:
            name = name.partition(".")[2]
        return self.names[name](question, over_tcp) if name else wire(answer(question, rcode=3))

    def serve(self):
        while not self.ended.is_set():
            for s in select.select([self.udp, self.tcp], [], [], 0.1)[0]:
                if s is self.tcp:
                    threading.Thread(target=self.talk, args=(s.accept()[0],), daemon=True).start()
                else:
                    threading.Thread(target=self.reply, args=s.recvfrom(4096), daemon=True).start()

    def reply(self, data, peer):
        reply = self.act(data, False)
        with contextlib.suppress(OSError):
            if reply is not None:
                self.udp.sendto(reply, peer)

    def talk(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(pt.PATIENCE)
            stream = connection.makefile("rb")
            while len(size := stream.read(2)) == 2:
                reply = self.act(stream.read(int.from_bytes(size, "big")), True)
                if reply is None:
                    return
                connection.sendall(len(reply).to_bytes(2, "big") + reply)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *trouble):
        self.ended.set()
        self.thread.join()
        self.udp.close()
        self.tcp.close()
