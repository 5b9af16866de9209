#!/usr/bin/python3
"""embed_openapi.py openapi.json OUTPUT: the description of the API as an array of octets."""
import sys


def main():
    source, output = sys.argv[1:]
    with open(source, "rb") as f:
        octets = f.read()
    with open(output, "w", encoding="ascii") as f:
        f.write('/* Written by embed_openapi.py. */\n#include "console/openapi.h"\n\nstatic const char text[] = {\n')
        for i in range(0, len(octets), 32):
            f.write("    %s,\n" % ", ".join(str(b if b < 128 else b - 256) for b in octets[i:i + 32]))
        f.write("};\n\nstruct str openapi_document(void)\n{\n    return str_n(text, sizeof text);\n}\n")


main()
