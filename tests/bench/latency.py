#!/usr/bin/python3
"""latency.py: how long a client waits from MAIL FROM to the 250 behind the dot, beside other servers in the same run.

  --peers postern,postfix  --modes accept  --sessions 1,10,50  --size 4096  --messages 4000  --repeats 3

A closed loop of kept sessions (bench_load.c), so the load is what the server takes. One JSON line per cell and repeat, then the
medians with their spread.
"""
import compare
import rig


def measure(options):
    rows = []
    for mode in options.modes:
        for repeat, name in compare.turns(options):
            with compare.Running(name, mode) as it:
                rig.load("latency", 5, 200, options.size)  # the first messages start processes and fill caches
                for sessions in options.sessions:
                    row = dict(peer=name, mode=mode, sessions=sessions, size=options.size, repeat=repeat,
                               **rig.load("latency", sessions, options.messages, options.size))
                    rig.emit(**row)
                    rows.append(row)
    return rows


def main():
    p = compare.parser(__doc__)
    p.add_argument("--modes", type=compare.words, default=["accept"])
    p.add_argument("--sessions", type=compare.numbers, default=[1, 10, 50])
    p.add_argument("--size", type=int, default=4096)
    p.add_argument("--messages", type=int, default=4000)
    options = p.parse_args()
    compare.table(measure(options), options, ("mode", "sessions", "size"),
                  (("p50_ms", "p50 ms", 2), ("p99_ms", "p99 ms", 2), ("max_ms", "slowest", 1), ("rate", "/s", 0)), ("p99_ms", False))


if __name__ == "__main__":
    main()
