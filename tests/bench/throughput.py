#!/usr/bin/python3
"""throughput.py: durable accept and end-to-end relay, messages per second and CPU per 1,000, beside other servers in the same run.

  --peers postern,postfix  --modes accept,relay  --sessions 1,10,50,100  --sizes 4096,65536  --reuse 1,0  --seconds 4  --repeats 3

Load by smtp-source, destination smtp-sink, all on loopback and on the same cores. One JSON line per cell and repeat, then the
medians with their spread.
"""
import subprocess
import time

import compare
import rig


def source(sessions, count, size, reuse):
    command = ["/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-f", "a@sender.test", "-t",
               "user@" + rig.DOMAIN] + (["-d"] if reuse else []) + ["127.0.0.1:%d" % rig.PORT]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)


def run_once(peer, sink, sessions, count, size, reuse):
    before = sink.delivered() if sink else 0
    cpu, start = rig.cpu_of(peer.pid), time.perf_counter()
    done = source(sessions, count, size, reuse)
    accepted = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError("smtp-source: " + done.stderr.strip()[-300:])
    if sink:
        sink.wait(before + count)
    elapsed = time.perf_counter() - start
    return dict(rate=count / elapsed, rate_accepted=count / accepted, cpu_per_1000=(rig.cpu_of(peer.pid) - cpu) / count * 1000)


def cells(options):
    for sessions in options.sessions:
        for size in options.sizes:
            for reuse in options.reuse:
                yield sessions, size, reuse


def measure(options):
    counts, rows = {}, []
    for mode in options.modes:
        for repeat, name in compare.turns(options):
            with compare.Running(name, mode) as it:
                for cell in cells(options):
                    sessions, size, reuse = cell
                    if (name, mode, cell) not in counts:
                        trial = run_once(it.peer, it.sink, sessions, max(200, sessions * 4), size, reuse)
                        counts[name, mode, cell] = int(max(300, min(40000, trial["rate"] * options.seconds)))
                    count = counts[name, mode, cell]
                    row = run_once(it.peer, it.sink, sessions, count, size, reuse)
                    row = dict(peer=name, mode=mode, sessions=sessions, size=size, reuse=reuse, repeat=repeat, count=count,
                               **{k: round(v, 3) for k, v in row.items()})
                    rig.emit(**row)
                    rows.append(row)
    return rows


def main():
    p = compare.parser(__doc__)
    p.add_argument("--modes", type=compare.words, default=["accept", "relay"])
    p.add_argument("--sessions", type=compare.numbers, default=[1, 10, 50, 100])
    p.add_argument("--sizes", type=compare.numbers, default=[4096, 65536])
    p.add_argument("--reuse", type=compare.numbers, default=[1, 0])
    p.add_argument("--seconds", type=float, default=4)
    options = p.parse_args()
    compare.table(measure(options), options, ("mode", "sessions", "size", "reuse"),
                  (("rate", "/s", 0), ("cpu_per_1000", "CPU s per 1,000", 3)), ("rate", True))


if __name__ == "__main__":
    main()
