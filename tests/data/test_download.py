"""Downloads from mirrors that misbehave in every way, several at once, and onto full disks."""

import itertools
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer

import pytest
from mirrors import (
    BODY,
    HALF,
    SHA256,
    Handler,
    good,
    hangs_up,
    ignores_range,
    loops,
    not_found,
    redirects,
    right_length_wrong_bytes,
    server_error,
    silent,
    stalls_halfway,
    truncates,
    wrong_bytes,
    wrong_range,
)

from tutorial_lib.data import download as download_module
from tutorial_lib.data.download import download
from tutorial_lib.data.locks import take_lock
from tutorial_lib.errors import InputError


def get(server, tmp_path, *scripts):
    """Download from one mirror per script (a list of behaviours)."""
    server.log.clear()
    urls = []
    for number, script in enumerate(scripts):
        server.script[f"/{number}"] = list(script)
        urls.append(f"{server.root}/{number}")
    return download(urls, tmp_path / "x.zip", SHA256)


def left_over(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_good_mirror_gives_the_file_and_leaves_nothing_else(server, tmp_path):
    assert get(server, tmp_path / "new" / "folder", [good]).read_bytes() == BODY
    assert left_over(tmp_path / "new" / "folder") == ["x.zip"]


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    assert get(server, tmp_path, [truncates, good]).read_bytes() == BODY
    # the half that came is not asked for again
    assert server.log == [("/0", None), ("/0", f"bytes={HALF}-")]


def test_a_transfer_stopped_in_an_earlier_run_goes_on(server, tmp_path):
    with pytest.raises(InputError, match="answered 404.*102,400 bytes are kept"):
        get(server, tmp_path, [truncates, not_found])
    assert left_over(tmp_path) == ["x.zip.part"]
    assert get(server, tmp_path, [good]).read_bytes() == BODY
    assert server.log == [("/0", f"bytes={HALF}-")]
    assert left_over(tmp_path) == ["x.zip"]


def test_the_next_mirror_goes_on_with_what_the_first_one_sent(server, tmp_path):
    assert get(server, tmp_path, [truncates, not_found], [good]).read_bytes() == BODY
    assert server.log[-1] == ("/1", f"bytes={HALF}-")


def test_a_stall_is_left_and_resumed(server, tmp_path):
    assert get(server, tmp_path, [stalls_halfway, good]).read_bytes() == BODY
    assert server.log[-1][1] == f"bytes={HALF}-"


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [(ignores_range, 1), (redirects, 2)],
    ids=["ignores Range", "redirects"],
)
def test_servers_that_are_merely_odd_still_give_the_file(server, tmp_path, behaviour, requests):
    (tmp_path / "x.zip.part").write_bytes(BODY[:1000])
    assert get(server, tmp_path, [behaviour]).read_bytes() == BODY
    # no transfer is thrown away: a whole answer is not appended to what was there
    assert len(server.log) == requests


def test_another_part_than_asked_for_is_not_appended(server, tmp_path):
    with pytest.raises(InputError, match="another part of the file"):
        get(server, tmp_path, [wrong_range])
    # what came before is kept, and is right
    assert (tmp_path / "x.zip.part").read_bytes() == BODY[:HALF]


def test_wrong_bytes_are_removed_and_the_next_mirror_asked_from_the_start(server, tmp_path):
    assert get(server, tmp_path, [right_length_wrong_bytes], [good]).read_bytes() == BODY
    assert server.log == [("/0", None), ("/1", None)]


def test_wrong_bytes_alone_end_with_one_line_and_no_file(server, tmp_path):
    with pytest.raises(
        InputError,
        match=r"^could not download x.zip: 127.0.0.1:\d+: sent a file with the wrong sha256",
    ):
        get(server, tmp_path, [wrong_bytes])
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    "leftover", [b"rubbish" * 100, BODY + b"too long"], ids=["other bytes", "too long"]
)
def test_wrong_leftovers_of_an_earlier_run_do_not_spoil_a_good_mirror(server, tmp_path, leftover):
    (tmp_path / "x.zip.part").write_bytes(leftover)
    assert get(server, tmp_path, [good]).read_bytes() == BODY


