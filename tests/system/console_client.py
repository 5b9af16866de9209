"""console_client.py: the API as a client sees it: by the local socket, by an API key, or by a session with its cookie and CSRF token."""
import http.client
import json
import socket


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    def __repr__(self):
        return "%d %r" % (self.status, self.raw[:400])


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Api:
    """How somebody asks: KEY for an API key, otherwise by the local socket; sign_in() makes it a session."""

    def __init__(self, gateway, key=None, source=None, local=True):
        self.gateway, self.key, self.source, self.local = gateway, key, source, local and not key
        self.cookie = self.csrf = None
        self.extra = {}

    def connection(self):
        if self.local:
            return Local(self.gateway.path("run", "api.sock"))
        return http.client.HTTPConnection("127.0.0.1", self.gateway.console, timeout=30, source_address=(self.source, 0) if self.source else None)

    def ask(self, method, path, body=None, headers=None, csv=None):
        sent = dict(self.extra)
        if body is not None:
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
            sent["Content-Type"] = "application/json"
        if csv is not None:
            body, sent["Content-Type"] = csv, "text/csv"
        if self.key:
            sent["Authorization"] = "Bearer " + self.key
        if self.cookie:
            sent["Cookie"] = self.cookie
        if self.csrf:
            sent["X-CSRF-Token"] = self.csrf
        sent.update(headers or {})
        connection = self.connection()
        try:
            connection.request(method, path if path.startswith("/") else "/api/v1/" + path, body.encode() if isinstance(body, str) else body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.ask("PUT", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.ask("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.ask("DELETE", path, **options)

    def made(self, path, body, **options):
        answer = self.post(path, body, **options)
        assert answer.status == 201, answer
        return answer.json

    def sign_in(self, login, password, **more):
        answer = self.post("sign-in", dict(login=login, password=password, **more))
        if answer.status == 200:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
            self.csrf = answer.json["csrf"]
        return answer


def rows(api, path):
    """All of a list, page by page."""
    found, cursor = [], None
    while True:
        separator = "&" if "?" in path else "?"
        answer = api.get(path + (separator + "cursor=" + cursor if cursor else ""))
        assert answer.status == 200, answer
        found += answer.json["items"]
        cursor = answer.json["next"]
        if not cursor:
            return found
