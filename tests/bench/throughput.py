#!/usr/bin/python3
"""throughput.py: durable accept and end-to-end relay, messages per second and CPU per 1,000, beside Postfix in the same run.

  --peers postern,postfix  --modes accept,relay  --sessions 1,10,50,100  --sizes 4096,65536  --reuse 1,0  --seconds 4  --repeats 3

Load by smtp-source, destination smtp-sink, all on loopback and on the same cores. One JSON line per cell and repeat, then the
medians as a table.
"""
import argparse
import statistics
import subprocess
import time

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
    for repeat in range(options.repeats):
        for mode in options.modes:
            for name in options.peers:
                sink = rig.Sink() if mode == "relay" else None
                peer = rig.PEERS[name](mode)
                try:
                    for cell in cells(options):
                        sessions, size, reuse = cell
                        if (name, mode, cell) not in counts:
                            trial = run_once(peer, sink, sessions, max(200, sessions * 4), size, reuse)
                            counts[name, mode, cell] = int(max(300, min(40000, trial["rate"] * options.seconds)))
                        count = counts[name, mode, cell]
                        row = run_once(peer, sink, sessions, count, size, reuse)
                        row = dict(peer=name, mode=mode, sessions=sessions, size=size, reuse=reuse, repeat=repeat, count=count,
                                   **{k: round(v, 3) for k, v in row.items()})
                        rig.emit(**row)
                        rows.append(row)
                finally:
                    peer.stop()
                    if sink:
                        sink.stop()
    return rows


def table(rows, peers):
    print("\n%-7s %8s %6s %6s" % ("mode", "sessions", "size", "reuse") + "".join("  %22s" % (p + " /s (CPU s/1000)") for p in peers) + "   ratio")
    keys = sorted({(r["mode"], r["sessions"], r["size"], r["reuse"]) for r in rows}, key=str)
    for key in keys:
        line, medians = "%-7s %8d %6d %6d" % key, {}
        for peer in peers:
            mine = [r for r in rows if (r["mode"], r["sessions"], r["size"], r["reuse"]) == key and r["peer"] == peer]
            if not mine:
                continue
            medians[peer] = statistics.median(r["rate"] for r in mine)
            line += "  %14.0f (%5.2f)" % (medians[peer], statistics.median(r["cpu_per_1000"] for r in mine))
        if "postern" in medians and "postfix" in medians:
            line += "   %.1f x" % (medians["postern"] / medians["postfix"])
        print(line)


def main():
    numbers = lambda text: [int(x) for x in text.split(",")]
    words = lambda text: text.split(",")
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", type=words, default=["postern", "postfix"])
    p.add_argument("--modes", type=words, default=["accept", "relay"])
    p.add_argument("--sessions", type=numbers, default=[1, 10, 50, 100])
    p.add_argument("--sizes", type=numbers, default=[4096, 65536])
    p.add_argument("--reuse", type=numbers, default=[1, 0])
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--repeats", type=int, default=3)
    options = p.parse_args()
    table(measure(options), options.peers)


if __name__ == "__main__":
    main()
