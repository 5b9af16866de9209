"""Every operation, by every role at every place that it may stand, on its own objects and on those of another tenant: nothing leaks, nothing changes."""
import json
import sqlite3

import pytest
from api_description import answer_is_as_described, good_body, load, operations
from console_client import Api
from postern_testing import Gateway

PASSWORD = "correct horse battery"
DOCUMENT = load()
OPERATIONS = operations(DOCUMENT)
ROLES = DOCUMENT["x-roles"]
ACTORS = [(role, scope) for role, row in ROLES.items() for scope in row["scopes"]]
BELOW = [(role, scope) for role, scope in ACTORS if scope != "all"]
OTHER = "zebra"  # stands in everything of the other tenant, and in nothing else
ELSEWHERE = {"tenant": "tenant", "domain": "domain", "mailbox": "mailbox"}


class Side:
    """A tenant with one of everything."""

    def __init__(self, gateway, local, name):
        self.name = name
        domain, address = name + ".test", "ann@%s.test" % name
        self.ids = ids = {}
        ids["tenant"] = local.made("tenants", {"name": name})["id"]
        ids["domain"] = local.made("domains", {"name": domain, "tenant": name})["id"]
        ids["mailbox"] = local.made("domains/%s/mailboxes" % domain, {"local_part": "ann"})["id"]
        ids["account"] = local.made("domains/%s/accounts" % domain, {"kind": "user", "login": "out@" + domain, "password": PASSWORD})["id"]
        ids["entry"] = local.made("domains/%s/lists/sender-allow" % domain, {"pattern": "friend@%s.example" % name})["id"]
        ids["rule"] = local.made("domains/%s/rules" % domain, {"name": "rule of " + name, "definition": {"conditions": [{"what": "size", "operator": "larger", "value": 1000000000}], "action": "tag"}})["id"]
        ids["person"] = local.made("persons", {"login": "boss-" + name, "role": "domain-owner", "domain": domain, "password": PASSWORD})["id"]
        ids["key"] = local.made("persons/boss-%s/keys" % name, {"name": "key of " + name, "permissions": ["view-meta"]})["id"]
        ids["alias"] = local.made("domains/%s/aliases" % domain, {"name": "alias-%s.test" % name})["name"]
        local.made("mailboxes/%s/aliases" % address, {"local_part": "annie"})
        local.put("domains/%s/settings/observe" % domain, {"value": True})
        boss = Api(gateway, local=False)
        assert boss.sign_in("boss-" + name, PASSWORD).status == 200
        ids["session"] = boss.get("me/sessions").json["items"][0]["id"]
        ids["setting"], ids["list"] = "observe", "sender-allow"
        number = (1700000000000 << 21) + len(name) # as db_new_id() makes them
        with sqlite3.connect(gateway.path("state", "store.db"), timeout=20) as db:
            db.execute("INSERT INTO body(id, packing, size, header, data) VALUES(?, 'none', 20, x'', ?)", (number, b"Subject: x\r\n\r\n" + name.encode()))
            db.execute("INSERT INTO quarantine(id, body, tenant, domain, direction, reference, sender, recipient, subject, size, reason, is_refused, envelope, state, "
                       "changed_ms, expires_ms) VALUES(?, ?, ?, ?, 'in', ?, ?, ?, ?, 20, 'SPF_FAILURE', 1, x'', 'kept', 1, 99999999999999)",
                       (number, number, int(ids["tenant"]), int(ids["domain"]), name, "from@%s.example" % name, address, "subject of " + name))
            db.execute("INSERT INTO message(id, tenant, domain, reference, direction, sender, recipient, subject, status, changed_ms) VALUES(?, ?, ?, ?, 'in', ?, ?, ?, "
                       "'quarantined', 1)", (number, int(ids["tenant"]), int(ids["domain"]), name, "from@%s.example" % name, address, "subject of " + name))
        ids["quarantined"] = ids["message"] = str(number)

    def path(self, operation):
        path = operation.path
        for hole in operation.holes:
            path = path.replace("{%s}" % hole, "spam_threshold" if hole == "setting" and operation.object == "mailbox" else self.ids[hole])
        if operation.id == "local_remove":
            return path.replace(self.ids["alias"], "annie")
        return path


@pytest.fixture(scope="module")
def scene():
    with Gateway(sink=False, tls=False, settings={"console_sign_in_attempts": 1000}) as g:
        local = Api(g)
        own, other = Side(g, local, "own"), Side(g, local, OTHER)
        actors = {}
        for role, scope in ACTORS:
            login = "%s-at-%s" % (role, scope)
            local.made("persons", dict({"login": login, "role": role, "password": PASSWORD}, **({scope: own.ids[scope]} if scope != "all" else {})))
            actors[role, scope] = Api(g, local=False)
            assert actors[role, scope].sign_in(login, PASSWORD).status == 200
        yield g, own, other, actors


def state(gateway):
    """All of the store but when somebody was seen."""
    with sqlite3.connect(gateway.path("state", "store.db"), timeout=20) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        found = {}
        for table in tables:
            columns = [row[1] for row in db.execute("PRAGMA table_info(%s)" % table) if row[1] not in ("seen_ms", "used_ms")]
            found[table] = sorted(map(repr, db.execute("SELECT %s FROM %s" % (", ".join(columns), table))))
    return found


