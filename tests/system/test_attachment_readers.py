"""What an attached file is and does, whatever it is called: macros, objects, passwords, programs in files in files."""
import base64
import io
import json
import lzma
import subprocess
import zipfile
import zlib

import office_samples as made
import pdf_samples as pdf
import postern_testing as pt
import pytest

TOP = ("Date: Tue, 24 Nov 2026 14:11:00 +0000\r\nFrom: <carol@example.test>\r\nTo: <ann@acme.test>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
       "Content-Type: application/octet-stream; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n"
       "Content-Disposition: attachment; filename=\"%s\"\r\n\r\n")


def report_of(content, name="file.bin"):
    message = (TOP % (name, name)).encode() + base64.encodebytes(content).replace(b"\n", b"\r\n")
    done = subprocess.run([pt.binary(), "inspect", "-", "--json"], input=message, stdout=subprocess.PIPE, check=True, timeout=60)
    return json.loads(done.stdout)


def files_of(content, name="file.bin"):
    return report_of(content, name)["files"]


def names(files):
    return [f["name"] for f in files[1:]]


MACRO, AUTO = "macro", "auto-macro"
KINDS = [
    ("word with AutoOpen", made.doc_with_macro(), "doc", {MACRO, AUTO}),
    ("word with a macro that waits", made.doc_with_macro(b"Sub Tidy()\r\n' like AutoOpening, MyAutoOpen\r\nEnd Sub\r\n"), "doc", {MACRO}),
    ("word whose source is gone, its names are not",
     made.doc(0, ("Macros", [("VBA", [("_VBA_PROJECT", b"\xCC\x61\x88\0\x0ADocument_Open\0x"), ("ThisDocument", bytes(40))])])), "doc", {MACRO, AUTO}),
    ("word without anything", made.doc(), "doc", set()),
    ("word with a password", made.doc(0x0100), "doc", {"encrypted"}),
    ("word with a packed program", made.doc_with_object(), "doc", {"ole-object"}),
    ("excel without anything", made.xls(made.sheet(0)), "xls", set()),
    ("excel with a password", made.xls_password(), "xls", {"encrypted"}),
    ("excel with a hidden macro sheet", made.xls(made.sheet(1, hidden=2)), "xls", {MACRO, "xlm-macro"}),
    ("excel with Auto_Open", made.xls(made.sheet(1), made.builtin_name(1)), "xls", {MACRO, "xlm-macro", AUTO}),
    ("powerpoint with a packed project", made.ppt_with_macro(), "ppt", {MACRO, AUTO, "ole-object"}),
    ("new office with a password", made.encrypted_package(), "ole", {"encrypted"}),
    ("docm", made.docm(), "docx", {MACRO, AUTO}),
    ("docx from a template elsewhere", made.docx_remote_template(), "docx", {"external-template"}),
    ("docx with a packed script", made.docx_with_object(), "docx", {"ole-object"}),
    ("docx with DDE cut into runs", made.docx_dde(), "docx", {"dde"}),
    ("docx without anything", made.docx(("word/_rels/document.xml.rels", made.relationship("hyperlink", "https://acme.test/"))), "docx", set()),
    ("xlsm with a macro sheet", made.xlsm_xlm(), "xlsx", {MACRO, "xlm-macro"}),
    ("rtf with an object", made.rtf_object(), "rtf", {"ole-object"}),
    ("rtf, torn apart", made.obfuscated_rtf(), "rtf", {"ole-object"}),
    ("rtf from a template elsewhere", rb"{\rtf1{\*\template http://templates.example/x.dotm}}", "rtf", {"external-template"}),
    ("rtf with DDE", rb"{\rtf1{\field{\*\fldinst {DDE}{AUTO c:\\x}}}}", "rtf", {"dde"}),
    ("rtf without anything", rb"{\rtf1\ansi hello\par}", "rtf", set()),
]


