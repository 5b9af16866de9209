#!/usr/bin/python3
"""openapi.py SOURCE_ROOT OUTPUT [--check]: docs/openapi.json from operations.def, schemas.def and permissions.def. --check: is OUTPUT current?"""
import json
import os
import re
import sys

WORDS = r'(?:"(?:[^"\\]|\\.)*"|[^,"])+'


def rows(path, macro):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for line in re.findall(r"^%s\((.*)\)$" % macro, text, re.M):
        cells = [c.strip() for c in re.findall(WORDS + r"|(?<=,)(?=,)", line)]
        yield [c[1:-1].replace('\\"', '"').replace("\\\\", "\\") if c.startswith('"') else c for c in cells]


def field_schema(kind, largest, choices, answer):
    text = {"type": "string", "maxLength": largest} if largest else {"type": "string"}
    one = {
        "TEXT": text, "LINES": text, "SECRET": dict(text, format="password"), "ID": text,
        "NUMBER": dict({"type": "integer", "minimum": 0}, **({"maximum": largest} if largest else {})),
        "BOOL": {"type": "boolean"},
        "CHOICE": {"type": "string", "enum": choices.split("|")},
        "TEXTS": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 1000}, "maxItems": largest},
        "VALUE": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]},
        "OBJECT": {"type": "object"},
        "REAL": {"type": "number"},
        "ROWS": {"type": "array", "items": {"$ref": "#/components/schemas/" + choices}},
    }[kind]
    one = dict(one)
    if answer and kind in ("NUMBER", "TEXTS"):
        one.pop("maximum", None)
        one.pop("maxItems", None)
    return one


def schemas(directory, used_in_answers):
    found = {}
    for name, field, kind, needed, largest, choices, text in rows(os.path.join(directory, "schemas.def"), "FIELD"):
        answer = name in used_in_answers
        schema = found.setdefault(name, {"type": "object", "properties": {}, "required": [], "additionalProperties": False})
        one = field_schema(kind, int(largest), choices, answer)
        if answer and needed == "OPTIONAL":
            one = {"anyOf": [one, {"type": "null"}]}
        schema["properties"][field] = dict(one, description=text)
        if needed == "REQUIRED":
            schema["required"].append(field)
    for open_one in ("Free", "QueueRow", "QueueDestination"): # the relay adds what it likes
        found[open_one]["additionalProperties"] = True
    for schema in found.values():
        if not schema["required"]:
            del schema["required"]
    return found


PROBLEM = {"type": "object", "required": ["type", "title", "status", "detail"], "properties": {
    "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
    "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}}}}}}


def parameters(path, method, request, response, fields):
    found = [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 1000}} for name in re.findall(r"\{(\w+)\}", path)]
    if method == "GET" and request:
        for name, kind, needed, largest, choices, text in fields[request]:
            found.append({"name": name, "in": "query", "required": needed == "REQUIRED", "description": text,
                          "schema": field_schema(kind, int(largest), choices, False)})
    if response.endswith("[]"):
        found.append({"name": "cursor", "in": "query", "required": False, "schema": {"type": "string", "maxLength": 1000},
                      "description": "next of the page before."})
        found.append({"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1, "maximum": 1000}})
    if method != "GET":
        found.append({"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean"}, "description": "Everything is checked, nothing is changed."})
        found.append({"name": "reason", "in": "query", "required": False, "schema": {"type": "string", "maxLength": 500}, "description": "For the audit trail."})
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 128},
                      "description": "The same request sent again with it is answered as the first time, for a day; nothing is done twice."})
    return found


def answer(method, response):
    problem = {"description": "A problem.", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    if not response:
        return {"204": {"description": "Done."}, "default": problem}
    if response.endswith("[]"):
        schema = {"type": "object", "required": ["items", "next"], "properties": {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/" + response[:-2]}}, "next": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
        content = {"application/json": {"schema": schema}}
    elif "/" in response:
        content = {response: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/" + response}}}
    return {"2XX": {"description": "Done.", "content": content}, "default": problem}


def operation(row, permissions, fields):
    name, method, path, permission, kind, flags, request, response, summary = row
    one = {"operationId": name, "summary": summary, "tags": [path.split("/")[3]], "parameters": parameters(path, method, request, response, fields),
           "responses": answer(method, response), "x-permission": permissions.get(permission), "x-object": kind.lower(),
           "x-above": "OP_ABOVE" in flags}
    if kind == "PUBLIC":
        one["security"] = []
    if method != "GET" and "OP_CSV" in flags:
        one["requestBody"] = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
    elif method != "GET" and request:
        schema = {"$ref": "#/components/schemas/" + request}
        one["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return one


def document(root):
    directory = os.path.join(root, "src", "admin")
    table = list(rows(os.path.join(directory, "operations.def"), "OPERATION"))
    permissions = {row[0]: row[1] for row in rows(os.path.join(directory, "permissions.def"), "PERMISSION")}
    fields = {}
    for name, *rest in rows(os.path.join(directory, "schemas.def"), "FIELD"):
        fields.setdefault(name, []).append(rest)
    answers = {row[7].replace("[]", "") for row in table} | {rest[4] for some in fields.values() for rest in some if rest[1] == "ROWS"}
    paths = {}
    for row in table:
        assert len(row) == 9, row
        assert not row[6] or row[6] in fields, "no schema " + row[6]
        assert not row[7] or "/" in row[7] or row[7].replace("[]", "") in fields, "no schema " + row[7]
        paths.setdefault(row[2], {})[row[1].lower()] = operation(row, permissions, fields)
    roles = {row[1]: {"scopes": row[2].split(), "permissions": sorted(permissions.values()) if row[3] == "*" else row[3].split(), "help": row[4]}
             for row in rows(os.path.join(directory, "permissions.def"), "ROLE")}
    return {"openapi": "3.1.0",
            "info": {"title": "Postern", "version": "1", "description": "Administration of a Postern gateway. Numbers of rows are texts, since they have 63 bits. "
                     "Where a path names a thing, its number or its name will do. Lists come in pages: next is the cursor of the one after.",
                     "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "servers": [{"url": "/"}], "security": [{"key": []}, {"session": []}],
            "paths": paths,
            "components": {"schemas": dict(schemas(directory, answers), Problem=PROBLEM), "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "session": {"type": "apiKey", "in": "cookie", "name": "postern_session", "description": "With X-CSRF-Token for everything but GET."}}},
            "x-permissions": {row[1]: row[2] for row in rows(os.path.join(directory, "permissions.def"), "PERMISSION")}, "x-roles": roles}


def main():
    root, output = sys.argv[1:3]
    text = json.dumps(document(root), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv:
        with open(output, encoding="utf-8") as f:
            if f.read() != text:
                sys.exit("%s is not current: src/admin/openapi.py . docs/openapi.json" % output)
        return
    with open(output, "w", encoding="utf-8") as f:
        f.write(text)


main()
