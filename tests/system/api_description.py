"""api_description.py: docs/openapi.json as tests use it: its operations, bodies made from its schemas, and whether an answer is as described."""
import json
import os
import random
import re

from postern_testing import ROOT


def load():
    with open(os.path.join(ROOT, "docs", "openapi.json"), encoding="utf-8") as f:
        return json.load(f)


class Operation:
    def __init__(self, document, path, method, row):
        self.document, self.path, self.method, self.row = document, path, method.upper(), row
        self.id, self.permission, self.object, self.above = row["operationId"], row["x-permission"], row["x-object"], row["x-above"]
        self.holes = re.findall(r"\{(\w+)\}", path)
        self.query = {p["name"]: p for p in row["parameters"] if p["in"] == "query"}
        content = row.get("requestBody", {}).get("content", {})
        self.is_csv = "text/csv" in content
        reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        self.schema = document["components"]["schemas"][reference.rpartition("/")[2]] if reference else None

    @property
    def changes(self):
        return self.method != "GET"

    def __repr__(self):
        return self.id


def operations(document=None):
    document = document or load()
    return [Operation(document, path, method, row) for path, methods in document["paths"].items() for method, row in methods.items()]


# What a schema alone cannot know of a field.
GOOD = {"pattern": "sender.test", "routes": ["127.0.0.1:25"], "networks": ["192.0.2.0/24"], "permissions": ["view-meta"], "address": "192.0.2.1",
        "password": "long enough for all", "old": "long enough for all", "new": "another that is long", "code": "000000", "value": "yes", "skip": ["dns"],
        "definition": {"conditions": [{"what": "size", "operator": "larger", "value": 1000000000}], "action": "tag"}, "type": "MX", "aliases": ["other"], "tenant": None, "domain": None, "mailbox": None, "parent": None, "expires_days": 5,
        "position": 5, "older_s": 1, "minutes": 5, "count": 0, "state": "queued"}


def good_body(operation, unique):
    """A body that should be taken, as far as that can be known; optional fields too."""
    if not operation.schema:
        return None
    body = {}
    for name, field in operation.schema["properties"].items():
        value = GOOD.get(name, "absent")
        if value == "absent":
            value = field["enum"][0] if "enum" in field else True if field.get("type") == "boolean" else unique + (".test" if name == "name" else "")
        if value is not None:
            body[name] = value
    return body


NASTY = ["", " ", "\u0000", "\x1b[31m", "é" * 50, "\U0001f4a9" * 20, "a" * 70000, "';--", "' OR 1=1 --", "%s%n%x", "../../etc/passwd", "a@b@c", "-1", "0",
         "9" * 40, "99999999999999999999", "NaN", "null", "\ud800", "\u202e", "x" * 1001, "*", "%", "_", "@", ".", "[::1]", "1/1", "\r\nX: y"]


def nasty_value(chance, depth=0):
    pick = chance.randrange(12)
    if pick < 5:
        return chance.choice(NASTY)
    if pick == 5:
        return chance.choice([0, -1, 1, 2 ** 31, 2 ** 63 - 1, 2 ** 63, -2 ** 63, 10 ** 30])
    if pick == 6:
        return chance.choice([0.5, -0.0, 1e308, 1e-308])
    if pick == 7:
        return chance.choice([True, False, None])
    if depth > 3:
        return None
    if pick == 8:
        return [nasty_value(chance, depth + 1) for _ in range(chance.choice([0, 1, 3, 200]))]
    if pick == 9:
        return {chance.choice(NASTY)[:200]: nasty_value(chance, depth + 1) for _ in range(chance.choice([0, 1, 4]))}
    return chance.choice(["acme.test", "192.0.2.1", "1", "true"])


def nasty_body(operation, chance):
    """A good body that something is wrong with; or no body of that kind at all."""
    if chance.randrange(10) == 0 or not operation.schema:
        return nasty_value(chance)
    body = good_body(operation, "fuzz%d" % chance.randrange(10 ** 6))
    for name in list(body):
        what = chance.randrange(6)
        if what == 0:
            del body[name]
        elif what < 4:
            body[name] = nasty_value(chance)
    if chance.randrange(8) == 0:
        body[chance.choice(NASTY)[:100]] = nasty_value(chance)
    return body


def is_as_described(document, schema, value, path=""):
    """What is wrong with VALUE, or None."""
    if "$ref" in schema:
        return is_as_described(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, path)
    if "anyOf" in schema:
        wrong = [is_as_described(document, one, value, path) for one in schema["anyOf"]]
        return None if None in wrong else wrong[0]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind in ("integer", "number") and isinstance(value, bool))):
        return "%s is no %s: %r" % (path or "/", kind, value)
    if kind == "array":
        return next((w for i, v in enumerate(value) for w in [is_as_described(document, schema["items"], v, "%s/%d" % (path, i))] if w), None)
    if kind == "object" and "properties" in schema:
        missing = [name for name in schema.get("required", []) if name not in value]
        if missing:
            return "%s lacks %s" % (path or "/", missing)
        unknown = [name for name in value if name not in schema["properties"]]
        if unknown and schema.get("additionalProperties") is False:
            return "%s has unknown %s" % (path or "/", unknown)
        return next((w for n, v in value.items() if n in schema["properties"]
                     for w in [is_as_described(document, schema["properties"][n], v, path + "/" + n)] if w), None)
    return None


def answer_is_as_described(operation, answer):
    content = operation.row["responses"].get("2XX", {}).get("content", {})
    if answer.status >= 400:
        return is_as_described(operation.document, operation.document["components"]["schemas"]["Problem"], answer.json)
    if answer.status == 204:
        return None if not content else "an answer was promised"
    if "application/json" not in content:
        return None
    value = answer.json
    dry = isinstance(value, dict) and value.pop("dry_run", None)
    return None if dry and not value else is_as_described(operation.document, content["application/json"]["schema"], value)


def chance(seed):
    return random.Random(seed)