@pytest.mark.parametrize("content,kind,facts", [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_office(content, kind, facts):
    whole = files_of(content)[0]
    assert (whole["type"], set(whole["facts"])) == (kind, facts), whole


@pytest.mark.parametrize("content,program", [
    (made.doc_with_object(), "run.exe"), (made.docx_with_object(), "word/embeddings/oleObject1.bin/invoice.js"), (made.rtf_object(), "object/run.exe"),
    (made.obfuscated_rtf(), "object/run.exe"), (made.msg(), "run me.exe"), (made.tnef(), "run me.exe"), (made.tnef(body=False), "run me.exe"),
    (made.zipped([("a.msg", made.msg())]), "a.msg/run me.exe"), (made.docx(("word/embeddings/a.xlsx", made.zipped([("x.exe", made.PROGRAM)]))),
                                                                "word/embeddings/a.xlsx/x.exe"),
], ids=["doc", "docx", "rtf", "torn rtf", "msg", "tnef", "tnef without body", "msg in zip", "docx in docx"])
def test_the_program_inside_is_seen(content, program):
    files = files_of(content)
    assert program in names(files), names(files)
    assert [f["type"] for f in files if f["name"] == program] in (["pe"], ["text"])


def test_bodies_of_outlook_are_entries():
    assert "body.txt" in names(files_of(made.msg()))
    assert "body.html" in names(files_of(made.tnef()))


def test_a_document_cut_anywhere_is_still_answered():
    for whole in (made.doc_with_macro(), made.msg(), made.tnef(), made.obfuscated_rtf()):
        for cut in range(1, len(whole), len(whole) // 12):
            assert files_of(whole[:cut])


PDFS = [
    ("nothing", pdf.pdf(), set()),
    ("goes to a page when opened", pdf.pdf(catalog="/OpenAction [3 0 R /Fit]"), set()),
    ("script", pdf.pdf((5, pdf.JAVASCRIPT), catalog="/OpenAction 5 0 R"), {"pdf-javascript", "pdf-open-action"}),
    ("script with escaped names", pdf.pdf((5, "<< /S /J#61va#53cript /#4a#53 (x) >>")), {"pdf-javascript"}),
    ("script in an object stream", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT))), {"pdf-javascript"}),
    ("script in a stream in hexadecimal", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT), filters="[/ASCIIHexDecode /FlateDecode]", pack=pdf.flate_hex)),
     {"pdf-javascript"}),
    ("script in a stream in base 85", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT), filters="[ /A85 /Fl ]", pack=pdf.flate_85)), {"pdf-javascript"}),
    ("script in rows", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT), filters="/FlateDecode /DecodeParms << /Predictor 12 /Columns 16 >>", pack=pdf.rows)),
     {"pdf-javascript"}),
    ("script in runs", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT), filters="/RunLengthDecode", pack=pdf.runs)), {"pdf-javascript"}),
    ("script in LZW", pdf.pdf(pdf.in_objects(6, (5, pdf.JAVASCRIPT), filters="/LZWDecode", pack=pdf.lzw)), {"pdf-javascript"}),
    ("script behind another stream's beginning", pdf.pdf(pdf.stream(7, b"x 8 0 obj\n" + pdf.JAVASCRIPT.encode() + b"\nendobj")), {"pdf-javascript"}),
    ("script behind a bracket that stays open", pdf.pdf((5, "(((("), (6, pdf.JAVASCRIPT)), {"pdf-javascript"}),
    ("script in what looks like a comment", pdf.pdf((5, "<< /A (%s\n) >>" % "\\("), (6, "% 7 0 obj " + pdf.JAVASCRIPT)), {"pdf-javascript"}),
    ("object stream in another stream's data", pdf.pdf(pdf.stream(7, b"x \n8 0 obj\n" + pdf.in_objects(8, (5, pdf.JAVASCRIPT))[1] + b"\nendobj")), {"pdf-javascript"}),
    ("program", pdf.pdf((5, "<< /S /Launch /F (cmd.exe) >>"), catalog="/OpenAction 5 0 R"), {"pdf-launch", "pdf-open-action"}),
    ("file", pdf.pdf(*pdf.attached("run.exe", made.PROGRAM)), {"pdf-embedded"}),
    ("password", pdf.pdf((5, "<< /Filter /Standard /V 5 /R 6 /O (x) /U (y) >>"), trailer="/Encrypt 5 0 R"), {"encrypted"}),
]


@pytest.mark.parametrize("content,facts", [k[1:] for k in PDFS], ids=[k[0] for k in PDFS])
def test_pdf(content, facts):
    whole = files_of(content)[0]
    assert whole["type"] == "pdf" and set(whole["facts"]) - {"damaged"} == facts, whole


@pytest.mark.parametrize("objects", [
    pdf.attached("run.exe", made.PROGRAM), pdf.attached("run.exe", made.PROGRAM, keys=""), list(reversed(pdf.attached("run.exe", made.PROGRAM))),
    pdf.attached("run.exe".encode("utf-16-be").hex(), made.PROGRAM, where="<FEFF%s>"),
    [pdf.attached("", made.PROGRAM)[0], pdf.in_objects(12, (11, "<< /UF (run.exe) /EF << /UF 10 0 R /F 10 0 R >> >>"))],
], ids=["typed", "untyped", "named before", "UTF-16", "named in an object stream"])
def test_files_in_pdf(objects):
    files = files_of(pdf.pdf(*objects))
    assert [(f["name"], f["type"]) for f in files[1:]] == [("run.exe", "pe")]


