"""The public RFC 7208 suite, by a zone file in place of the DNS."""
import os
import subprocess
import tempfile

import postern_testing as pt
import pytest

yaml = pytest.importorskip("yaml")
DRIVER = os.environ.get("SPF_DRIVER") or os.path.join(os.path.dirname(os.path.dirname(pt.binary())), "tests", "unit", "spf-driver")


def quoted(text):
    return '"%s"' % "".join(c if c.isalnum() or c in " =:.-/" else "".join("\\%03d" % octet for octet in c.encode()) for c in text)


def zone(data):
    """zonedata of the suite as a zone file. TIMEOUT fails every question for a name; SPF stands for TXT where there is no TXT."""
    lines = []
    for name, records in data.items():
        name = name.lower().rstrip(".").replace(" ", "\\032") + "."
        kinds = [k for r in records if isinstance(r, dict) for k in r]
        for record in records:
            if record == "TIMEOUT":
                lines.append("%s TIMEOUT" % name)
                continue
            (kind, value), = record.items()
            if kind == "SPF" and "TXT" in kinds:
                continue
            if value == "TIMEOUT":
                lines.append("%s TIMEOUT" % name)
            elif kind in ("SPF", "TXT"):
                if value != "NONE":
                    lines.append("%s TXT %s" % (name, " ".join(quoted(x) for x in (value if isinstance(value, list) else [value]))))
            elif kind == "MX":
                lines.append("%s MX %d %s" % (name, value[0], (value[1].rstrip(".") + ".") if value[1] else "."))
            elif kind in ("PTR", "CNAME"):
                lines.append("%s %s %s." % (name, kind, value.rstrip(".")))
            else:
                lines.append("%s %s %s" % (name, kind, value))
    return "\n".join(lines) + "\n"


def run(scenario, name):
    test = scenario["tests"][name]
    with tempfile.NamedTemporaryFile("w", suffix=".zone", encoding="latin-1") as f:
        f.write(zone(scenario["zonedata"]))
        f.flush()
        line = "%s\t%s\t%s\n" % (test["host"], test["helo"], test["mailfrom"])
        done = subprocess.run([DRIVER, f.name], input=line.encode("latin-1"), stdout=subprocess.PIPE, check=True, timeout=60)
    result, explanation, problem = done.stdout.decode("latin-1").rstrip("\n").split("\t")
    return result, explanation, problem, test


def test_rfc7208_suite():
    path = pt.conformance("spf", "rfc7208-tests.yml")
    if not path:
        pytest.skip("the public SPF suite is not here")
    passed, wrong = 0, []
    with open(path, encoding="utf-8") as f:
        for scenario in yaml.safe_load_all(f):
            default = scenario.get("defaults", {}).get("explanation") if isinstance(scenario.get("defaults"), dict) else None
            for name in scenario["tests"]:
                result, explanation, problem, test = run(scenario, name)
                wanted = test["result"] if isinstance(test["result"], list) else [test["result"]]
                words = test.get("explanation")
                fine = result in wanted and (words is None or (explanation or "DEFAULT") == words or (words == default and not explanation))
                passed += fine
                if not fine:
                    wrong.append("%s: %s %r (%s), wanted %s %r" % (name, result, explanation, problem, wanted, words))
    print("RFC 7208 suite: %d of %d" % (passed, passed + len(wrong)))
    assert not wrong, "\n".join(wrong)
