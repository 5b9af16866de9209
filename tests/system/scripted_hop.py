"""scripted_hop.py: a destination that answers as it is told: broken, hostile, or short of extensions."""
import contextlib
import socket
import ssl
import threading


class Hop:
    """SCRIPT: reply (bytes), None to close, or a function of the line, by "banner", verb (EHLO, MAIL …), or "dot" for the message."""

    USUAL = {"banner": b"220 hop.test ESMTP\r\n", "EHLO": b"250-hop.test\r\n250-8BITMIME\r\n250 PIPELINING\r\n", "LHLO": b"250 hop.test\r\n",
             "DATA": b"354 go on\r\n", "dot": b"250 2.0.0 taken\r\n", "QUIT": b"221 bye\r\n"}

    def __init__(self, address=("127.0.0.1", 0), certificate=None, **script):
        self.script = {**self.USUAL, **script}
        self.context, self.server_names = None, []
        if certificate:  # (certificate file, key file): STARTTLS is answered in earnest
            self.script.update(EHLO=b"250-hop.test\r\n250 STARTTLS\r\n", STAR=b"220 2.0.0 go on\r\n")
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.context.sni_callback = lambda _, name, __: self.server_names.append(name)
        self.said, self.bodies = [], []
        self.socket = socket.create_server(address)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def answer(self, connection, what, line=b""):
        reply = self.script.get(what, b"250 2.1.0 ok\r\n")
        reply = reply(line) if callable(reply) else reply
        if reply is None:
            raise EOFError
        connection.sendall(reply)
        return reply

    def serve(self, connection, greets=True):
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError, EOFError):
            if greets:
                self.answer(connection, "banner")
            for line in lines:
                verb = line[:4].strip().upper().decode("latin-1")
                self.said.append(line.strip().decode("utf-8", "replace"))
                reply = self.answer(connection, verb, line)
                if verb == "QUIT":
                    return
                if verb == "STAR" and self.context:
                    self.serve(self.context.wrap_socket(connection, server_side=True), greets=False)
                    return
                if verb == "DATA" and reply.startswith(b"354"):
                    body = b""
                    for line in lines:
                        if line == b".\r\n":
                            break
                        body += line
                    self.bodies.append(body)
                    self.answer(connection, "dot", line)

    def close(self):
        self.socket.close()
