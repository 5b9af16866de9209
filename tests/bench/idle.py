#!/usr/bin/python3
"""idle.py: how many idle sessions the gateway holds, and what each costs; with --drip, what slow clients do to others.

  --sessions 20000   plaintext sessions after EHLO (bounded by this machine's descriptor limit, which is printed)
  --tls 5000         the same inside TLS
  --drip 2000        connections that send a byte a second, while another client measures its own round trips
"""
import argparse
import multiprocessing
import resource
import socket
import ssl
import statistics
import time

import rig


def raise_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def address(i):
    return "127.%d.%d.%d" % (1 + i // 62500, i // 250 % 250, 1 + i % 250)


def read_reply(s, buffer=b""):
    while not (buffer.endswith(b"\r\n") and buffer.splitlines()[-1][3:4] == b" "):
        piece = s.recv(4096)
        if not piece:
            raise OSError("closed")
        buffer += piece
    return buffer


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: twenty thousand would measure the client
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def open_session(i, tls):
    s = socket.socket()
    s.bind((address(i), 0))
    s.connect(("127.0.0.1", rig.PORT))
    read_reply(s)
    s.sendall(b"EHLO client.example.test\r\n")
    read_reply(s)
    if tls:
        s.sendall(b"STARTTLS\r\n")
        read_reply(s)
        s = CONTEXT.wrap_socket(s)
        s.sendall(b"EHLO client.example.test\r\n")
        read_reply(s)
    return s


def holder(first, count, tls, drip, pipe):
    """A client process: opens its sessions, says so, keeps them until told to stop."""
    raise_limit()
    held = []
    try:
        for i in range(first, first + count):
            held.append(open_session(i, tls))
    except OSError as e:
        pipe.send((len(held), str(e)))
    else:
        pipe.send((len(held), ""))
    line = b"NOOP drip drip drip drip drip drip drip drip drip\r\n"
    step = 0
    while not pipe.poll(1.0 if drip else 3600):
        for s in held:
            s.send(line[step % len(line):step % len(line) + 1])
        step += 1
    pipe.recv()


def hold(count, tls=False, drip=False, per_process=9000):
    workers = []
    for first in range(0, count, per_process):
        here, there = multiprocessing.Pipe()
        w = multiprocessing.Process(target=holder, args=(first, min(per_process, count - first), tls, drip, there), daemon=True)
        w.start()
        workers.append((w, here))
    results = [here.recv() for _, here in workers]
    return workers, sum(r[0] for r in results), next((r[1] for r in results if r[1]), "")


def let_go(workers):
    for w, here in workers:
        here.send("stop")
        w.join()


def kernel_memory():
    """Slab memory that grows with sockets and epoll items, in bytes."""
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Slab:"))


def measure_idle(count, tls):
    limit = raise_limit()
    peer = rig.Postern("accept", extra="max_sessions = 100000\nidle_timeout = 1h\nbanner_delay = 0")
    try:
        before, slab = rig.memory_of(peer.pid), kernel_memory()
        start = time.perf_counter()
        workers, held, trouble = hold(count, tls)
        took = time.perf_counter() - start
        time.sleep(1)
        own, kernel = rig.memory_of(peer.pid) - before, kernel_memory() - slab
        rig.emit(test="idle", tls=tls, asked=count, held=held, descriptor_limit=limit, seconds=round(took, 1), trouble=trouble,
                 at_rest_mb=round(before / 1e6, 1), process_kb_each=round(own / max(1, held) / 1024, 2),
                 # the client's ends are in the slab too: half of it is ours
                 kernel_kb_each=round(kernel / 2 / max(1, held) / 1024, 2))
        let_go(workers)
    finally:
        peer.stop()


def round_trips(seconds):
    s = open_session(60000, False)
    times, end = [], time.time() + seconds
    while time.time() < end:
        start = time.perf_counter()
        s.sendall(b"NOOP\r\n")
        read_reply(s)
        times.append((time.perf_counter() - start) * 1000)
        time.sleep(0.005)
    s.close()
    times.sort()
    return dict(p50_ms=round(statistics.median(times), 3), p99_ms=round(times[int(len(times) * 0.99)], 3), count=len(times))


def measure_drip(count):
    raise_limit()
    peer = rig.Postern("accept", extra="banner_delay = 0\nidle_timeout = 1h")
    try:
        alone = round_trips(5)
        workers, held, trouble = hold(count, drip=True)
        beside = round_trips(10)
        rig.emit(test="drip", asked=count, held=held, trouble=trouble, alone=alone, beside=beside)
        let_go(workers)
    finally:
        peer.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sessions", type=int, default=0)
    p.add_argument("--tls", type=int, default=0)
    p.add_argument("--drip", type=int, default=0)
    o = p.parse_args()
    if not (o.sessions or o.tls or o.drip):
        o.sessions, o.tls, o.drip = 20000, 5000, 2000
    if o.sessions:
        measure_idle(o.sessions, False)
    if o.tls:
        measure_idle(o.tls, True)
    if o.drip:
        measure_drip(o.drip)


if __name__ == "__main__":
    main()
