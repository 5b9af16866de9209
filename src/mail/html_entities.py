"""html_entities.py: the HTML standard's named character references (§13.5), of which Python carries a copy, as a sorted C table in a pool of names."""
import html.entities
import sys

names = sorted(name.encode() for name in html.entities.html5)
pool, rows = b"", []
for name in names:
    codes = [ord(c) for c in html.entities.html5[name.decode()]] + [0]
    rows.append("    {%d, %d, 0x%X, 0x%X}," % (len(pool), len(name), codes[0], codes[1]))
    pool += name

with open(sys.argv[1], "w") as out:
    out.write("static const char names[] = {\n") # not a string: compilers need not take one that long
    for at in range(0, len(pool), 32):
        out.write("    %s,\n" % ", ".join("%d" % c for c in pool[at:at + 32]))
    out.write("};\nstatic const struct row rows[] = {\n" + "\n".join(rows) + "\n};\n")
