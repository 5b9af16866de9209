"""What was answered with 250 arrives, whoever dies. The long form is script/bench durability --kills 200."""
import os
import signal
import threading

import durability
import postern_testing as pt


def test_kills_under_load():
    tally = durability.run(int(os.environ.get("DURABILITY_KILLS", "8")))
    assert tally.promised > 0 and tally.lost == [] and tally.waiting == 0, str(tally)


def test_scan_process_dies_in_mid_message():
    """The client is told 451 (or 250, where the scan was begun anew), and what it sends again arrives."""
    with pt.Gateway(settings={"max_connections_per_minute": "0"}) as g:
        c = g.client()
        c.ask("EHLO client.example.test")
        c.ask("MAIL FROM:<carol@example.test>")
        c.ask("RCPT TO:<ann@acme.test>")
        assert c.ask("DATA")[-1].startswith("354")
        c.raw(pt.sample(subject="half", body="x" * 900 + "\r\n").encode())
        for pid in [pid for role, pids in g.children().items() if role.startswith("scan") for pid in pids]:
            os.kill(pid, signal.SIGKILL)
        c.raw(b"rest\r\n.\r\n")
        reply = c.reply()[-1]
        assert reply.startswith(("451 4.3.0", "250 2.6.0")), reply
        assert pt.poll(lambda: g.client(source="127.0.0.10").transact("bob@acme.test").startswith("250"))
        pt.poll(lambda: g.sink.messages_for("bob@acme.test"))
        assert len(g.sink.messages_for("ann@acme.test")) == (1 if reply.startswith("250") else 0)


def test_scan_process_that_hangs_is_replaced():
    with pt.Gateway(settings={"scan_timeout": "500ms"}) as g:
        pids = [pid for role, pids in g.children().items() if role.startswith("scan") for pid in pids]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        assert g.client().transact("ann@acme.test").startswith("451 4.3.0")
        pt.poll(lambda: g.client(source="127.0.0.11").transact("ann@acme.test").startswith("250"))
        pt.poll(lambda: g.sink.messages_for("ann@acme.test"))


def test_relay_dies_between_acceptance_and_delivery():
    with pt.Gateway(domains={"acme.test": {"retry_schedule": ["1s"]}}) as g:
        g.sink.stop()
        for i in range(20):
            assert g.client(source="127.0.0.%d" % (20 + i)).transact("n%d@acme.test" % i).startswith("250")
        durability.kill(g, "relay")
        pt.poll(lambda: durability.serves(g))
        assert len(g.queue()) == 20
        g.sink.start()
        g.control(noun="queue", verb="retry")
        pt.poll(lambda: g.queue() == [])
        assert sorted(len(g.sink.messages_for("n%d@acme.test" % i)) for i in range(20)) == [1] * 20


def test_ends_in_order_under_load():
    """SIGTERM lets transactions end and takes no new ones; nothing that was promised is lost."""
    with pt.Gateway(settings={"max_connections_per_minute": "0", "max_messages_per_connection": "0"}) as g:
        loads = [durability.Load(g, n, False) for n in range(3)]
        for load in loads:
            load.start()
        pt.poll(lambda: all(len(load.promised) > 20 for load in loads))
        for load in loads:
            load.ending.set()
        threading.Thread(target=g.stop).start()
        for load in loads:
            load.join(30)
        g.process.wait(40)
        assert g.process.returncode == 0
        g.start()
        pt.poll(lambda: g.queue() == [])
        promised = {unique for load in loads for unique in load.promised}
        assert promised <= set(durability.delivered_ids(g.sink))
