"""What no client would send: bodies and queries made from docs/openapi.json, with something wrong in each. Nothing but a clean refusal may come of it."""
import http.client
import json
import os
import urllib.parse

import pytest
from api_description import NASTY, answer_is_as_described, chance, load, nasty_body, operations
from console_client import Api
from postern_testing import Gateway

ROUNDS = int(os.environ.get("API_ROUNDS", "12"))
DOCUMENT = load()


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sink=False, tls=False, settings={"console_sign_in_attempts": 1000}) as g:
        local = Api(g)
        local.made("tenants", {"name": "fuzz"})
        local.made("domains", {"name": "fuzz.test", "tenant": "fuzz"})
        local.made("domains/fuzz.test/mailboxes", {"local_part": "ann"})
        local.made("persons", {"login": "fuzzed", "role": "robot", "tenant": "fuzz"})
        yield g


GOOD_NAMES = {"tenant": "fuzz", "domain": "fuzz.test", "mailbox": "ann@fuzz.test", "person": "fuzzed", "setting": "max_message_size", "list": "sender-allow"}
# these would end the session, the gateway's own data, or take a whole minute
LEFT_OUT = {"sign_out"}


def nasty_path(operation, random):
    path = operation.path
    for hole in operation.holes:
        good = GOOD_NAMES.get(hole, "1")
        value = good if random.randrange(3) else random.choice(NASTY)[:3000]
        path = path.replace("{%s}" % hole, urllib.parse.quote(value, safe="", errors="surrogatepass") or "%20", 1)
    pairs = []
    for name in list(operation.query) + (["unknown"] if random.randrange(6) == 0 else []):
        if name == "dry_run":
            pairs.append("dry_run=true")
        elif random.randrange(2):
            pairs.append(name + "=" + urllib.parse.quote(random.choice(NASTY)[:3000], errors="surrogatepass"))
    if random.randrange(6) == 0:
        pairs.append(random.choice(["&&&", "=", "%", "%zz=1", "a=%00", "limit=1&limit=2", "cursor"]))
    return path + ("?" + "&".join(pairs) if pairs else "")


@pytest.mark.parametrize("operation", [o for o in operations(DOCUMENT) if o.id not in LEFT_OUT], ids=str)
def test_nothing_that_is_sent_breaks_an_operation(gateway, operation):
    random, local = chance(operation.id), Api(gateway)
    for _ in range(ROUNDS):
        path = nasty_path(operation, random)
        body = json.dumps(nasty_body(operation, random)) if operation.changes and random.randrange(8) else None
        if operation.is_csv:
            body = "".join(random.choice(NASTY) + random.choice(",\n\"") for _ in range(random.randrange(30)))
        if body is not None and random.randrange(10) == 0:
            body = body[:random.randrange(len(body) + 1)]
        raw = body.encode(errors="surrogatepass") if body is not None else None
        if raw and random.randrange(10) == 0:
            raw += bytes(random.randrange(256) for _ in range(20))
        headers = {"Content-Type": random.choice(["application/json"] * 6 + ["text/csv", "application/json; charset=utf-8", "", "x" * 2000])}
        if operation.is_csv:
            headers["Content-Type"] = "text/csv"
        if random.randrange(6) == 0:
            headers["Idempotency-Key"] = random.choice(["k", "k" * 129, "ä".encode().decode("latin-1")])
        answer = local.ask(operation.method, path, raw, headers)
        assert answer.status < 500, (operation, path, body, answer)
        if answer.raw and answer.headers["Content-Type"].endswith("json"):
            wrong = answer_is_as_described(operation, answer)
            assert wrong is None, (operation, path, body, answer, wrong)
    assert local.get("me").status == 200


@pytest.mark.parametrize("header", ["Authorization: Bearer", "Authorization: Basic eDp5", "Authorization: Bearer " + "x" * 8000, "Cookie: postern_session=",
                                    "Cookie: postern_session=" + "y" * 8000, "Cookie: postern_session=a; postern_session=b", "Authorization: Bearer pk_\xff\xfe"])
def test_strange_credentials_are_refused(gateway, header):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console, timeout=20)
    name, _, value = header.partition(": ")
    connection.request("GET", "/api/v1/me", headers={name: value.encode("latin-1")})
    assert connection.getresponse().status in (400, 401)
    connection.close()


def test_the_gateway_has_not_fallen(gateway):
    assert gateway.process.poll() is None and "console" in gateway.children()
    assert "it is started again" not in gateway.said()
