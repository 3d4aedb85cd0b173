"""The notebooks in a network namespace with nothing in it but the loopback: a workshop room without
internet.
"""

import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.full

ALONE = [
    "unshare",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    'ip link set lo up && exec "$@"',
    "alone",
]


def test_every_notebook_runs_without_a_network(tmp_path):
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("needs unshare and ip (Debian: util-linux, iproute2)")
    if subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not allow network namespaces")
    routes = subprocess.run(
        [*ALONE, "ip", "route"], capture_output=True, text=True, check=True
    ).stdout
    assert routes == "", "the namespace has a way out: this test would prove nothing"
    command = [
        sys.executable,
        "-m",
        "tutorial_lib",
        "run",
        "--profile",
        "smoke",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run([*ALONE, *command], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
