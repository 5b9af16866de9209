"""hidden_content.py: the EICAR test file behind every way of building MIME that readers are known to read differently.

variants() yields (name, message). A gateway must find the file's bytes in one of its readings, or say that the message is malformed; what it
must not do is to see neither. The string itself is put together here, so that no scanner stumbles over this source.
"""
import base64
import binascii
import gzip
import bz2
import io
import lzma
import struct
import tarfile
import zipfile

EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + r"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*").encode()
TOP = "Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: <carol@example.test>\r\nTo: <ann@acme.test>\r\nSubject: x\r\n"
VERSION = "MIME-Version: 1.0\r\n"


def zipped(data, name="eicar.com", method=zipfile.ZIP_DEFLATED, comment=b"", before=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        z.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
        z.comment = comment
    return before + out.getvalue()


def tarred(data, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        info = tarfile.TarInfo("eicar.com")
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def b64(data, width=76):
    text = base64.b64encode(data).decode()
    return "".join(text[i:i + width] + "\r\n" for i in range(0, len(text), width))


def uu(data, name="eicar.com", end="`\r\nend\r\n", begin="begin 644 "):
    lines = [binascii.b2a_uu(data[i:i + 45], backtick=True).decode().rstrip("\n") + "\r\n" for i in range(0, len(data), 45)]
    return begin + name + "\r\n" + "".join(lines) + end


def yenc(data, name="eicar.com"):
    coded = bytearray()
    for octet in data:
        o = (octet + 42) & 255
        coded += bytes([61, (o + 64) & 255]) if o in (0, 10, 13, 61, 46) else bytes([o])
    head = "=ybegin line=128 size=%d name=%s\r\n" % (len(data), name)
    tail = "\r\n=yend size=%d crc32=%08x\r\n" % (len(data), binascii.crc32(data))
    return (head.encode() + bytes(coded) + tail.encode()).decode("latin-1")


def qp(data):
    return binascii.b2a_qp(data, istext=False).decode("latin-1").replace("\n", "\r\n")


def qp_all(data, lower=False, soft=0):
    out = ""
    for i, octet in enumerate(data):
        out += ("=%02x" if lower else "=%02X") % octet
        if soft and i % soft == soft - 1:
            out += "=\r\n"
    return out + "\r\n"


def tnef(data, name=b"eicar.com\0"):
    def attribute(level, ident, kind, body):
        return struct.pack("<BHHI", level, ident, kind, len(body)) + body + struct.pack("<H", sum(body) & 0xFFFF)
    rend = b"\x01\x00" + b"\xff\xff\xff\xff" + b"\0" * 8
    return struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x9006, 8, b"\0\0\1\0") + attribute(2, 0x9002, 6, rend) + \
        attribute(2, 0x8010, 1, name) + attribute(2, 0x800F, 6, data)


def raw(data):
    return data.decode("latin-1") + "\r\n"


ATTACHED = 'Content-Disposition: attachment; filename="%s"\r\n'


def part(data, name="eicar.com", ctype="application/octet-stream", cte="Content-Transfer-Encoding: base64\r\n", body=None, disposition=None):
    return "Content-Type: %s\r\n%s%s\r\n%s" % (ctype, cte, ATTACHED % name if disposition is None else disposition, b64(data) if body is None else body)


def mixed(*parts, ctype='multipart/mixed; boundary="=_a"', boundary="=_a", end="--=_a--\r\n", top=TOP + VERSION, preamble="", epilogue="", blank="\r\n",
          open_line=None):
    line = open_line or ("--%s\r\n" % boundary)
    return top + "Content-Type: %s\r\n" % ctype + blank + preamble + "".join(line + p + ("" if p.endswith("\r\n") else "\r\n") for p in parts) + end + epilogue


TEXT = "Content-Type: text/plain\r\n\r\nhello\r\n"


def encodings(data):
    """Ways to write the content of one part."""
    text = base64.b64encode(data).decode()
    third = max(3, len(data) // 3 // 3 * 3 + 1)
    chunks = [data[i:i + third] for i in range(0, len(data), third)]
    base = "Content-Transfer-Encoding: base64\r\n"
    yield "base64", base, b64(data)
    yield "base64 one long line", base, text + "\r\n"
    yield "base64 one character a line", base, "\r\n".join(text) + "\r\n"
    yield "base64 four characters a line with blanks", base, "".join(" " + text[i:i + 4] + " \t\r\n" for i in range(0, len(text), 4))
    yield "base64 with junk", base, b64(data).replace("\r\n", "!\r\n")
    yield "base64 with dashes inside", base, "\r\n".join(text[i:i + 10] + "-" for i in range(0, len(text), 10)) + "\r\n"
    yield "base64 with dots and stars", base, ".*".join(text[i:i + 7] for i in range(0, len(text), 7)) + "\r\n"
    yield "base64 with raw octets between", base, "\xe9".join(text[i:i + 9] for i in range(0, len(text), 9)) + "\r\n"
    yield "base64 in padded pieces", base, "\r\n".join(base64.b64encode(c).decode() for c in chunks) + "\r\n"
    yield "base64 in padded pieces on one line", base, "".join(base64.b64encode(c).decode() for c in chunks) + "\r\n"
    yield "base64 byte by byte", base, "".join(base64.b64encode(bytes([o])).decode() for o in data) + "\r\n"
    yield "base64 without padding", base, text.rstrip("=") + "\r\n"
    yield "base64 with data behind the padding", base, base64.b64encode(data + b" ").decode().rstrip("=") + "==\r\nAAAA\r\n"
    yield "base64 with text behind it", base, b64(data) + "\r\n-- \r\nSent from my list\r\n"
    yield "base64 behind an empty line", base, "\r\n\r\n" + b64(data)
    yield "base64 behind a padding", base, "====\r\n" + b64(data)
    yield "base64 with = between", base, text[:8] + "=" + text[8:] + "\r\n"
    for name, field in (("upper case", "BASE64"), ("trailing blanks", "base64 \t"), ("semicolon", "base64;"), ("comma", "base64,"), ("quoted", '"base64"'),
                        ("comment behind", "base64 (really)"), ("comment before", "(really) base64"), ("x-base64", "x-base64"), ("two words", "base64 7bit"),
                        ("two words, other order", "7bit base64"), ("dot", "base64."), ("parameter", "base64; x=y"), ("empty comment", "base64()"),
                        ("broken by a comment", "base(x)64"), ("apostrophes", "'base64'"), ("equals", "=base64")):
        yield "encoding name with " + name, "Content-Transfer-Encoding: %s\r\n" % field, b64(data)
    yield "encoding on a folded line", "Content-Transfer-Encoding:\r\n base64\r\n", b64(data)
    yield "encoding on a third line", "Content-Transfer-Encoding:\r\n \r\n base64\r\n", b64(data)
    yield "encoding field with a blank before its colon", "Content-Transfer-Encoding : base64\r\n", b64(data)
    yield "encoding field in odd case", "cOnTeNt-TrAnSfEr-EnCoDiNg: base64\r\n", b64(data)
    yield "encoding field without a blank", "Content-Transfer-Encoding:base64\r\n", b64(data)
    yield "encoding field name broken by a fold", "Content-Transfer\r\n -Encoding: base64\r\n", b64(data)
    yield "encoding twice, base64 last", "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n", b64(data)
    yield "encoding twice, base64 first", "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n", b64(data)
    yield "encoding twice, quoted-printable and base64", "Content-Transfer-Encoding: quoted-printable\r\nContent-Transfer-Encoding: base64\r\n", b64(data)
    yield "encoding behind a line that is no field", "X\r\nContent-Transfer-Encoding: base64\r\n", b64(data)
    yield "encoding behind a line of blanks", "X-A: b\r\n \r\nContent-Transfer-Encoding: base64\r\n", b64(data)
    yield "encoding behind a tab line", "\t\r\nContent-Transfer-Encoding: base64\r\n", b64(data)
    yield "base64 declared as quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n", b64(data)
    yield "base64 declared as 7bit", "Content-Transfer-Encoding: 7bit\r\n", b64(data)
    yield "base64 without a declaration", "", b64(data)
    yield "unknown encoding", "Content-Transfer-Encoding: base32\r\n", b64(data)
    yield "quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n", qp(data)
    yield "quoted-printable, all octets", "Content-Transfer-Encoding: quoted-printable\r\n", qp_all(data)
    yield "quoted-printable, small letters", "Content-Transfer-Encoding: quoted-printable\r\n", qp_all(data, lower=True)
    yield "quoted-printable, soft breaks", "Content-Transfer-Encoding: quoted-printable\r\n", qp_all(data, soft=5)
    yield "quoted-printable, blanks behind soft breaks", "Content-Transfer-Encoding: quoted-printable\r\n", qp_all(data, soft=7).replace("=\r\n", "=  \r\n")
    yield "uuencode", "Content-Transfer-Encoding: x-uuencode\r\n", uu(data)
    yield "uuencode by another name", "Content-Transfer-Encoding: uuencode\r\n", uu(data)
    yield "x-uue", "Content-Transfer-Encoding: x-uue\r\n", uu(data)
    yield "uuencode without its end", "Content-Transfer-Encoding: x-uuencode\r\n", uu(data, end="")
    yield "uuencode behind text", "Content-Transfer-Encoding: x-uuencode\r\n", "some words\r\n\r\n" + uu(data)
    yield "yenc", "Content-Transfer-Encoding: x-yencode\r\n", yenc(data)
    yield "uuencode in plain text", "", "hello\r\n\r\n" + uu(data) + "\r\nbye\r\n"
    yield "uuencode in plain text, the second of two", "", uu(b"nothing", "a.txt") + uu(data)
    yield "uuencode in plain text, other mode", "", uu(data, begin="begin 7777 ")
    yield "yenc in plain text", "", "hello\r\n\r\n" + yenc(data)


def structures(data):
    """Ways to hang a part into a message."""
    p = part(data)
    bad = mixed(TEXT, p)
    yield "plain", bad
    yield "alone", TOP + VERSION + p
    yield "alone without MIME-Version", TOP + p
    yield "multipart without MIME-Version", mixed(TEXT, p, top=TOP)
    yield "MIME-Version twice", mixed(TEXT, p, top=TOP + VERSION + VERSION)
    yield "MIME-Version with a comment", mixed(TEXT, p, top=TOP + "MIME-Version: (x) 1.0\r\n")
    yield "missing end", mixed(TEXT, p, end="")
    yield "missing end and a cut line", mixed(TEXT, p, end="--=_a-")
    yield "only part", mixed(p)
    yield "part behind the end", mixed(TEXT, epilogue="--=_a\r\n" + p + "--=_a--\r\n")
    yield "part in the epilogue, without a boundary", mixed(TEXT, epilogue="\r\n" + p)
    yield "uuencode in the epilogue", mixed(TEXT, epilogue="\r\n" + uu(data))
    yield "uuencode in the preamble", mixed(TEXT, preamble=uu(data))
    yield "part in the preamble", mixed(TEXT, preamble=p)
    yield "whole multipart in the preamble", mixed(TEXT, preamble="--=_b\r\n" + p + "--=_b--\r\n")
    yield "boundary twice, first", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a"; boundary="=_b"')
    yield "boundary twice, last", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_b"; boundary="=_a"')
    yield "boundary in pieces", mixed(TEXT, p, ctype='multipart/mixed; boundary*0="="; boundary*1="_a"')
    yield "boundary in pieces and whole", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_b"; boundary*0="="; boundary*1="_a"')
    yield "boundary in pieces and whole, the other way", mixed(TEXT, p, ctype='multipart/mixed; boundary*0="="; boundary*1="_b"; boundary="=_a"')
    yield "boundary extended", mixed(TEXT, p, ctype="multipart/mixed; boundary*=us-ascii''%3D_a")
    yield "boundary extended and plain", mixed(TEXT, p, ctype="multipart/mixed; boundary=x; boundary*=us-ascii''%3D_a")
    yield "boundary as encoded word", mixed(TEXT, p, ctype='multipart/mixed; boundary="=?us-ascii?q?=3D=5Fa?="')
    yield "boundary as encoded word, taken as it is", mixed(TEXT, p, ctype='multipart/mixed; boundary="=?us-ascii?q?=3D=5Fa?="', boundary="=?us-ascii?q?=3D=5Fa?=",
                                                            end="--=?us-ascii?q?=3D=5Fa?=--\r\n")
    yield "boundary with escapes", mixed(TEXT, p, ctype='multipart/mixed; boundary="=\\_\\a"')
    yield "boundary without quotes", mixed(TEXT, p, ctype="multipart/mixed; boundary==_a")
    yield "boundary in apostrophes", mixed(TEXT, p, ctype="multipart/mixed; boundary='=_a'")
    yield "boundary in apostrophes, taken with them", mixed(TEXT, p, ctype="multipart/mixed; boundary='ab'", boundary="'ab'", end="--'ab'--\r\n")
    yield "boundary with an open quote", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a')
    yield "boundary quoted in the middle", mixed(TEXT, p, ctype='multipart/mixed; boundary=="_a"')
    yield "boundary with a comment behind", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a" (x)')
    yield "boundary with a comment before", mixed(TEXT, p, ctype='multipart/mixed; boundary=(x)"=_a"')
    yield "boundary, a comment glued to it", mixed(TEXT, p, ctype='multipart/mixed; boundary=ab(x)', boundary="ab", end="--ab--\r\n")
    yield "boundary, a comment taken with it", mixed(TEXT, p, ctype='multipart/mixed; boundary=ab(x)', boundary="ab(x)", end="--ab(x)--\r\n")
    yield "boundary with a blank inside, unquoted", mixed(TEXT, p, ctype='multipart/mixed; boundary=a b', boundary="a b", end="--a b--\r\n")
    yield "boundary cut at the blank", mixed(TEXT, p, ctype='multipart/mixed; boundary=a b', boundary="a", end="--a--\r\n")
    yield "boundary with a slash, unquoted", mixed(TEXT, p, ctype='multipart/mixed; boundary=a/b', boundary="a/b", end="--a/b--\r\n")
    yield "boundary cut at the slash", mixed(TEXT, p, ctype='multipart/mixed; boundary=a/b', boundary="a", end="--a--\r\n")
    yield "boundary with a blank at its end", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a "')
    yield "boundary longer than 70", mixed(TEXT, p, ctype='multipart/mixed; boundary="%s"' % ("a" * 100), boundary="a" * 100, end="--" + "a" * 100 + "--\r\n")
    yield "boundary cut at 70", mixed(TEXT, p, ctype='multipart/mixed; boundary="%s"' % ("a" * 100), boundary="a" * 70, end="--" + "a" * 70 + "--\r\n")
    yield "boundary empty", mixed(TEXT, p, ctype='multipart/mixed; boundary=""', boundary="", end="----\r\n")
    yield "boundary missing", mixed(TEXT, p, ctype="multipart/mixed")
    yield "boundary of one dash", mixed(TEXT, p, ctype='multipart/mixed; boundary="-"', boundary="-", end="-----\r\n")
    yield "boundary in another case", mixed(TEXT, p, ctype='multipart/mixed; boundary="AB"', boundary="ab", end="--ab--\r\n")
    yield "boundary parameter in odd case", mixed(TEXT, p, ctype='multipart/mixed; BoUnDaRy="=_a"')
    yield "blanks around the equals sign", mixed(TEXT, p, ctype='multipart/mixed; boundary = "=_a"')
    yield "boundary on a folded line", mixed(TEXT, p, ctype='multipart/mixed;\r\n\tboundary="=_a"')
    yield "boundary folded inside", mixed(TEXT, p, ctype='multipart/mixed; boundary="=\r\n _a"')
    yield "boundary folded inside, taken with the blank", mixed(TEXT, p, ctype='multipart/mixed; boundary="=\r\n _a"', boundary="= _a", end="--= _a--\r\n")
    yield "no semicolon", mixed(TEXT, p, ctype='multipart/mixed boundary="=_a"')
    yield "two semicolons", mixed(TEXT, p, ctype='multipart/mixed;; boundary="=_a"')
    yield "comma for a semicolon", mixed(TEXT, p, ctype='multipart/mixed, boundary="=_a"')
    yield "other parameter before", mixed(TEXT, p, ctype='multipart/mixed; x="boundary=y"; boundary="=_a"')
    yield "a parameter with an open quote before", mixed(TEXT, p, ctype='multipart/mixed; x="y; boundary="=_a"')
    yield "blanks behind the boundary line", mixed(TEXT, p, open_line="--=_a \t\r\n")
    yield "blank before the boundary line", mixed(TEXT, p, open_line=" --=_a\r\n")
    yield "junk behind the boundary line", mixed(TEXT, p, open_line="--=_ax\r\n")
    yield "word behind the boundary line", mixed(TEXT, p, open_line="--=_a x\r\n")
    yield "three dashes", mixed(TEXT, p, open_line="---=_a\r\n")
    yield "closed at once, then parts", mixed(TEXT, p, preamble="--=_a--\r\n")
    yield "boundary that is the prefix of another", mixed(TEXT, 'Content-Type: multipart/mixed; boundary="=_ab"\r\n\r\n--=_ab\r\n' + p + "--=_ab--\r\n")
    yield "boundary whose prefix is in force", mixed('Content-Type: multipart/mixed; boundary="=_"\r\n\r\n--=_\r\n' + p + "--=_--\r\n", TEXT)
    yield "child with its parent's boundary", mixed('Content-Type: multipart/mixed; boundary="=_a"\r\n\r\n--=_a\r\n' + p + "--=_a--\r\n")
    yield "Content-Type twice, text first", mixed(TEXT, p, top=TOP + VERSION + "Content-Type: text/plain\r\n")
    yield "Content-Type twice, text last", mixed(TEXT, p, blank="Content-Type: text/plain\r\n\r\n")
    yield "Content-Type twice with two boundaries", mixed(TEXT, p, blank='Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n')
    yield "Content-Type of a part twice", mixed(TEXT, part(data, ctype="text/plain\r\nContent-Type: application/octet-stream"))
    yield "Content-Type with a blank before its colon", mixed(TEXT, p).replace("Content-Type: multipart", "Content-Type : multipart")
    yield "Content-Type name broken by a fold", mixed(TEXT, p).replace("Content-Type: multipart", "Content\r\n -Type: multipart")
    yield "Content-Type behind a line of blanks", mixed(TEXT, p).replace("Content-Type: multipart", "X-A: b\r\n  \r\nContent-Type: multipart")
    yield "Content-Type behind a line that is no field", mixed(TEXT, p).replace("Content-Type: multipart", "no field\r\nContent-Type: multipart")
    yield "mbox line inside the header", mixed(TEXT, p).replace("Content-Type: multipart", ">From a b\r\nContent-Type: multipart")
    yield "comment in the type", mixed(TEXT, p, ctype='multipart/(x)mixed; boundary="=_a"')
    yield "comment before the type", mixed(TEXT, p, ctype='(x) multipart/mixed; boundary="=_a"')
    yield "comment that holds another boundary", mixed(TEXT, p, ctype='multipart/mixed; (boundary=x); boundary="=_a"')
    yield "comment that holds the boundary", mixed(TEXT, p, ctype='multipart/mixed; (boundary="=_a")')
    for kind in ("alternative", "related", "digest", "parallel", "report", "signed", "encrypted", "form-data", "x-unknown", "appledouble", ""):
        yield "multipart/" + kind, mixed(TEXT, p, ctype='multipart/%s; boundary="=_a"' % kind)
    yield "multipart in capitals", mixed(TEXT, p, ctype='MULTIPART/MIXED; BOUNDARY="=_a"')
    yield "multipart with a blank before the slash", mixed(TEXT, p, ctype='multipart /mixed; boundary="=_a"')
    yield "multipart without a slash", mixed(TEXT, p, ctype='multipart; boundary="=_a"')
    yield "text/plain with a boundary", mixed(TEXT, p, ctype='text/plain; boundary="=_a"')
    yield "multipart that is base64 itself", TOP + VERSION + 'Content-Type: multipart/mixed; boundary="=_a"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + \
        b64(("--=_a\r\n" + TEXT + "--=_a\r\n" + p + "--=_a--\r\n").encode("latin-1"))
    yield "multipart that says base64 and is not", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a"\r\nContent-Transfer-Encoding: base64')
    yield "multipart that says quoted-printable", mixed(TEXT, p, ctype='multipart/mixed; boundary="=_a"\r\nContent-Transfer-Encoding: quoted-printable')
    inner = TOP + VERSION + p
    yield "message/rfc822", mixed(TEXT, "Content-Type: message/rfc822\r\n\r\n" + inner)
    yield "message/rfc822 in base64", mixed(TEXT, part(inner.encode("latin-1"), "m.eml", "message/rfc822"))
    yield "message/rfc822 in quoted-printable", mixed(TEXT, part(data, "m.eml", "message/rfc822", "Content-Transfer-Encoding: quoted-printable\r\n",
                                                                qp(inner.encode("latin-1"))))
    yield "message/global", mixed(TEXT, "Content-Type: message/global\r\n\r\n" + inner)
    yield "message/news", mixed(TEXT, "Content-Type: message/news\r\n\r\n" + inner)
    yield "message as a file", mixed(TEXT, part(inner.encode("latin-1"), "m.eml"))
    yield "message in a zip", mixed(TEXT, part(zipped(inner.encode("latin-1"), "m.eml"), "m.zip"))
    yield "message as text", mixed(TEXT, part(inner.encode("latin-1"), "m.txt", "text/plain"))
    yield "message/partial", TOP + VERSION + 'Content-Type: message/partial; id="a@b"; number=1; total=1\r\n\r\n' + inner
    nested = p
    for depth in range(1, 40):
        nested = 'Content-Type: multipart/mixed; boundary="=_%d"\r\n\r\n--=_%d\r\n%s--=_%d--\r\n' % (depth, depth, nested, depth)
        if depth in (2, 10, 18, 25, 39):
            yield "%d multiparts deep" % depth, TOP + VERSION + nested
    letters = inner
    for depth in range(1, 30):
        letters = TOP + VERSION + "Content-Type: message/rfc822\r\n\r\n" + letters
        if depth in (3, 12, 29):
            yield "%d messages deep" % depth, letters
    yield "no blank line behind the part's header", mixed(TEXT, part(data).replace("\r\n\r\n", "\r\n", 1))
    yield "part that begins with a continuation", mixed(TEXT, " x\r\n" + p)
    yield "digest with a part without a header", mixed("\r\n" + inner, ctype='multipart/digest; boundary="=_a"')
    yield "many empty parts before", mixed(*(["\r\n"] * 90 + [p]))
    yield "declared as an image", mixed(TEXT, part(data, "a.png", "image/png"))
    yield "declared as text", mixed(TEXT, part(data, "a.txt", "text/plain", disposition=""))
    yield "declared as HTML", mixed(TEXT, part(data, "a.html", "text/html", disposition=""))
    yield "declared as nothing", mixed(TEXT, part(data, ctype=""))
    yield "declared as rubbish", mixed(TEXT, part(data, ctype="?;=/"))
    yield "declared as external-body", mixed(TEXT, "Content-Type: message/external-body; access-type=x\r\n\r\n" + p)
    yield "inline without a name", mixed(TEXT, part(data, disposition="Content-Disposition: inline\r\n"))
    yield "raw", mixed(TEXT, part(data, cte="Content-Transfer-Encoding: binary\r\n", body=raw(data)))
    yield "winmail.dat", mixed(TEXT, part(tnef(data), "winmail.dat", "application/ms-tnef"))
    yield "winmail.dat by another name", mixed(TEXT, part(tnef(data), "x.bin"))


def archives():
    yield "zip stored", zipped(EICAR, method=zipfile.ZIP_STORED)
    yield "zip named as text", zipped(EICAR, "readme.txt")
    yield "zip with a comment", zipped(EICAR, comment=b"PK\x05\x06" + b"x" * 40)
    yield "zip behind other data", zipped(EICAR, before=b"MZ" + b"\0" * 500)
    yield "zip behind an image", zipped(EICAR, before=b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    yield "zip in a zip", zipped(zipped(EICAR), "a.zip")
    yield "zip in a zip in a zip", zipped(zipped(zipped(EICAR), "a.zip"), "b.zip")
    yield "four zips deep", zipped(zipped(zipped(zipped(EICAR), "a.zip"), "b.zip"), "c.zip")
    yield "tar", tarred(EICAR)
    yield "tar.gz", tarred(EICAR, "w:gz")
    yield "tar.bz2", tarred(EICAR, "w:bz2")
    yield "tar.xz", tarred(EICAR, "w:xz")
    yield "gz", gzip.compress(EICAR)
    yield "two gz members", gzip.compress(b"") + gzip.compress(EICAR)
    yield "bz2", bz2.compress(EICAR)
    yield "xz", lzma.compress(EICAR)
    yield "gz in a zip", zipped(gzip.compress(EICAR), "a.gz")
    yield "zip in a gz", gzip.compress(zipped(EICAR))
    yield "zip bzip2", zipped(EICAR, method=zipfile.ZIP_BZIP2)
    yield "zip lzma", zipped(EICAR, method=zipfile.ZIP_LZMA)
    first, second = zipped(b"harmless", "a.txt"), zipped(EICAR)
    yield "two zips in a row", first + second
    yield "two zips, the other way", second + first


def variants():
    for name, data, ctype, file in (("alone", EICAR, "application/octet-stream", "eicar.com"), ("in a zip", zipped(EICAR), "application/zip", "e.zip")):
        for how, field, body in encodings(data):
            in_text = "plain text" in how
            yield "%s, %s" % (how, name), mixed(TEXT, part(data, file, "text/plain" if in_text else ctype, field, body, "" if in_text else None))
        for how, message in structures(data):
            yield "%s, %s" % (how, name), message
    for how, data in archives():
        yield how, mixed(TEXT, part(data, "a.bin"))
