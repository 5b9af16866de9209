"""The demo starts wherever the repository was cloned to, also in a home folder that only its owner can enter."""
import os
import socket
import subprocess

import postern_testing as pt
import pytest

PORTS = (2525, 2587, 2465, 2600, 2580)


def in_use(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_first_run(tmp_path, mode):
    if any(in_use(port) for port in PORTS):
        pytest.skip("the demo's ports are in use")
    for folder in [tmp_path.parent.parent, tmp_path.parent, tmp_path]:
        os.chmod(folder, 0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chmod(home, mode)
    done = subprocess.run([pt.binary(), "demo", "--directory", str(home / "d"), "--once"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=120)
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0 and "250 2.6.0" in said and "Permission denied" not in said, said
