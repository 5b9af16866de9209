#!/usr/bin/python3
"""store.py: the store of a provider: how long searches in its message log take, and what writing the log costs the mail.

  --rows 1000000  --searches 100  --repeats 3  --sessions 10  --count 5000  --store PATH (is made where missing, and kept)

First a store is made (tests/bench/bench_store.c says what is in it), then typical filters are searched for, each with other values every time, one page of 50 rows. Then
messages are accepted with log_store on and off in turn. CPU time stands beside what the clock says, since other work on the machine counts in that.
"""
import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import rig
import throughput

PROGRAM = os.environ.get("BENCH_STORE") or os.path.join(rig.ROOT, "build", "tests", "bench", "bench-store")


def program(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        rig.emit(**row)
    return rows


def searches(options):
    if not os.path.exists(options.store):
        program("generate", options.store, options.rows)
    rig.emit(bytes=os.path.getsize(options.store))
    rows = program("search", options.store, options.searches)
    program("settings", options.store)
    return rows


def log_of(peer):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(peer.directory, "run", "control"))
        s.sendall(b'{"noun": "relay", "verb": "stats"}\n')
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    return json.loads(answer)["message_log"]


def caught_up(peer, seconds=600):
    """Seconds until nothing waits any more."""
    start = time.time()
    while log_of(peer)["waiting_bytes"]:
        if time.time() - start > seconds:
            raise RuntimeError("the log does not catch up")
        time.sleep(0.05)
    return time.time() - start


def accept(options):
    rows = []
    for repeat in range(options.repeats):
        for log in ("yes", "no") if repeat % 2 else ("no", "yes"):
            peer = rig.Postern("accept", checks=rig.NO_DNS + "\nlog_store = " + log)
            try:
                throughput.run_once(peer, None, options.sessions, 300, 4096, True)
                row = throughput.run_once(peer, None, options.sessions, options.count, 4096, True)
                late = log_of(peer)["waiting_bytes"]
                row.update(log_store=log, repeat=repeat, waiting_bytes=late, caught_up_s=caught_up(peer), memory=rig.memory_of(peer.pid), **{
                    k: v for k, v in log_of(peer).items() if k in ("written", "dropped")})
            finally:
                peer.stop()
            rows.append({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})
            rig.emit(**rows[-1])
    return rows


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--searches", type=int, default=100)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--sessions", type=int, default=10)
    p.add_argument("--count", type=int, default=5000)
    p.add_argument("--store")
    options = p.parse_args()
    folder = tempfile.mkdtemp(prefix="postern-bench-", dir=os.environ.get("BENCH_DIR"))
    options.store = options.store or os.path.join(folder, "store.db")
    try:
        found = searches(options)
    finally:
        shutil.rmtree(folder)
    rows = accept(options)
    print("\nload average %.1f %.1f %.1f\n%-32s %9s %9s %9s %9s" % (*os.getloadavg(), "filter, ms", "p50", "p95", "CPU p50", "CPU p95"))
    for row in found:
        print("%-32s %9.2f %9.2f %9.2f %9.2f" % (row["filter"], row["p50_ms"], row["p95_ms"], row["cpu_p50_ms"], row["cpu_p95_ms"]))
    for log in ("no", "yes"):
        mine = [r for r in rows if r["log_store"] == log]
        print("accept, log_store = %-3s  %6.0f /s (%.0f-%.0f)  PSS %.1f MB" % (log, statistics.median(r["rate"] for r in mine), min(r["rate"] for r in mine),
                                                                          max(r["rate"] for r in mine), statistics.median(r["memory"] for r in mine) / 1e6))
    pairs = [[r["rate"] for r in rows if r["repeat"] == n and r["log_store"] == log][0] for n in range(options.repeats) for log in ("yes", "no")]
    print("with the log / without it, median of neighbours: %.2f" % statistics.median(a / b for a, b in zip(pairs[::2], pairs[1::2])))


if __name__ == "__main__":
    main()
