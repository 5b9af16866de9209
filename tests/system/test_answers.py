"""test_answers.py: the answers that no dialogue can bring about: SHUTTING_DOWN, TLS_UNAVAILABLE, INTERNAL_ERROR."""
import os
import signal

import postern_testing as pt


def test_shutting_down_is_said_to_sessions():
    """SHUTTING_DOWN"""
    with pt.Gateway() as g:
        c = g.client()
        assert c.ask("EHLO client.example.test")[-1].startswith("250")
        g.process.send_signal(signal.SIGTERM)
        assert c.reply()[-1].startswith("421 4.3.2")
        assert c.is_closed()
        c.close()
        assert g.stop() == 0


def test_a_key_that_does_not_fit_makes_tls_unavailable_and_mail_flows():
    """TLS_UNAVAILABLE"""
    g = pt.Gateway(tls=False)
    cert, _ = pt.make_certificate(g.directory, stem="one")
    _, key = pt.make_certificate(g.directory, stem="two")
    g.settings["tls_certificates"] = ["%s:%s" % (cert, key)]
    with g:
        c = g.client()
        c.ask("EHLO client.example.test")
        assert c.ask("STARTTLS")[-1].startswith("454 4.7.0")
        assert c.transact("ann@acme.test", helo=None).startswith("250 2.6.0")
        assert "does not belong to the certificate" in g.said()
        c.close()


def test_a_scan_process_that_dies_costs_nothing():
    """INTERNAL_ERROR"""
    with pt.Gateway() as g:
        scan = g.children()["scan"][0]
        os.kill(scan, signal.SIGSTOP)
        c = g.client()
        c.ask("EHLO client.example.test")
        c.ask("MAIL FROM:<carol@example.test>")
        c.ask("RCPT TO:<ann@acme.test>")
        c.ask("DATA")
        c.raw(pt.sample().encode() + b"\r\n.\r\n")
        pt.poll(lambda: "t" in open("/proc/%d/stat" % scan).read().rpartition(")")[2].lower()[:3])
        os.kill(scan, signal.SIGKILL)
        assert c.reply()[-1].startswith("451 4.3.0")
        g.wait_for_event(reason="INTERNAL_ERROR", recipient="ann@acme.test")
        pt.poll(lambda: c.transact("ann@acme.test", helo=None).startswith("250 2.6.0"))
        pt.poll(lambda: g.sink.messages_for("ann@acme.test"))
        c.close()