def test_files_in_onenote_with_their_names():
    files = files_of(made.onenote(b"WScript.Echo(1)", made.PROGRAM) + made.onenote_name("open me.hta") + made.onenote_name("b.exe") + made.onenote_name("b.exe"))
    assert files[0]["type"] == "onenote" and files[0]["facts"] == ["ole-object"]
    assert [(f["name"], f["type"]) for f in files[1:]] == [("open me.hta", "text"), ("b.exe", "pe")]
    assert names(files_of(made.onenote(made.PROGRAM))) == ["file"]


def html(script="", body=""):
    return ("<!DOCTYPE html><html><body>%s<script>%s</script></body></html>" % (body, script)).encode()


def b64(data):
    return base64.b64encode(data).decode()


ZIP = made.zipped([("run.exe", made.PROGRAM)])
MARKUP = [
    ("plain", b"<html><body>hello</body></html>", "html", set(), []),
    ("script", html("alert(1)"), "html", {"script"}, []),
    ("script in UTF-16", b"\xff\xfe" + html("alert(1)").decode().encode("utf-16-le"), "html", {"script"}, []),
    ("event", b"<html><body onload=go()>", "html", {"script"}, []),
    ("builds a file", html("var b = new Blob([x]); a.href = URL.createObjectURL(b)"), "html", {"script", "html-smuggling"}, []),
    ("zip in letters", html("var z = atob('%s')" % b64(ZIP)), "html", {"script", "html-smuggling"}, ["data", "data/run.exe"]),
    ("zip in an address", html(body='<a href="data:application/zip;base64,%s">x</a>' % b64(ZIP)).replace(b"<script></script>", b""), "html", set(),
     ["data", "data/run.exe"]),
    ("picture in an address", html(body='<img src="data:image/gif;base64,%s">' % b64(b"GIF89a\1\0\1\0\0\0\0" + bytes(200))), "html", {"script", "damaged"},
     ["data"]),
    ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><circle/></svg>", "svg", set(), []),
    ("svg with script", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "svg", {"script"}, []),
    ("word in one file", ('<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument w:macrosPresent="yes"><w:binData>%s</w:binData>'
                          % base64.encodebytes(b"ActiveMime" + bytes(40) + zlib.compress(made.compound(made.vba_project()))).decode()).encode(), "xml",
     {MACRO, AUTO}, ["data"]),
    ("shortcut", b"[InternetShortcut]\r\nURL=https://phish.example/\r\n", "shortcut", set(), []),
]


@pytest.mark.parametrize("content,kind,facts,inside", [k[1:] for k in MARKUP], ids=[k[0] for k in MARKUP])
def test_markup(content, kind, facts, inside):
    files = files_of(content)
    assert (files[0]["type"], set(files[0]["facts"]), names(files)) == (kind, facts, inside), files


def test_a_shortcut_leads_somewhere():
    assert [link["host"] for link in report_of(b"[InternetShortcut]\r\nURL=https://phish.example/\r\n", "x.url")["links"]] == ["phish.example"]


def by_program(folder, command, result, content=made.PROGRAM):
    (folder / "run.exe").write_bytes(content)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return (folder / result).read_bytes()


@pytest.mark.parametrize("command,result,kind,inside", [
    (["7z", "a", "-bd", "x.7z", "run.exe"], "x.7z", "7z", ["run.exe"]), (["7z", "a", "-bd", "-tzip", "x.zip", "run.exe"], "x.zip", "zip", ["run.exe"]),
    (["7z", "a", "-bd", "-tzip", "-mm=LZMA", "x.zip", "run.exe"], "x.zip", "zip", ["run.exe"]), (["tar", "-cJf", "x.txz", "run.exe"], "x.txz", "xz", ["run.exe"]),
    (["tar", "-czf", "x.tgz", "run.exe"], "x.tgz", "gzip", ["run.exe"]), (["tar", "-cjf", "x.tbz", "run.exe"], "x.tbz", "bzip2", ["run.exe"]),
    (["zstd", "-q", "run.exe", "-o", "file.zst"], "file.zst", "zstd", ["file"]), (["lz4", "-q", "run.exe", "file.lz4"], "file.lz4", "lz4", ["file"]),
    (["genisoimage", "-quiet", "-J", "-o", "x.iso", "run.exe"], "x.iso", "iso", ["run.exe"]), (["7z", "a", "-bd", "-twim", "x.wim", "run.exe"], "x.wim", "wim", []),
], ids=lambda x: x if isinstance(x, str) else None)
def test_archives_of_real_programs(tmp_path, command, result, kind, inside):
    files = files_of(by_program(tmp_path, command, result))
    assert (files[0]["type"], names(files)) == (kind, inside), files
    assert all(f["type"] == "pe" for f in files[1:])


