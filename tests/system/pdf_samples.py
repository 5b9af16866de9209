"""pdf_samples.py: small PDF files with what matters inside, each written object by object."""
import base64
import zlib

PAGES = [(1, "<< /Type /Catalog /Pages 2 0 R %s >>"), (2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
         (3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] %s >>")]


def stream(number, data, keys="", length=None):
    if isinstance(data, str):
        data = data.encode()
    return number, b"<< %s /Length %d >>\nstream\n" % (keys.encode(), len(data) if length is None else length) + data + b"\nendstream"


def pdf(*objects, catalog="", page="", trailer=""):
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    for number, body in [(1, PAGES[0][1] % catalog), PAGES[1], (3, PAGES[2][1] % page), *objects]:
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + (body.encode("latin-1") if isinstance(body, str) else body) + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n" + b"".join(b"%d 1\n%010d 00000 n \n" % (n, places[n]) for n in sorted(places))
    return bytes(out) + b"trailer\n<< /Root 1 0 R /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (max(places) + 1, trailer.encode(), table)


def in_objects(number, *objects, filters="/FlateDecode", pack=zlib.compress):
    heads, bodies = "", ""
    for n, body in objects:
        heads += "%d %d " % (n, len(bodies))
        bodies += body + "\n"
    return stream(number, pack((heads + bodies).encode()), "/Type /ObjStm /N %d /First %d /Filter %s" % (len(objects), len(heads), filters))


def flate_hex(data):
    return zlib.compress(data).hex().encode() + b">"


def flate_85(data):
    return base64.a85encode(zlib.compress(data)) + b"~>"


def rows(data, width=16):
    """PNG predictor 12 (up)."""
    data += bytes(-len(data) % width)
    out, before = b"", bytes(width)
    for at in range(0, len(data), width):
        row = data[at:at + width]
        out += b"\2" + bytes((a - b) & 255 for a, b in zip(row, before))
        before = row
    return zlib.compress(out)


def runs(data):
    return b"".join(bytes([len(data[i:i + 128]) - 1]) + data[i:i + 128] for i in range(0, len(data), 128)) + b"\x80"


def lzw(data):
    """Codes of 9 bits, started anew before they would grow."""
    bits = ""
    for at in range(0, len(data), 200):
        bits += format(256, "09b") + "".join(format(b, "09b") for b in data[at:at + 200])
    bits += format(257, "09b")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def attached(name, content, keys="/Type /EmbeddedFile", where="(%s)"):
    return [stream(10, zlib.compress(content), keys + " /Filter /FlateDecode"),
            (11, "<< /Type /Filespec /F %s /EF << /F 10 0 R >> >>" % (where % name))]


JAVASCRIPT = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
LINK = "<< /Type /Annot /Subtype /Link /A << /S /URI /URI (https://%s.example/a\\(b\\)) >> >>"
