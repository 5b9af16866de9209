#!/usr/bin/python3
"""embed.py FILE NAME OUTPUT: the text of FILE as a C string NAME."""
import sys

path, name, output = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    lines = f.read().splitlines()
with open(output, "w") as f:
    f.write('/* Written by embed.py. */\n#include "policy/large_senders.h"\n\nconst char %s[] =\n' % name)
    f.writelines('    "%s\\n"\n' % line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    f.write(";\n")
