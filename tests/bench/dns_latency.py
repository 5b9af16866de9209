"""dns_latency.py: a DNS server on loopback that answers from a table of patterns, each answer as late as asked for, and counts the questions.

For script/bench policy, whose clients are all different: a table of names would have to hold every one of them. UDP only, a question each.
"""
import asyncio
import multiprocessing
import re
import socket
import struct

A, PTR, MX, TXT, SOA = 1, 12, 15, 16, 6
TTL_SECONDS = 60
LISTS = ["bl%d.lists.test" % i for i in range(1, 5)]
SPF = "v=spf1 ip4:127.0.0.0/8 -all"


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def text_bytes(text):
    return bytes([len(text)]) + text.encode()


def reversed_host(m):
    return name_bytes("host-%s-%s-%s-%s.bench.test" % (m[4], m[3], m[2], m[1]))


# What is known: (names, type, data). A name that matches with another type exists without such data; any other name does not exist.
TABLE = [(re.compile(pattern + r"\Z"), kind, data) for pattern, kind, data in (
    (r"(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa", PTR, reversed_host),
    (r"host-(\d+)-(\d+)-(\d+)-(\d+)\.bench\.test", A, lambda m: bytes(int(x) for x in m.groups())),
    (r"(?:helo|sender)\d+\.plain\.bench\.test", TXT, lambda m: text_bytes(SPF)),
    (r"helo\d+\.include\.bench\.test", TXT, lambda m: text_bytes(SPF)),
    (r"(sender\d+\.include\.bench\.test)", TXT, lambda m: text_bytes("v=spf1 include:spf.%s -all" % m[1])),
    (r"spf\.sender\d+\.include\.bench\.test", TXT, lambda m: text_bytes(SPF)),
    (r"sender\d+\.[a-z]+\.bench\.test", MX, lambda m: struct.pack(">H", 10) + name_bytes("mx.bench.test")),
    (r"2\.0\.0\.127\.bl\d\.lists\.test", A, lambda m: bytes((127, 0, 0, 2))),  # what a list must list, RFC 5782 section 5
)]


def question_of(packet):
    """(name in lower case, type, where the question ends)"""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]])
        at += 1 + packet[at]
    return b".".join(labels).decode("latin-1").lower(), struct.unpack_from(">H", packet, at + 1)[0], at + 5


def record(owner, kind, data):
    return owner + struct.pack(">HHIH", kind, 1, TTL_SECONDS, len(data)) + data


def answer(packet):
    name, kind, end = question_of(packet)
    found = [(known, data(m)) for names, known, data in TABLE for m in [names.match(name)] if m]
    answers = [record(b"\xc0\x0c", kind, data) for known, data in found if known == kind]
    authority = [] if answers else [record(name_bytes("test"), SOA, name_bytes("ns.test") + name_bytes("admin.test") + struct.pack(">5I", 1, 60, 60, 60, 60))]
    flags = 0x8580 | (0 if found else 3)
    return packet[:2] + struct.pack(">5H", flags, 1, len(answers), len(authority), 0) + packet[12:end] + b"".join(answers + authority)


class Protocol(asyncio.DatagramProtocol):
    def __init__(self, latency, count):
        self.latency, self.count, self.loop, self.transport = latency, count, asyncio.get_running_loop(), None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, peer):
        self.count.value += 1
        reply = answer(packet)
        if self.latency:
            self.loop.call_later(self.latency, self.transport.sendto, reply, peer)
        else:
            self.transport.sendto(reply, peer)


async def serve(listener, latency, count):
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Protocol(latency, count), sock=listener)
    await asyncio.Event().wait()


def run(listener, latency, count):
    asyncio.run(serve(listener, latency, count))


class Server:
    """In a process of its own, for the length of a `with`."""

    def __init__(self, latency_ms):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.count = multiprocessing.Value("Q", 0, lock=False)  # one writer
        self.process = multiprocessing.Process(target=run, args=(listener, latency_ms / 1000, self.count), daemon=True)
        self.process.start()
        listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.join()

    def questions(self):
        return self.count.value
