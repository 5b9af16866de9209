"""scan: CPU time of reading messages, one core: messages a second, p50/p90/p99, peak memory; and which findings they give.

Without --list it reads the public corpus where it is at hand (POSTERN_CONFORMANCE or ../shared/conformance), and a set of messages made to
be expensive. Each message is read several times, the best time counts: this is about the code, not about the machine's other work.
"""
import argparse
import base64
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "system"))
import postern_testing as pt  # noqa: E402

TOP = "Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: <a@example.test>\r\nTo: <b@acme.test>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def corpus():
    folder = pt.conformance("corpus-spamassassin")
    for kind in sorted(os.listdir(folder)) if folder else []:
        if os.path.isdir(os.path.join(folder, kind)):
            for name in sorted(os.listdir(os.path.join(folder, kind))):
                yield "spam" if kind.startswith("spam") else "ham", os.path.join(folder, kind, name)


def html(text):
    return TOP + "Content-Type: text/html\r\n\r\n" + text


def attached(data, name):
    return TOP + 'Content-Type: application/octet-stream; name="%s"\r\nContent-Transfer-Encoding: base64\r\n\r\n' % name + base64.encodebytes(
        data).decode().replace("\n", "\r\n")


def zipped(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in entries:
            z.writestr(name, data)
    return out.getvalue()


def nested(depth):
    head, tail = "", ""
    for i in range(depth):
        head += 'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i)
        tail = "--b%d--\r\n" % i + tail
    return TOP + head + "Content-Type: text/plain\r\n\r\nx\r\n" + tail


def expensive():
    zeros = zipped([("zeros", b"\0" * (64 << 20))])
    yield "150 KB of nested div", html("<div>" * 30000 + "x")
    yield "150 KB of nested table", html("<table><tr><td>" * 10000)
    yield "1 MB of <", html("<" * (1 << 20))
    yield "1 MB of &", html("&" * (1 << 20))
    yield "1 MB of quotes", html("<a href=" + "\"'" * (1 << 19))
    yield "1 MB of comments", html("<!--" * (1 << 18))
    yield "1 MB of style rules", html("<style>" + "a{b:c}.x{display:none}" * 45000 + "</style>" + "<p class=x>y" * 10000)
    yield "60,000 links", html('<a href="http://a.example/">x</a>' * 60000)
    yield "60,000 links in text", TOP + "Content-Type: text/plain\r\n\r\n" + "http://a.example/\r\n" * 60000
    yield "1 MB of http://", TOP + "Content-Type: text/plain\r\n\r\n" + "http://" * 150000
    yield "1 MB of dots", TOP + "Content-Type: text/plain\r\n\r\n" + "a." * 500000
    yield "100,000 parts", TOP + 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + "--b\r\n\r\nx\r\n" * 100000 + "--b--\r\n"
    yield "5,000 levels", nested(5000)
    yield "100,000 header fields", TOP + "X: y\r\n" * 100000 + "\r\nx\r\n"
    yield "1 MB field", TOP + "X: " + "y " * (1 << 19) + "\r\n\r\nx\r\n"
    yield "1 MB of encoded words", TOP + "To: " + "=?utf-8?q?x?= " * 75000 + "\r\n\r\nx\r\n"
    yield "1 MB of comments in an address", TOP + "Cc: " + "(" * (1 << 20) + "\r\n\r\nx\r\n"
    yield "100,000 addresses", TOP + "Cc: " + "a@b.test, " * 100000 + "\r\n\r\nx\r\n"
    yield "1 MB of parameters", TOP + "Content-Type: text/plain" + "; a=b" * 200000 + "\r\n\r\nx\r\n"
    yield "100,000 continuations", TOP + "Content-Type: text/plain" + "".join("; a*%d=b" % i for i in range(100000)) + "\r\n\r\nx\r\n"
    yield "10 MB line", TOP + "\r\n" + "x" * (10 << 20) + "\r\n"
    yield "10 MB of =", TOP + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + "=" * (10 << 20) + "\r\n"
    yield "10 MB of base64 padding", TOP + "Content-Transfer-Encoding: base64\r\n\r\n" + "=" * (10 << 20) + "\r\n"
    yield "1 MB of begin lines", TOP + "\r\n" + "begin 644 a\r\n" * 80000
    yield "1 MB of =ybegin lines", TOP + "\r\n" + "=ybegin line=128 size=1 name=a\r\n" * 32000
    yield "boundaries that almost match", TOP + 'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n' % ("-" * 70) + "-" * (1 << 20) + "\r\n"
    yield "zip bomb, flat", attached(zeros, "a.zip")
    yield "zip bomb, nested", attached(zipped([("%d.zip" % i, zipped([("%d.zip" % j, zeros) for j in range(16)])) for i in range(16)]), "a.zip")
    yield "zip with 60,000 names", attached(zipped([("%d" % i, b"") for i in range(60000)]), "a.zip")


def run(rows, rounds):
    with tempfile.NamedTemporaryFile("w", suffix=".list") as f:
        f.writelines("%s\t%s\n" % row for row in rows)
        f.flush()
        with open(f.name) as listed:
            done = subprocess.run([os.path.join(ROOT, "build-release", "tests", "bench", "bench-scan"), str(rounds)], stdin=listed,
                                  stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout) if done.stdout else None


def show(title, r):
    print("%s: %d messages, %.0f/s, %.1f MB/s; CPU us p50 %.0f p90 %.0f p99 %.0f max %.0f; peak memory %.1f MB" % (
        title, r["messages"], r["messages_per_second"], r["megabytes_per_second"], r["p50_us"], r["p90_us"], r["p99_us"], r["max_us"],
        r["peak_rss_kb"] / 1024))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--list", help='file with lines "label<TAB>path"')
    options.add_argument("--findings", action="store_true", help="how many messages of each label have which finding")
    options.add_argument("--no-expensive", action="store_true")
    chosen = options.parse_args()
    if chosen.list:
        with open(chosen.list) as f:
            rows = [tuple(line.rstrip("\n").split("\t")[:2]) for line in f]
    else:
        rows = list(corpus())
    if rows:
        result = run(rows, chosen.rounds)
        show("corpus", result)
        for label, counts in sorted(result["labels"].items()) if chosen.findings else []:
            for name, count in sorted(counts.items(), key=lambda pair: -pair[1]):
                print("  %s %-32s %5d  %.2f %%" % (label, name, count, 100.0 * count / counts["messages"]))
    else:
        print("the public corpus is not here; skipped")
    if chosen.no_expensive:
        return
    with tempfile.TemporaryDirectory() as d:
        for number, (name, text) in enumerate(expensive()):
            path = os.path.join(d, "%d.eml" % number)
            with open(path, "w", encoding="latin-1", newline="") as f:
                f.write(text)
            result = run([("expensive", path)], 2)
            what = ", ".join(sorted(set(result["labels"]["expensive"]) - {"messages"}))
            print("  %-34s %8.1f ms, %5.1f MB at most: %s" % (name, result["max_us"] / 1000, result["peak_rss_kb"] / 1024, what[:100]))
            os.unlink(path)


main()
