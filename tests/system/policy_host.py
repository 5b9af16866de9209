"""policy_host.py: an HTTPS server on loopback that answers as it is told, by the name that it is asked for: policies of MTA-STS, reports of TLSRPT."""
import contextlib
import socket
import ssl
import threading

import postern_testing as pt
import signed_dns
from scripted_hop import Hop


class PolicyHost:
    """ANSWERS: by host name the bytes of a whole HTTP reply, or a function of the request (bytes) that gives them; None: no answer ever."""

    def __init__(self, authority):
        self.authority, self.answers, self.contexts, self.requests = authority, {}, {}, []
        self.default = self.context_for("nobody.test")
        self.default.sni_callback = self.choose
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.stopped = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def context_for(self, *names, certificate=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(certificate or self.authority.issue(*names, stem="https-" + names[0])))
        return context

    def choose(self, connection, name, _):
        connection.context = self.contexts.get(name, self.default)

    def add(self, host, answer, certificate=None):
        self.answers[host] = answer
        self.contexts[host] = self.context_for(host, certificate=certificate)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), self.default.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                request += tls.recv(65536) or b"\r\n\r\n"
            head, _, body = request.partition(b"\r\n\r\n")
            fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])}
            while len(body) < int(fields.get("content-length", 0)):
                body += tls.recv(65536)
            host = fields.get("host", "").partition(":")[0]
            self.requests.append((host, head.split(b"\r\n")[0].decode(), fields, body))
            answer = self.answers.get(host)
            if answer is None:
                self.stopped.wait()
                return
            tls.sendall(answer(head) if callable(answer) else answer)
            with contextlib.suppress(OSError):
                tls.unwrap()

    def asked(self, host):
        return len([r for r in self.requests if r[0] == host])

    def close(self):
        self.stopped.set()
        self.socket.close()


def reply(body, status="200 OK", kind="text/plain", more=""):
    body = body if isinstance(body, bytes) else body.encode()
    return ("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (status, kind, len(body), more)).encode() + body


def policy(*mx, mode="enforce", max_age=604800):
    return reply("version: STSv1\r\nmode: %s\r\n%smax_age: %d\r\n" % (mode, "".join("mx: %s\r\n" % m for m in mx), max_age))


class World:
    """Domains with a policy, an MX host each at port 25 of an address of its own, and a gateway that sees them through a zone file."""

    def __init__(self):
        self.directory = signed_dns.open_directory("sts")
        self.authority = signed_dns.Authority(self.directory)
        self.https = PolicyHost(self.authority)
        self.hops, self.zone, self.ids = {}, [], {}

    def add(self, name, answer, good=True, tls=True, certificate=None, number="a1", txt=None):
        """A domain NAME with one MX host; GOOD: with a certificate that is."""
        address, mx = signed_dns.free_address(), "mx." + name
        pair = None
        if tls:
            pair = self.authority.issue(mx) if good is True else good or pt.make_certificate(self.directory, mx, stem=mx)
        self.hops[name] = Hop(address=(address, 25), certificate=pair)
        self.zone += ["%s. MX 10 %s." % (name, mx), "%s. A %s" % (mx, address), "mta-sts.%s. A 127.0.0.1" % name]
        self.ids[name] = txt or "v=STSv1; id=%s;" % number
        if answer is not None:
            self.https.add("mta-sts." + name, answer, certificate)

    def gateway(self, **settings):
        zone = self.zone + ['_mta-sts.%s. TXT "%s"' % item for item in self.ids.items()]
        return pt.Gateway(settings={"tls_roots": self.authority.cert, "mta_sts_port": self.https.port, "submission_networks": ["127.0.0.0/8"],
                                    "submission_require_tls": False, "mta_sts_timeout": "5s", **settings}, zone="\n".join(zone) + "\n", sink=False,
                          domains={"acme.test": {"routes": ["127.0.0.1:9"]}})

    def close(self):
        self.https.close()
        for hop in self.hops.values():
            hop.close()
