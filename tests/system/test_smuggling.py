"""Look-alikes of the end of data: none may end a message for us, and none may leave us (every form of the public list)."""
import codecs

import pytest

import postern_testing as pt

LIST = pt.conformance("smtp", "smuggling-eod.tsv")
INNER = b"MAIL FROM:<evil@bad.test>\r\nRCPT TO:<ann@acme.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n"


def forms():
    if not LIST:
        return []
    with open(LIST, encoding="utf-8") as f:
        rows = [line.split("\t")[0] for line in f if line.strip() and not line.startswith(("#", "sequence\t", "("))]
    return [pytest.param(codecs.decode(row, "unicode_escape").encode("latin-1"), id=row) for row in rows]


pytestmark = pytest.mark.skipif(not LIST, reason="the public test material (POSTERN_CONFORMANCE) is not at hand")


@pytest.fixture(scope="module")
def strict():
    with pt.Gateway(settings={"max_connections_per_minute": "0"}) as g:
        yield g


@pytest.fixture(scope="module")
def lenient():
    with pt.Gateway(settings={"max_connections_per_minute": "0", "normalize_line_endings_from": ["127.0.0.0/8"]}) as g:
        yield g


def open_data(g, recipient):
    c = g.client()
    for line, code in (("EHLO client.example.test", "250"), ("MAIL FROM:<carol@example.test>", "250"), ("RCPT TO:<%s>" % recipient, "250"),
                       ("DATA", "354")):
        assert c.ask(line)[-1].startswith(code)
    return c


@pytest.mark.parametrize("form", forms())
def test_refused_inbound(strict, form):
    c = open_data(strict, "ann@acme.test")
    c.raw(pt.sample(subject="outer").encode() + form + INNER)
    reply = c.reply()
    assert reply and reply[-1].startswith("550 5.5.2"), reply
    assert c.is_closed(), "what stood behind the look-alike must not be read as commands"
    assert strict.sink.messages() == [] and strict.queue() == []


@pytest.mark.parametrize("form", forms())
def test_never_emitted(lenient, form):
    """From a network whose line endings are put right, it goes on as content of the one message, or is refused."""
    mark = "f%s@acme.test" % form.hex()
    c = open_data(lenient, mark)
    c.raw(pt.sample(subject="outer").encode() + form + b"inner line\r\n.\r\n")
    reply = c.reply()
    if reply[-1].startswith("5"):
        return
    # A look-alike that normalising turned into a true end of data would make a second reply: the rest read as commands.
    assert reply[-1].startswith("250"), reply
    c.send("QUIT")
    assert c.reply()[-1].startswith("221"), "the rest was taken for commands"
    found = pt.poll(lambda: lenient.sink.messages_for(mark))
    assert len(found) == 1 and b"inner line" in found[0]
    text = found[0].replace(b"\r\n", b"")
    assert b"\r" not in text and b"\n" not in text and b"\0" not in text


def test_two_pipelined_messages_are_two(strict):
    c = open_data(strict, "two@acme.test")
    c.raw(pt.sample(subject="first").encode() + b"\r\n.\r\nMAIL FROM:<carol@example.test>\r\nRCPT TO:<two@acme.test>\r\nDATA\r\n")
    codes = [c.reply()[-1][:3] for _ in range(4)]
    assert codes == ["250", "250", "250", "354"]
    c.raw(pt.sample(subject="second").encode() + b"\r\n.\r\n")
    assert c.reply()[-1].startswith("250")
    pt.poll(lambda: len(strict.sink.messages_for("two@acme.test")) == 2)
