"""Block lists prove themselves at the start, and the operator is told of those that do not."""
import postern_testing as pt

ZONE = """$TTL 1
2.0.0.127.works.test. A 127.0.0.2
2.0.0.127.all.test. A 127.0.0.2
1.0.0.127.all.test. A 127.0.0.2
2.0.0.127.refuses.test. A 127.255.255.254
2.0.0.127.lame.test. TIMEOUT
1.0.0.127.lame.test. TIMEOUT
"""


def test_the_operator_is_told():
    zones = ["works.test", "all.test", "refuses.test:3", "lame.test", "gone.test"]
    with pt.Gateway(settings={"dnsbl_zones": zones}, zone=ZONE) as g:
        said = pt.poll(lambda: g.said().count("is not used") >= 4 and g.said())
        for zone, why in (("all", "lists everything"), ("refuses", "refuses to answer"), ("lame", "does not answer"), ("gone", "does not list 127.0.0.2")):
            assert any("block list %s.test is not used" % zone in line and why in line for line in said.splitlines()), said
        lists = g.control(noun="relay", verb="stats")["block_lists"]
        assert lists["works.test"].startswith("works") and lists["gone.test"].startswith("not used") and len(lists) == 5
        assert "works.test" in g.cli("stats").stdout


def test_a_mask_that_is_wrong_is_named():
    g = pt.Gateway(settings={"dnsbl_zones": ["bl.test/127.0.0.300"]}, sink=False)
    try:
        g.write_config()
        done = g.cli("check", check=False)
        assert done.returncode != 0 and "dnsbl_zones" in done.stderr + done.stdout and "127.0.0.300" in done.stderr + done.stdout
    finally:
        g.close()
