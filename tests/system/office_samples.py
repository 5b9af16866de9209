"""office_samples.py: small files of the kinds that carry macros, objects and passwords, made byte by byte after their specifications.

Each maker returns the bytes of one file. Nothing in them does anything: the macros hold a comment, the programs are two letters.
"""
import io
import struct
import zipfile
import zlib

NONE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
PROGRAM = b"MZ" + bytes(100)


def storage(*children):
    return list(children)


def compound(tree, class_id=bytes(16)):
    """A compound file (MS-CFB, version 3). TREE: [(name, bytes or [children])]. Names may be UTF-16 code points below 0x80."""
    entries, sectors, small = [], [], bytearray()

    def chain(data):
        if not data:
            return END
        first = len(sectors)
        for at in range(0, len(data), 512):
            sectors.append([data[at:at + 512].ljust(512, b"\0"), len(sectors) + 1])
        sectors[-1][1] = END
        return first

    def add(name, content, kind):
        index = len(entries)
        entries.append({"name": name, "kind": kind, "child": NONE, "right": NONE, "start": 0, "size": 0})
        if isinstance(content, list):
            indexes = [add(n, c, 1 if isinstance(c, list) else 2) for n, c in content]
            for left, right in zip(indexes, indexes[1:]):
                entries[left]["right"] = right
            entries[index]["child"] = indexes[0] if indexes else NONE
        elif len(content) >= 4096:
            entries[index].update(start=chain(content), size=len(content))
        else:
            entries[index].update(start=len(small) // 64 if content else END, size=len(content))
            small.extend(content + bytes(-len(content) % 64))
        return index

    add("Root Entry", tree, 5)
    small_fat = [i + 1 for i in range(len(small) // 64)]
    for e in entries:
        if e["kind"] == 2 and 0 < e["size"] < 4096:
            small_fat[e["start"] + (e["size"] + 63) // 64 - 1] = END
    entries[0].update(start=chain(bytes(small)), size=len(small))
    small_fat_start = chain(b"".join(struct.pack("<I", n) for n in small_fat)) if small_fat else END
    directory = b""
    for i, e in enumerate(entries):
        raw = (e["name"] + "\0").encode("utf-16-le")
        directory += raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), e["kind"], 1, NONE, e["right"], e["child"])
        directory += (class_id if i == 0 else bytes(16)) + bytes(4 + 16) + struct.pack("<IQ", e["start"], e["size"])
    directory_start = chain(directory)
    fat_start, fat_count = len(sectors), 1
    while (len(sectors) + fat_count) > fat_count * 128:
        fat_count += 1
    fat = [s[1] for s in sectors] + [FAT] * fat_count
    table = b"".join(struct.pack("<I", n) for n in fat).ljust(fat_count * 512, b"\xff")
    head = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, fat_count, directory_start, 0, 4096, small_fat_start, 1 if small_fat else 0, END, 0)
    head += b"".join(struct.pack("<I", fat_start + i if i < fat_count else NONE) for i in range(109))
    return head + b"".join(s[0] for s in sectors) + table


def vba_packed(text):
    """MS-OVBA 2.4.1.3: here with copies of what stands up to 16 octets back, so that words are torn apart as a real writer does."""
    out = bytearray(b"\x01")
    for start in range(0, len(text), 4096):
        chunk, at, data = text[start:start + 4096], 0, bytearray()
        while at < len(chunk):
            flags, body = 0, bytearray()
            for bit in range(8):
                if at >= len(chunk):
                    break
                bits = 4
                while (1 << bits) < at:
                    bits += 1
                bits = min(bits, 12)
                best = (0, 0)
                for back in range(1, min(at, 1 << bits) + 1):
                    n = 0
                    while at + n < len(chunk) and n < (0xFFFF >> bits) + 3 and chunk[at + n] == chunk[at + n - back]:
                        n += 1
                    best = max(best, (n, back))
                if best[0] >= 3:
                    flags |= 1 << bit
                    body += struct.pack("<H", (best[1] - 1) << (16 - bits) | best[0] - 3)
                    at += best[0]
                else:
                    body.append(chunk[at])
                    at += 1
            data += bytes([flags]) + body
        out += struct.pack("<H", 0xB000 | len(data) - 1) + data
    return bytes(out)


def module(source, compiled=b"\x01\x16\x03" + bytes(40)):
    return compiled + vba_packed(b'Attribute VB_Name = "ThisDocument"\r\nAttribute VB_Base = "0{00020906}"\r\n' + source)


def vba_project(source=b"Sub AutoOpen()\r\n' nothing\r\nEnd Sub\r\n", names=b"\xCC\x61\x88\0"):
    return storage(("VBA", storage(("dir", b"\1\2\3"), ("_VBA_PROJECT", names), ("ThisDocument", module(source)))), ("PROJECT", b"ID=x"))


def doc(flags=0, *more):
    return compound(storage(("WordDocument", b"\xEC\xA5\xC1\0" + bytes(6) + struct.pack("<H", flags) + bytes(5000)), *more))


def doc_with_macro(source=b"Sub AutoOpen()\r\nEnd Sub\r\n"):
    return doc(0, ("Macros", vba_project(source)))


def record(kind, data):
    return struct.pack("<HH", kind, len(data)) + data


def xls(*records):
    book = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + b"".join(records) + record(0x0A, b"")
    return compound(storage(("Workbook", book.ljust(4100, b"\0"))))


def sheet(kind, hidden=0, name=b"Sheet1"):
    return record(0x85, struct.pack("<IBB", 0, hidden, kind) + bytes([len(name), 0]) + name)


def builtin_name(number):
    return record(0x18, struct.pack("<HBBHHHBBBB", 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0) + b"\0" + bytes([number]))


def xls_password():
    return xls(record(0x2F, struct.pack("<HHH", 1, 1, 1) + bytes(48)))


def encrypted_package():
    return compound(storage(("EncryptionInfo", b"\4\0\4\0\x40\0\0\0<encryption/>"), ("EncryptedPackage", struct.pack("<Q", 5000) + bytes(range(256)) * 20)))


def native(name=b"run.exe", content=PROGRAM):
    body = struct.pack("<H", 2) + name + b"\0" + b"C:\\" + name + b"\0" + struct.pack("<HHI", 0, 3, len(name) + 1) + name + b"\0"
    body += struct.pack("<I", len(content)) + content
    return struct.pack("<I", len(body)) + body


def doc_with_object():
    return doc(0, ("ObjectPool", storage(("_1", storage(("\1Ole10Native", native()), ("\1CompObj", b"x"))))))


def ppt_with_macro():
    project = compound(vba_project(b"Sub Auto_Open()\r\nEnd Sub\r\n"))
    packed = struct.pack("<I", len(project)) + zlib.compress(project)
    atom = struct.pack("<HHI", 0x10, 0x1011, len(packed)) + packed
    stream = struct.pack("<HHI", 0x0F, 1000, len(atom)) + atom
    return compound(storage(("Current User", struct.pack("<HHIII", 0, 0xFF6, 20, 0x14, 0xE391C05F) + bytes(12)), ("PowerPoint Document", stream)))


TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">%s</Types>'


def zipped(parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in parts:
            z.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def docx(*more, types=""):
    return zipped([("[Content_Types].xml", TYPES % types), ("word/document.xml", "<?xml version='1.0'?><w:document><w:t>x</w:t></w:document>"), *more])


def xlsx(*more, types=""):
    return zipped([("[Content_Types].xml", TYPES % types), ("xl/workbook.xml", "<?xml version='1.0'?><workbook/>"), *more])


def relationship(kind, target, mode=' TargetMode="External"'):
    return ('<?xml version="1.0"?><Relationships xmlns="x"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
            'relationships/%s" Target="%s"%s/></Relationships>' % (kind, target, mode))


def docm():
    return docx(("word/vbaProject.bin", compound(vba_project(b"Private Sub Document_Open()\r\nEnd Sub\r\n"))))


def docx_remote_template():
    return docx(("word/_rels/settings.xml.rels", relationship("attachedTemplate", "http://templates.example/x.dotm?a=1&amp;b=2")))


def docx_with_object():
    return docx(("word/embeddings/oleObject1.bin", compound(storage(("\1Ole10Native", native(b"invoice.js", b"WScript.Echo(1)"))))))


def xlsm_xlm():
    return xlsx(("xl/macrosheets/sheet1.xml", "<?xml version='1.0'?><xm:macrosheet/>"),
                types='<Override PartName="/xl/macrosheets/sheet1.xml" ContentType="application/vnd.ms-excel.macrosheet+xml"/>')


def docx_dde():
    runs = "".join("<w:r><w:instrText>%s</w:instrText></w:r>" % t for t in ("DDE", "AU", "TO c:\\\\x"))
    return zipped([("[Content_Types].xml", TYPES % ""), ("word/document.xml", "<?xml version='1.0'?><w:document>%s</w:document>" % runs)])


def msg(content=PROGRAM):
    text = "hello".encode("utf-16-le")
    attachment = storage(("__substg1.0_3704001F", "RUN~1.EXE".encode("utf-16-le")), ("__substg1.0_3707001F", "run me.exe".encode("utf-16-le")),
                         ("__substg1.0_37010102", content))
    return compound(storage(("__properties_version1.0", bytes(64)), ("__substg1.0_1000001F", text), ("__attach_version1.0_#00000000", attachment)))


def attribute(level, number, data):
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*rows):
    return struct.pack("<I", len(rows)) + b"".join(rows)


def text_property(number, text):
    data = (text + "\0").encode("utf-16-le")
    return struct.pack("<HHII", 0x1F, number, 1, len(data)) + data + bytes(-len(data) % 4)


def binary_property(number, data):
    return struct.pack("<HHII", 0x102, number, 1, len(data)) + data + bytes(-len(data) % 4)


def rtf_packed(text):
    """MS-OXRTFCP with literals only, and the end mark."""
    body, write = bytearray(), 207
    units = [bytes([c]) for c in text]
    for at in range(0, len(units) + 1, 8):
        group, flags = units[at:at + 8], 0
        write = (write + len(group)) % 4096
        block = b"".join(group)
        if len(group) < 8:
            flags |= 1 << len(group)
            block += struct.pack(">H", write << 4)
        body += bytes([flags]) + block
    return struct.pack("<IIII", len(body) + 12, len(text), 0x75465A4C, zlib.crc32(bytes(body))) + bytes(body)


def tnef(content=PROGRAM, body=True):
    out = b"\x78\x9F\x3E\x22\x01\x00" + attribute(1, 0x89006, struct.pack("<I", 0x10000))
    if body:
        out += attribute(1, 0x69003, properties(text_property(0x0037, "subject"), binary_property(0x1009, rtf_packed(
            rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}hello \'e9{\*\htmltag72 </p>}}"))))
    out += attribute(2, 0x69002, bytes(14)) + attribute(2, 0x18010, b"RUN~1.EXE\0") + attribute(2, 0x6800F, content)
    return out + attribute(2, 0x69005, properties(text_property(0x3707, "run me.exe"), struct.pack("<HHI", 3, 0x3705, 1)))


def rtf_object(wrap="%s", word=r"\objdata", content=None):
    content = content or compound(storage(("\1Ole10Native", native())))
    header = struct.pack("<II", 0x501, 2) + struct.pack("<I", 8) + b"Package\0" + bytes(8) + struct.pack("<I", len(content))
    return (r"{\rtf1{\object\objemb\objupdate{\*\objclass Package}{\*%s %s}}}" % (word, wrap % (header + content).hex())).encode()


def obfuscated_rtf():
    """Blanks, ignored groups, control words and unfinished words between the digits, as seen in the wild."""
    plain = rtf_object().decode()
    head, digits = plain.split(r"\objdata ")
    torn = "".join(d + (" \t" if i % 7 == 0 else "\r\n" if i % 5 == 0 else r"{\*\abc123 }" if i % 31 == 0 else r"\xyz1 " if i % 29 == 0 else "")
                   for i, d in enumerate(digits[:-4]))
    return (head.replace(r"{\rtf1", r"{\rt") + r"\objdata " + torn + digits[-4:]).encode()


def onenote(*files):
    head = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(1008)
    store = b"".join(bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac") + struct.pack("<Q", len(f)) + bytes(12) + f + bytes(-len(f) % 8) +
                     bytes.fromhex("22a7fb71790f0b4abb13899256426b24") for f in files)
    return head + store + bytes(64)


def onenote_name(name):
    raw = name.encode("utf-16-le")
    return struct.pack("<I", len(raw)) + raw + bytes(4)
