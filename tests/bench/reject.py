#!/usr/bin/python3
"""reject.py: how many unwanted clients a second are sent away, beside other servers in the same run: connect, EHLO, MAIL, a RCPT that is
refused (relaying denied), QUIT, and a new connection for the next.

  --peers postern,postfix  --sessions 10,50  --connections 8000  --repeats 3

One JSON line per cell and repeat, then the medians with their spread; the times are from connect() to the answer to QUIT.
"""
import compare
import rig


def measure(options):
    rows = []
    for repeat, name in compare.turns(options):
        with compare.Running(name, "reject") as it:
            rig.load("reject", 5, 200)
            for sessions in options.sessions:
                cpu = rig.cpu_of(it.peer.pid)
                row = dict(peer=name, sessions=sessions, repeat=repeat, **rig.load("reject", sessions, options.connections))
                row["cpu_per_1000"] = round((rig.cpu_of(it.peer.pid) - cpu) / options.connections * 1000, 3)
                rig.emit(**row)
                rows.append(row)
    return rows


def main():
    p = compare.parser(__doc__)
    p.add_argument("--sessions", type=compare.numbers, default=[10, 50])
    p.add_argument("--connections", type=int, default=8000)
    options = p.parse_args()
    compare.table(measure(options), options, ("sessions",),
                  (("rate", "/s", 0), ("cpu_per_1000", "CPU s per 1,000", 3), ("p50_ms", "p50 ms", 2), ("p99_ms", "p99 ms", 2)), ("rate", True))


if __name__ == "__main__":
    main()
