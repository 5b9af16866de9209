#!/usr/bin/python3
"""policy.py: what it costs to know who is talking: sessions a second, and the time from connect() to the answer to RCPT, with SPF (of sender and
HELO), sender's DNS, PTR, four block lists and the greylist, beside the same with all of them off; and signatures verified a second.

  --latency 0,20  --clients 1,20  --sessions 1000  --repeats 3  --seconds 2

Every session is a first contact: an address, a HELO and a sender that nobody knows, so that no cache helps, and the greylist's 451 4.7.1 is the
answer (only who passes the others gets it). The resolver is tests/bench/dns_latency.py: Python on the same cores, so that without latency it is mostly
what is measured; the gateway's own CPU time stands beside it. At the end: what the look-ups of a session take in a row, and what it took.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import dkim

import compare
import dns_latency
import rig

OFF = rig.NO_DNS + "\ncheck_ptr = off\nspf = off\ndnsbl = off\nbanner_delay = 0"
ON = 'resolver = {"127.0.0.1:%%d"}\ndnsbl_zones = {%s}\nbanner_delay = 0' % ", ".join('"%s"' % zone for zone in dns_latency.LISTS)
WARM_UP = 50
# The longest chain of questions of a session, each of which needs the answer before it: PTR and the address of its name; SPF and what it includes.
LONGEST_CHAIN = {"plain": 2, "include": 2}


def cell(checks, kind, server, clients, sessions, first):
    """A gateway of its own, so that each cell begins with nothing known."""
    peer = rig.Postern("accept", checks=checks)
    try:
        expected = "250" if checks == OFF else "451 4.7.1"
        rig.load("policy", clients, WARM_UP, kind, first, expected)
        cpu, asked = rig.cpu_of(peer.pid), server.questions() if server else 0
        row = rig.load("policy", clients, sessions, kind, first + WARM_UP, expected)
        row["cpu_per_1000"] = round((rig.cpu_of(peer.pid) - cpu) / sessions * 1000, 3)
        row["questions"] = round((server.questions() - asked) / sessions, 2) if server else 0
        return row
    finally:
        peer.stop()


def cells(options):
    """(checks, kind of SPF record, latency, clients)"""
    for clients in options.clients:
        yield "off", "plain", 0, clients
        for latency in options.latency:
            yield "on", "plain", latency, clients
    yield "on", "include", max(options.latency), 1


def sessions_of(options, latency, clients):
    return max(100, options.sessions // 5) if latency and clients == 1 else options.sessions


def measure(options):
    rows = []
    for repeat in range(options.repeats):
        for checks, kind, latency, clients in cells(options):
            sessions = sessions_of(options, latency, clients)
            if checks == "off":
                row = cell(OFF, kind, None, clients, sessions, 1)
            else:
                with dns_latency.Server(latency) as server:
                    row = cell(ON % server.port, kind, server, clients, sessions, 1)
            row = dict(checks=checks, spf=kind, latency_ms=latency, clients=clients, repeat=repeat, **row)
            rig.emit(**row)
            rows.append(row)
    return rows


def table(rows, options):
    keys = ("checks", "spf", "latency_ms", "clients")
    columns = (("rate", "/s", 0), ("p50_ms", "p50 ms", 2), ("p99_ms", "p99 ms", 2), ("cpu_per_1000", "CPU s per 1,000", 3), ("questions", "questions", 1))
    print("\nload average %.1f %.1f %.1f; median (least-greatest) of %d repeats" % (*os.getloadavg(), options.repeats))
    medians = {}
    for name in dict.fromkeys(tuple(r[k] for k in keys) for r in rows):
        mine = [r for r in rows if tuple(r[k] for k in keys) == name]
        print("  ".join("%s=%s" % pair for pair in zip(keys, name)))
        print("    " + "  ".join("%s %s" % (heading, compare.spread([r[field] for r in mine], digits)) for field, heading, digits in columns))
        medians[name] = {field: statistics.median(r[field] for r in mine) for field, _, _ in columns}
    return medians


def compare_with_the_sum(medians):
    print()
    for (checks, kind, latency, clients), row in medians.items():
        if checks == "on" and latency:
            off = medians["off", "plain", 0, clients]["p50_ms"]
            print("SPF %s, %d ms, %d at once: the checks add %.1f ms at p50; the longest chain of questions takes %d ms, all %.1f in a row %.0f ms"
                  % (kind, latency, clients, row["p50_ms"] - off, LONGEST_CHAIN[kind] * latency, row["questions"], row["questions"] * latency))


def rows_of(*command):
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def dkimpy_rate(folder, name, seconds):
    with open(os.path.join(folder, name + ".eml"), "rb") as message, open(os.path.join(folder, name + ".txt"), "rb") as record:
        message, record = message.read(), record.read()
    begun, done = time.thread_time(), 0
    while time.thread_time() - begun < seconds:
        if not dkim.verify(message, dnsfunc=lambda *_, **__: record):
            raise SystemExit("dkimpy does not verify " + name)
        done += 1
    return done / (time.thread_time() - begun)


def openssl_rate(algorithm, seconds):
    """Verifications a second of `openssl speed`, the bare arithmetic."""
    done = subprocess.run(["openssl", "speed", "-seconds", str(seconds), algorithm], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.splitlines()[-1].split()[-1])


def verify(seconds):
    """The same messages and keys for all."""
    print()
    with tempfile.TemporaryDirectory() as folder:
        ours = rows_of(os.environ["BENCH_DKIM"], str(seconds), folder)
        for row, algorithm in zip(ours, ("rsa2048", "ed25519")):
            name = row["dkim"]
            row["opendkim_per_s"] = rows_of(os.environ["BENCH_OPENDKIM"], str(seconds), folder, name)[0]["whole_per_s"]
            row["dkimpy_per_s"] = round(dkimpy_rate(folder, name, seconds))
            row["openssl_per_s"] = round(openssl_rate(algorithm, seconds))
            row["of_opendkim"], row["of_dkimpy"] = (round(row["whole_per_s"] / row[peer], 2) for peer in ("opendkim_per_s", "dkimpy_per_s"))
            row["key_of_openssl"] = round(row["key_per_s"] / row["openssl_per_s"], 2)
            rig.emit(**row)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--latency", type=compare.numbers, default=[0, 20], help="of each answer, in ms")
    p.add_argument("--clients", type=compare.numbers, default=[1, 20])
    p.add_argument("--sessions", type=int, default=1000, help="a fifth of them for one client that waits")
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--seconds", type=int, default=2, help="for each kind of signature")
    options = p.parse_args()
    compare_with_the_sum(table(measure(options), options))
    verify(options.seconds)


if __name__ == "__main__":
    main()