@pytest.mark.parametrize("options,facts", [
    (["-tzip"], {"encrypted"}), (["-tzip", "-mem=AES256"], {"encrypted"}), (["-t7z"], {"encrypted"}), (["-t7z", "-mhe=on"], {"encrypted", "header-encrypted"}),
], ids=["zip", "zip with AES", "7z", "7z with its names"])
def test_locked_archives(tmp_path, options, facts):
    assert set(files_of(by_program(tmp_path, ["7z", "a", "-bd", "-psecret", *options, "x", "run.exe"], "x.7z" if "-t7z" in options else "x.zip"))[0]["facts"]) == facts


def test_pdf_of_qpdf(tmp_path):
    plain, packed, locked = (tmp_path / n for n in ("a.pdf", "b.pdf", "c.pdf"))
    plain.write_bytes(pdf.pdf((5, pdf.JAVASCRIPT), catalog="/OpenAction 5 0 R"))
    subprocess.run(["qpdf", "--object-streams=generate", plain, packed], check=True)
    assert b"JavaScript" not in packed.read_bytes()
    assert set(files_of(packed.read_bytes())[0]["facts"]) == {"pdf-javascript", "pdf-open-action"}
    subprocess.run(["qpdf", "--encrypt", "user", "owner", "256", "--", "--object-streams=generate", plain, locked], check=True)
    assert {"encrypted"} <= set(files_of(locked.read_bytes())[0]["facts"]) <= {"encrypted", "pdf-open-action"}


@pytest.mark.parametrize("how", [["40"], ["128"], ["128", "--use-aes=y"], ["128", "--cleartext-metadata"], ["256", "--force-R5"], ["256"],
                                 ["256", "--cleartext-metadata"]], ids=" ".join)
def test_a_pdf_that_only_forbids_changing_is_not_locked(tmp_path, how):
    """Every reader opens it without asking; bank statements and tickets are like that."""
    for user, facts in (("", set()), ("user", {"encrypted"})):
        locked = tmp_path / "a.pdf"
        subprocess.run(["qpdf", "--allow-weak-crypto", "--empty", "--encrypt", user, "owner", *how, "--", locked], check=True)
        assert set(files_of(locked.read_bytes())[0]["facts"]) == facts, user


@pytest.mark.parametrize("start", [b"MSWIM\0\0\0\xd0\0\0\0", b"\x60\xea\x2a\0\x1e", bytes(7) + b"**ACE**", b"\x21\x16-lh5-\x20"], ids=["wim", "arj", "ace", "lzh"])
def test_an_archive_that_nobody_here_can_read_says_so(start):
    assert "unread" in files_of(start + bytes(200))[0]["facts"]


@pytest.mark.parametrize("content,kind", [
    (bytes(3) + b"MSDOS5.0" + bytes(43) + b"FAT16   " + bytes(448) + b"\x55\xaa" + bytes(100), "disk"), (bytes(1024) + b"conectix" + bytes(504), "vhd"),
], ids=["img", "vhd"])
def test_what_cannot_be_looked_into_says_so(content, kind):
    whole = files_of(content)[0]
    assert (whole["type"], whole["facts"]) == (kind, ["unread"]) and "not looked into" in whole["detail"]


def test_a_zip_packed_by_a_rare_method_is_not_waved_through(tmp_path):
    """Deflate64: the reader of the recipient's system opens it, ours does not."""
    (tmp_path / "readme").write_bytes(b"words that pack well " * 200)
    subprocess.run(["7z", "a", "-tzip", "-mm=Deflate64", "x.zip", "readme"], cwd=tmp_path, check=True, capture_output=True)
    report = report_of(tmp_path.joinpath("x.zip").read_bytes(), "x.zip")
    assert any("unread" in f["facts"] for f in report["files"])
    assert [f["reason"] for f in report["findings"]] == ["ATTACHMENT_BLOCKED"]


def test_lzma_alone_is_looked_into():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("setup.exe", b"MZ" + bytes(200))
    report = report_of(lzma.compress(out.getvalue(), format=lzma.FORMAT_ALONE), "x.lzma")
    assert any(f["name"].endswith("setup.exe") for f in report["files"])
