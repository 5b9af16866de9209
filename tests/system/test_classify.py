"""postern train and postern classify: a model in a file, by single messages, by an index, and as the TREC toolkit speaks."""
import re
import subprocess

import pytest

import postern_testing as pt

SPAM = "From: x{0}@offers.test\nSubject: Amazing offer {0}\n\nBuy cheap pills now and save money, click here today {0}\n"
HAM = "From: ann{0}@acme.test\nSubject: Minutes of meeting {0}\n\nPlease find the minutes below, see you at noon tomorrow {0}\n"


@pytest.fixture
def mail(tmp_path):
    lines = []
    for i in range(40):
        for label, text in (("spam", SPAM), ("ham", HAM)):
            (tmp_path / ("%s%d" % (label, i))).write_text(text.format(i))
            lines.append("%s %s%d\n" % (label, label, i))
    (tmp_path / "index").write_text("".join(lines))
    return tmp_path


def run(*words, code=0):
    done = subprocess.run([pt.binary(), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def scores(text):
    return [(judge, float(score)) for judge, score in re.findall(r"judge=(\w+) class=\w+ score=(\S+)", text)]


def test_an_index_is_judged_then_learned(mail):
    rows = scores(run("classify", "--index", mail / "index", "--model", mail / "model", "--learn"))
    assert len(rows) == 80 and rows[0] == ("spam", 0.0)
    assert all((score > 0) == (judge == "spam") for judge, score in rows[10:])
    fixed = run("classify", "--index", mail / "index", "--model", mail / "model")
    assert fixed == run("classify", "--index", mail / "index", "--model", mail / "model"), "judging alone changes nothing"


def test_training_and_judging_single_messages(mail):
    model = mail / "m"
    assert "40 messages of spam and 40 of ham" in run("train", "--index", mail / "index", "--model", model)
    line = run("classify", mail / "spam3", "--model", model)
    assert re.fullmatch(r"class=spam score=[\d.]+ tfile=.*spam3\n", line)
    before = float(re.search(r"score=(\S+)", line).group(1))
    run("train", "ham", mail / "spam3", mail / "spam3", "--model", model)
    assert float(re.search(r"score=(\S+)", run("classify", mail / "spam3", "--model", model)).group(1)) < before


def test_the_trec_toolkit_is_understood(mail):
    trec = ("classify", "--protocol", "trec", "--model", mail / "t")
    run(*trec, "initialize")
    assert run(*trec, "classify", mail / "ham0").startswith("class=ham score=0.000000 tfile=")
    for i in range(5):
        run(*trec, "train", "spam", mail / ("spam%d" % i), "result")
        run(*trec, "train", "ham", mail / ("ham%d" % i), "result")
    assert run(*trec, "classify", mail / "spam30").startswith("class=spam ")
    assert run(*trec, "classify", mail / "ham30").startswith("class=ham ")
    run(*trec, "finalize")
    run(*trec, "initialize")
    assert "score=0.000000" in run(*trec, "classify", mail / "spam30")


def test_what_is_wrong_is_said(mail):
    assert "--model" in subprocess.run([pt.binary(), "classify", str(mail / "ham0")], capture_output=True, text=True).stderr
    run("classify", mail / "ham0", "--model", mail / "none", code=66)
    (mail / "bad").write_text("spam spam0\nwhatever spam1\n")
    done = subprocess.run([pt.binary(), "train", "--index", str(mail / "bad"), "--model", str(mail / "m2")], capture_output=True, text=True)
    assert done.returncode == 65 and ":2:" in done.stderr
    (mail / "text").write_text("no model")
    assert "not a model" in subprocess.run([pt.binary(), "classify", str(mail / "ham0"), "--model", str(mail / "text")], capture_output=True, text=True).stderr