def ask(api, operation, path, body, dry_run):
    if operation.changes and dry_run:
        path += "?dry_run=true"
    if operation.is_csv:
        return api.ask(operation.method, path, csv="somebody\n" if "mailboxes" in path else "some.test\n")
    return api.ask(operation.method, path, body)


def may(role, operation):
    return operation.permission is None or operation.permission in ROLES[role]["permissions"]


@pytest.mark.parametrize("role, scope", BELOW)
def test_of_another_tenant_nothing_is_seen_and_nothing_changes(scene, role, scope):
    gateway, _, other, actors = scene
    before, api = state(gateway), actors[role, scope]
    for operation in OPERATIONS:
        if operation.object in ("public", "self", "scope"):
            continue
        answer = ask(api, operation, other.path(operation), good_body(operation, "intruder"), False)
        wanted = 403 if not may(role, operation) or operation.object == "system" else 404
        assert answer.status == wanted, (operation, answer)
        assert OTHER.encode() not in answer.raw.lower(), (operation, answer)
        assert answer_is_as_described(operation, answer) is None, (operation, answer)
    assert state(gateway) == before


@pytest.mark.parametrize("role, scope", ACTORS)
def test_lists_hold_nothing_of_another_tenant(scene, role, scope):
    _, own, _, actors = scene
    for operation in OPERATIONS:
        if operation.changes or operation.object == "public":
            continue
        answer = actors[role, scope].get(own.path(operation))
        assert answer.status < 500 or operation.object == "system", (operation, answer)
        if scope != "all":
            assert OTHER.encode() not in answer.raw.lower(), (operation, answer)


@pytest.mark.parametrize("role, scope", BELOW)
def test_nothing_refers_to_what_is_of_another_tenant(scene, role, scope):
    gateway, own, other, actors = scene
    before = state(gateway)
    for operation in OPERATIONS:
        for field in ELSEWHERE:
            body = good_body(operation, "reference")
            if not operation.changes or not operation.schema or field not in operation.schema["properties"] or operation.object == "system":
                continue
            body[field] = other.ids[field]
            if field == "parent":
                body[field] = other.ids["tenant"]
            if "role" in body:
                body["role"] = {"tenant": "reseller", "domain": "domain-owner", "mailbox": "mailbox"}[field]
            answer = actors[role, scope].ask(operation.method, own.path(operation), body)
            assert answer.status in (400, 403, 404, 409), (operation, field, answer)
    assert state(gateway) == before


@pytest.mark.parametrize("role, scope", ACTORS)
def test_a_role_may_what_its_permissions_say_and_no_more(scene, role, scope):
    gateway, own, _, actors = scene
    before, api = state(gateway), actors[role, scope]
    covers = {"all": 9, "tenant": 3, "domain": 2, "mailbox": 1}[scope]
    depth = {"tenant": 3, "domain": 2, "mailbox": 1, "account": 2, "entry": 2, "rule": 2, "person": 2, "quarantined": 1, "message": 1}
    for operation in OPERATIONS:
        if operation.id in ("sign_in", "sign_out"):
            continue
        answer = ask(api, operation, own.path(operation), good_body(operation, "allowed"), True)
        assert answer.status not in (401, 405, 500), (operation, answer)
        if not may(role, operation) or (operation.object == "system" and scope != "all"):
            assert answer.status == 403, (operation, answer)
        elif operation.object in depth and depth[operation.object] > covers:
            assert answer.status == 404, (operation, answer)
        elif answer.status == 403: # it may, but not this: what is his own, what allows more than he may, what needs a session of one's own
            why = answer.json["type"].rpartition(":")[2]
            assert why in ("more-permissions", "session") or (why == "scope" and (operation.above or operation.object == "scope" or operation.id == "domain_change")), \
                (operation, answer)
        assert answer_is_as_described(operation, answer) is None, (operation, answer, answer_is_as_described(operation, answer))
    assert state(gateway) == before


def test_of_all_that_match_those_of_another_tenant_are_none(scene):
    gateway, own, other, actors = scene
    for role, scope in BELOW:
        if "release" not in ROLES[role]["permissions"]:
            continue
        api = actors[role, scope]
        for verb in ("release", "remove"):
            assert api.post("quarantine/%s?dry_run=true" % verb, {}).json["count"] == 1 # its own
            assert api.post("quarantine/%s?dry_run=true" % verb, {"recipient": "ann@%s.test" % OTHER}).json["count"] == 0
        assert [m["reference"] for m in api.get("messages").json["items"]] == ["own"]
        assert [m["reference"] for m in api.get("quarantine").json["items"]] == ["own"]


def test_support_never_sees_a_body(scene):
    _, own, _, actors = scene
    bodies = [o for o in OPERATIONS if o.permission == "view-body"]
    assert bodies
    for scope in ROLES["support"]["scopes"]:
        for operation in bodies:
            assert actors["support", scope].get(own.path(operation)).status == 403


def test_every_operation_names_a_permission_or_says_why_not():
    for operation in OPERATIONS:
        assert operation.permission in DOCUMENT["x-permissions"] or operation.object in ("public", "self"), operation
        assert operation.id == "sign_in" or operation.object != "public", operation
    assert json.dumps(DOCUMENT).count("x-permission\"") == len(OPERATIONS)
