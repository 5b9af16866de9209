"""A QR code leads where a link would: it is read in attached pictures and in those of documents, within ceilings that are known before decoding."""
import io
import struct
import zlib

import office_samples as made
import pdf_samples as pdf
import pytest
import segno
from PIL import Image
from test_attachment_readers import report_of

LINK = "https://phish.example/login?id=1"


def code(text=LINK, scale=4, kind="png", **how):
    out = io.BytesIO()
    segno.make(text, micro=False, **{k: how.pop(k) for k in ("encoding", "eci") if k in how}).save(out, kind=kind, scale=scale, **how)
    return out.getvalue()


def as_kind(kind, mode, data=None, **how):
    out = io.BytesIO()
    Image.open(io.BytesIO(data or code())).convert("L").convert(mode).save(out, kind, **how)
    return out.getvalue()


def raw(mode):
    image = Image.open(io.BytesIO(code())).convert("L").convert(mode)
    return image.size, image.tobytes()


def pdf_with(data, keys, filters, size, bits=8):
    return pdf.pdf(pdf.stream(5, data, "/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent %d %s /Filter %s" % (*size, bits, keys, filters)))


def pdf_pictures():
    size, grey = raw("L")
    yield "JPEG in PDF", pdf_with(as_kind("JPEG", "RGB"), "/ColorSpace /DeviceRGB", "/DCTDecode", size)
    yield "JPEG in PDF, in base 85", pdf_with(b"".join([__import__("base64").a85encode(as_kind("JPEG", "L")), b"~>"]), "", "[/A85 /DCTDecode]", size)
    yield "grey in PDF", pdf_with(zlib.compress(grey), "/ColorSpace /DeviceGray", "/FlateDecode", size)
    yield "colours in PDF", pdf_with(zlib.compress(raw("RGB")[1]), "/ColorSpace 9 0 R", "/FlateDecode", size)
    yield "bits in PDF", pdf_with(zlib.compress(raw("1")[1]), "/ImageMask true", "/Fl", size, 1)
    yield "ink in PDF", pdf_with(zlib.compress(raw("CMYK")[1]), "/ColorSpace /DeviceCMYK", "/FlateDecode", size)


KINDS = [
    ("png", code()), ("one pixel a module", code(scale=1)), ("without edge", code(border=0)), ("inverted", code(dark="white", light="black")),
    ("transparent", code(light=None)), ("colours", code(dark="#204080", light="#f0e0c0")), ("huge modules", code(scale=100)),
    ("jpeg", as_kind("JPEG", "RGB")), ("progressive", as_kind("JPEG", "RGB", progressive=True)), ("ink", as_kind("JPEG", "CMYK")),
    ("bad jpeg", as_kind("JPEG", "L", quality=8)), ("large jpeg", as_kind("JPEG", "L", code(scale=120))), ("gif", as_kind("GIF", "P")),
    ("interlaced gif", as_kind("GIF", "P", interlace=1)), ("deflated in docx", made.docx(("word/media/image1.png", code()))),
    ("in zip", made.zipped([("a/b.png", code())])), ("in .msg", made.msg(code())), *pdf_pictures(),
    *[("in " + e, code(encoding=e, eci=True)) for e in ("iso-8859-2", "iso-8859-7", "iso-8859-15", "shift_jis", "big5", "cp437", "cp1252", "utf-8", "utf-16-be")],
]


@pytest.mark.parametrize("content", [k[1] for k in KINDS], ids=[k[0] for k in KINDS])
def test_the_code_is_read_and_its_link_is_looked_at(content):
    report = report_of(content)
    assert "qr" in report["files"][0]["facts"], report["files"]
    assert LINK in report["files"][0]["detail"]
    assert any(link["source"] == "qr" and link["host"] == "phish.example" for link in report["links"]), report["links"]


def test_a_link_inside_of_a_text_is_found():
    report = report_of(code("BEGIN:VCARD\nFN:Ann\nURL:HTTPS://Phish.Example/a\nEND:VCARD"))
    assert [link["host"] for link in report["links"] if link["source"] == "qr"] == ["phish.example"]


def test_a_picture_without_code_says_nothing():
    out = io.BytesIO()
    Image.effect_noise((300, 200), 80).save(out, "PNG")
    assert report_of(out.getvalue())["files"][0]["facts"] == []


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, data=b""):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(data, 9)) +
            chunk(b"IEND", b""))


@pytest.mark.parametrize("content,fact", [
    (png(30000, 30000, 8, bytes(4 << 20)), "bomb"), (png(30000, 30000, 1), "picture-unseen"), (png(0xFFFFFFFF, 0xFFFFFFFF, 16), "bomb"),
    (b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3" + bytes(30), "bomb"), (b"GIF89a\xff\xff\xff\xff\0\0\0" + bytes(30), "bomb"),
    (pdf_with(zlib.compress(bytes(1 << 20)), "", "/FlateDecode", (60000, 60000)), "picture-unseen"),
    (pdf_with(zlib.compress(bytes(20 << 20)), "", "/FlateDecode", (100, 100)), "picture-unseen"),
], ids=["png of 900 MB", "png of 900 megapixels", "png without bounds", "jpeg", "gif", "large in PDF", "more than it says in PDF"])
def test_what_is_too_large_is_said_and_not_decoded(content, fact):
    assert report_of(content)["files"][0]["facts"] == [fact]


def test_more_pictures_than_are_looked_at_are_said():
    report = report_of(made.zipped([("%d.png" % i, code("https://a%d.example/" % i)) for i in range(20)]))
    assert "picture-unseen" in report["files"][0]["facts"]
    assert len([link for link in report["links"] if link["source"] == "qr"]) == 16


@pytest.mark.parametrize("whole", [code(), as_kind("JPEG", "RGB"), as_kind("GIF", "P")], ids=["png", "jpeg", "gif"])
def test_pictures_cut_anywhere_are_still_answered(whole):
    for cut in range(1, len(whole), len(whole) // 12):
        assert report_of(whole[:cut])["files"]


def test_a_picture_made_of_corners_does_not_keep_the_reader_busy():
    rows = ["#######.", "#.....#.", "#.###.#.", "#.###.#.", "#.###.#.", "#.....#.", "#######.", "........"]
    corner = Image.frombytes("L", (8, 8), bytes(0 if c == "#" else 255 for row in rows for c in row))
    whole = Image.new("L", (2000, 2000), 255)
    for at in range(250 * 250):
        whole.paste(corner, (at % 250 * 8, at // 250 * 8))
    out = io.BytesIO()
    whole.save(out, "PNG")
    assert report_of(out.getvalue())["files"][0]["facts"] == ["picture-unseen"]
