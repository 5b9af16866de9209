"""Writes the formats of the store (schema/N.sql) as C texts: embed_schema.py OUTPUT FILE…"""
import re
import sys

output, *files = sys.argv[1:]
with open(output, "w") as out:
    out.write('/* written by embed_schema.py */\n#include "store/schema.h"\n\n')
    for number, name in enumerate(files, 1):
        assert name.endswith("/%d.sql" % number), "formats are numbered from 1, in order: " + name
        text = re.sub(r"\s*--.*", "", open(name).read()).encode() + b"\0"
        out.write("static const char format_%d[] = {%s};\n" % (number, ", ".join(map(str, text))))
    out.write("\nconst char *const schema_formats[] = {%s};\n" % ", ".join("format_%d" % n for n in range(1, len(files) + 1)))
    out.write("const int schema_format_count = %d;\n" % len(files))
