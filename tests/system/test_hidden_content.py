"""Whatever way of writing MIME hides a file from one reader and shows it to another: it is found, or the message is called malformed."""
import concurrent.futures
import hashlib
import json
import subprocess

import hidden_content
import postern_testing as pt

WANTED = {hashlib.sha256(hidden_content.EICAR + end).hexdigest() for end in (b"", b"\r\n", b"\n", b" ", b"\r\n\r\n")}


def inspect(message):
    done = subprocess.run([pt.binary(), "inspect", "-", "--json"], input=message.encode("latin-1"), stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(done.stdout)


def verdict(report):
    if any(x.get("sha256") in WANTED for x in report["parts"] + report["files"]):
        return "found"
    if any(hidden_content.EICAR.decode() in t["text"] for t in report["texts"]):
        return "found in text"
    for f in report["findings"]:
        if f["reason"] in ("MESSAGE_MALFORMED", "PARTIAL_MESSAGE") or (f["reason"] == "ATTACHMENT_BLOCKED" and "too deep" in f["evidence"]):
            return f["reason"]
    return ""


def test_every_variant_is_seen():
    variants = list(hidden_content.variants())
    assert len(variants) >= 150 and len({name for name, _ in variants}) == len(variants)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        verdicts = dict(zip((name for name, _ in variants), pool.map(lambda v: verdict(inspect(v[1])), variants)))
    unseen = [name for name, seen in verdicts.items() if not seen]
    print("%d variants: %d found, %d called malformed" % (len(variants), sum("found" in v for v in verdicts.values()),
                                                          sum(v.isupper() for v in verdicts.values())))
    assert unseen == []


def test_plain_mail_is_not_called_malformed():
    """The same messages with nothing tricky about them."""
    p = hidden_content.part(b"hello", "a.txt", "text/plain")
    for message in (hidden_content.mixed(hidden_content.TEXT, p), hidden_content.TOP + "\r\nhello\r\n",
                    hidden_content.TOP + hidden_content.VERSION + p,
                    hidden_content.mixed(hidden_content.TEXT, "Content-Type: message/rfc822\r\n\r\n" + hidden_content.TOP + "\r\nx\r\n"),
                    hidden_content.mixed(hidden_content.TEXT, p, preamble="This is a multi-part message in MIME format.\r\n"),
                    hidden_content.mixed(hidden_content.mixed(hidden_content.TEXT, p, top="", boundary="=_b", end="--=_b--\r\n",
                                                              ctype='multipart/alternative; boundary="=_b"'), p)):
        report = inspect(message)
        assert [d for d in report["defects"] if d["ambiguous"]] == [], message