def test_a_complete_leftover_needs_no_second_transfer(server, tmp_path):
    (tmp_path / "x.zip.part").write_bytes(BODY)
    assert get(server, tmp_path, [good]).read_bytes() == BODY  # the server answered 416


def test_404_is_not_asked_twice_and_500_is(server, tmp_path):
    assert (
        get(server, tmp_path, [not_found], [server_error, server_error, good]).read_bytes() == BODY
    )
    assert [path for path, _ in server.log] == ["/0", "/1", "/1", "/1"]


def test_every_failure_names_its_mirror_and_reason(server, tmp_path):
    scripts = [[not_found], [server_error], [silent], [loops], [hangs_up]]
    with pytest.raises(InputError) as caught:
        get(server, tmp_path, *scripts)
    for reason in (
        "answered 404",
        "answered 500",
        "no answer within 0.3 s",
        "redirect",
        "closed the connection",
    ):
        assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_over(tmp_path) == []


FAULTS = [
    good,
    truncates,
    wrong_bytes,
    right_length_wrong_bytes,
    ignores_range,
    wrong_range,
    not_found,
    server_error,
    hangs_up,
    redirects,
]


def test_any_sequence_of_faults_ends_with_the_right_file_or_one_clear_line(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(download_module, "RETRIES", 1)
    outcomes = []
    pairs = list(itertools.product(FAULTS, repeat=2))
    for number, script in enumerate(pairs[::3]):
        folder = tmp_path / str(number)
        try:
            assert get(server, folder, script, [not_found]).read_bytes() == BODY
            assert left_over(folder) == ["x.zip"]
            outcomes.append(True)
        except InputError as error:
            assert "\n" not in str(error)
            # never a file under the final name that is not right
            assert "x.zip" not in left_over(folder)
            outcomes.append(False)
    assert 10 < sum(outcomes) < 30  # both ends are reached


def test_a_trickle_is_not_waited_for(server, tmp_path, monkeypatch):
    def trickles(handler):
        handler.send(200, b"", promised=len(BODY))
        for _ in range(60):
            handler.wfile.write(b"x")
            time.sleep(0.02)

    monkeypatch.setattr(download_module, "STALL", (0.2, 4096))
    started = time.monotonic()
    with pytest.raises(InputError, match="too slow"):
        get(server, tmp_path, [trickles])
    assert time.monotonic() - started < 1.0


def test_no_network_fails_within_seconds(tmp_path, monkeypatch, server):
    monkeypatch.setattr(download_module, "TIMEOUT", 8.0)
    started = time.monotonic()
    # a name that never resolves, a port nobody serves
    urls = ["https://mirror.invalid/x.zip", "http://127.0.0.1:9/x.zip"]
    with pytest.raises(InputError, match="cannot be resolved.*Connection refused"):
        download(urls, tmp_path / "x.zip", SHA256)
    assert time.monotonic() - started < 12
    assert left_over(tmp_path) == []


def test_a_resolver_that_hangs_is_not_waited_for(tmp_path, monkeypatch, server):
    def hangs(*args):
        time.sleep(2)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(download_module.socket, "getaddrinfo", hangs)
    started = time.monotonic()
    with pytest.raises(InputError, match="no connection within 0.3 s"):
        get(server, tmp_path, [good])
    assert time.monotonic() - started < 1.5


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command to make a certificate"
)
def test_an_invalid_certificate_sends_us_to_the_next_mirror_and_is_never_accepted(server, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run(command, check=True, capture_output=True)
    secure = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    secure.log, secure.script, secure.handle_error = [], {"/good": [good]}, lambda *args: None
    threading.Thread(target=secure.serve_forever, args=(0.02,), daemon=True).start()
    url = f"https://127.0.0.1:{secure.server_port}/good"
    try:
        with pytest.raises(InputError, match="certificate not valid"):
            download([url], tmp_path / "a" / "x.zip", SHA256)
        assert secure.log == []  # not one byte was taken from it
        assert (
            download([url, f"{server.root}/good"], tmp_path / "b" / "x.zip", SHA256).read_bytes()
            == BODY
        )
    finally:
        secure.shutdown()
        secure.server_close()


def test_a_place_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*file.*\$TUTORIAL_CACHE"):
        get(server, tmp_path / "file", [good])


def test_the_progress_bar_goes_to_standard_error_of_a_terminal_only(
    server, tmp_path, capsys, monkeypatch
):
    for forced, shown in (("1", True), ("", False)):  # rich takes FORCE_COLOR for a terminal
        monkeypatch.setenv("FORCE_COLOR", forced)
        get(server, tmp_path / forced, [good])
        out, err = capsys.readouterr()
        assert out == "" and ("x.zip" in err) is shown


def test_two_downloads_at_once_both_succeed(server, tmp_path, monkeypatch):
    """The later ones wait for the first, and find its file."""

    def slow(handler):
        time.sleep(0.15)
        handler.part()

    monkeypatch.setattr(download_module, "TIMEOUT", 5.0)
    outcomes = []

    def fetch():
        server.script["/slow"] = [slow]
        try:
            outcomes.append(
                download([f"{server.root}/slow"], tmp_path / "x.zip", SHA256).read_bytes() == BODY
            )
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
        time.sleep(0.03)  # some start while others end
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 6 and left_over(tmp_path) == ["x.zip"]
    assert len(server.log) == 1


def test_nobody_waits_for_a_download_that_does_not_grow(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "PATIENCE", 0.3)
    (tmp_path / "x.zip.part").write_bytes(BODY[:1000])
    with take_lock(tmp_path / "x.zip.lock"):
        with pytest.raises(InputError, match="another process is downloading .*x.zip.* 0.3 s"):
            get(server, tmp_path, [good])
        assert server.log == []
    assert get(server, tmp_path, [good]).read_bytes() == BODY
    assert server.log == [("/0", "bytes=1000-")] and left_over(tmp_path) == ["x.zip"]


FETCH = """
import pathlib, sys
from tutorial_lib.data.download import download
download([sys.argv[1]], pathlib.Path(sys.argv[2]), sys.argv[3])
"""


def wait_for(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_the_half_of_a_killed_download_is_used_by_the_next_one(server, tmp_path):
    """A process that is killed keeps no lock and leaves nothing but its half."""
    go_on = threading.Event()

    def halfway(handler):
        handler.part(until=HALF)
        go_on.wait(60)

    server.script["/slow"] = [halfway]
    part = tmp_path / "x.zip.part"
    command = [sys.executable, "-c", FETCH, f"{server.root}/slow", tmp_path / "x.zip", SHA256]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: part.exists() and part.stat().st_size == HALF)
    finally:
        process.kill()
        process.wait()
        go_on.set()
    assert get(server, tmp_path, [good]).read_bytes() == BODY
    assert server.log == [("/0", f"bytes={HALF}-")] and left_over(tmp_path) == ["x.zip"]


def test_a_file_system_without_locks_is_good_enough(server, tmp_path, monkeypatch):
    """There nobody can tell a killed process from a living one."""
    fcntl = pytest.importorskip("fcntl", reason="file locks of Unix")

    def refuse(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert get(server, tmp_path, [good]).read_bytes() == BODY


@pytest.mark.parametrize("call", ["open", "replace"])
def test_a_full_disk_names_the_file(server, tmp_path, monkeypatch, call):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    target = (download_module, "open") if call == "open" else (download_module.os, "replace")
    monkeypatch.setattr(*target, full, raising=False)
    with pytest.raises(
        InputError, match=r"cannot write .*x.zip.*No space left on device.*\$TUTORIAL_CACHE"
    ):
        get(server, tmp_path, [good])
    assert "x.zip" not in left_over(tmp_path)
