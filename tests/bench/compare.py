"""compare.py: what the benchmarks that set peers side by side share: their options, the order of the runs, and the table.

Each repeat starts each peer anew, and the order of the peers turns from repeat to repeat, so that a machine that gets slower (or hotter)
does not favour whoever comes first. Of the repeats the median counts; beside it stand the least and the greatest.
"""
import argparse
import os
import statistics

import rig


def numbers(text):
    return [int(x) for x in text.split(",")]


def words(text):
    return text.split(",")


def parser(doc):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", type=words, default=["postern", "postfix"], help="of: " + ", ".join(rig.PEERS))
    p.add_argument("--repeats", type=int, default=3)
    return p


def turns(options):
    """(repeat, name of a peer), the order turning."""
    for repeat in range(options.repeats):
        first = repeat % len(options.peers)
        for name in options.peers[first:] + options.peers[:first]:
            yield repeat, name


class Running:
    """A peer, with a sink behind it where it is to deliver, for the length of a `with`."""

    def __init__(self, name, mode):
        self.name, self.mode, self.sink, self.peer = name, mode, None, None

    def __enter__(self):
        self.sink = rig.Sink() if self.mode == "relay" else None
        try:
            self.peer = rig.PEERS[self.name](self.mode)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.peer:
            self.peer.stop()
        if self.sink:
            self.sink.stop()


def spread(values, digits):
    form = "%%.%df" % digits
    return (form + " (" + form + "-" + form + ")") % (statistics.median(values), min(values), max(values))


def table(rows, options, keys, columns, ratio):
    """KEYS name the cells; COLUMNS: (field, heading, digits); RATIO: (field, more_is_better), of the first peer to each other one."""
    name = lambda row: tuple(row[k] for k in keys)
    print("\nload average %.1f %.1f %.1f; median (least-greatest) of %d repeats" % (*os.getloadavg(), options.repeats))
    for cell in dict.fromkeys(map(name, rows)):
        print("  ".join("%s=%s" % pair for pair in zip(keys, cell)))
        first = None
        for peer in options.peers:
            mine = [r for r in rows if name(r) == cell and r["peer"] == peer]
            if not mine:
                continue
            line = "    %-10s" % peer + "".join("  %s %-22s" % (heading, spread([r[field] for r in mine], digits))
                                                 for field, heading, digits in columns)
            value = statistics.median(r[ratio[0]] for r in mine)
            if first is None:
                first = value
            elif value and first:
                line += "  ratio %.1f" % (first / value if ratio[1] else value / first)
            print(line.rstrip())
