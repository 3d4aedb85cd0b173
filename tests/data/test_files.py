"""Finding, fetching and checking real data files, against a local server that misbehaves in every
way a mirror can.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tutorial_lib.audit.logs import reading as log_file
from tutorial_lib.data import archives, files
from tutorial_lib.data import download as download_module
from tutorial_lib.data.download import download
from tutorial_lib.data.locks import take_lock
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.home import ensure_home

BODY = bytes(range(256)) * 800  # 204,800 bytes
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = len(BODY) // 2


class Handler(BaseHTTPRequestHandler):
    """Answers a path by the next behaviour in ``server.script[path]``; the last one repeats."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.log.append((self.path, self.headers.get("Range")))
        script = self.server.script[self.path]
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        behaviour(self)
        self.close_connection = True

    def log_message(self, *args):
        pass

    def send(self, status, body=b"", promised=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def start(self):
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0

    def part(self, until=None):
        """A correct answer, with Range if asked, that stops at byte ``until`` without saying so."""
        start = self.start()
        if start >= len(BODY):
            return self.send(416, Content_Range=f"bytes */{len(BODY)}")
        extra = {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        return self.send(
            206 if start else 200, BODY[start:until], promised=len(BODY) - start, **extra
        )


def good(handler):
    handler.part()


def truncates(handler):
    handler.part(until=max(HALF, handler.start() + 1000))


def wrong_bytes(handler):
    handler.send(200, b"<html>please log in</html>")


def right_length_wrong_bytes(handler):
    handler.send(200, BODY[::-1])


def ignores_range(handler):
    handler.send(200, BODY)


def wrong_range(handler):
    (
        handler.send(206, BODY[5:], Content_Range=f"bytes 5-{len(BODY) - 1}/{len(BODY)}")
        if handler.start()
        else truncates(handler)
    )


def not_found(handler):
    handler.send(404, b"gone")


def server_error(handler):
    handler.send(500, b"oops")


def silent(handler):
    time.sleep(0.8)


def stalls_halfway(handler):
    handler.part(until=max(HALF, handler.start() + 1000))
    time.sleep(0.8)


def hangs_up(handler):
    handler.connection.close()


def loops(handler):
    handler.send(302, Location=handler.path)


def redirects(handler):
    handler.send(302, Location="/good")


@pytest.fixture
def server(monkeypatch):
    for variable in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(download_module, "TIMEOUT", 0.3)
    monkeypatch.setattr(download_module, "PAUSE", 0.01)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads, httpd.handle_error = True, lambda *args: None
    httpd.log, httpd.script = [], {"/good": [good]}
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    httpd.root = f"http://127.0.0.1:{httpd.server_port}"
    yield httpd
    httpd.shutdown()
    httpd.server_close()


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
    assert server.log == [
        ("/0", None),
        ("/0", f"bytes={HALF}-"),
    ]  # the half that came is not asked for again


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
    assert (
        len(server.log) == requests
    )  # no transfer is thrown away: a whole answer is not appended to what was there


def test_another_part_than_asked_for_is_not_appended(server, tmp_path):
    with pytest.raises(InputError, match="another part of the file"):
        get(server, tmp_path, [wrong_range])
    assert (tmp_path / "x.zip.part").read_bytes() == BODY[
        :HALF
    ]  # what came before is kept, and is right


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
            assert "x.zip" not in left_over(
                folder
            )  # never a file under the final name that is not right
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
    urls = [
        "https://mirror.invalid/x.zip",
        "http://127.0.0.1:9/x.zip",
    ]  # a name that never resolves, a port nobody serves
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


# --- where files are looked for ---


MEMBERS = {"u.data": b"1\t1\t5\t7\n", "u.item": b"item", "u.user": b"user"}


def put_folder(folder, members=MEMBERS):
    folder.mkdir(parents=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


def put_zip(path, prefix="ml-100k/", members=MEMBERS):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(prefix + name, content)
    return path


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty cache and no $TUTORIAL_DATA, so that a test never sees this machine's files."""
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUTORIAL_DATA", raising=False)


@pytest.mark.parametrize(
    "put",
    [
        lambda base: put_folder(base / "ml-100k"),
        lambda base: put_folder(base / "ml-100k" / "ml-100k"),
        lambda base: put_zip(base / "ml-100k.zip"),
        lambda base: put_zip(base / "ml-100k.zip", prefix=""),
        lambda base: put_zip(base / "ml-100k" / "ml-100k.zip"),
        lambda base: put_folder(base),
    ],
    ids=[
        "folder",
        "folder in folder",
        "zip",
        "zip without top folder",
        "zip in folder",
        "the folder itself",
    ],
)
def test_folder_and_zip_are_found_and_read_alike(tmp_path, put):
    put(tmp_path / "base")
    source = files.locate("ml-100k", root=tmp_path / "base", download=False)
    assert source.read("u.data") == MEMBERS["u.data"]
    assert source.where("u.data").endswith("u.data")


def test_root_may_be_the_zip_itself(tmp_path):
    path = put_zip(tmp_path / "renamed.zip")
    assert files.locate("ml-100k", root=path, download=False).read("u.user") == b"user"


def test_root_comes_before_tutorial_data_before_the_cache(tmp_path, monkeypatch):
    put_folder(tmp_path / "cache" / "ml-100k")
    assert files.fetch("ml-100k") == tmp_path / "cache" / "ml-100k"
    monkeypatch.setenv("TUTORIAL_DATA", str(put_folder(tmp_path / "env" / "ml-100k").parent))
    assert files.fetch("ml-100k") == tmp_path / "env" / "ml-100k"
    put_folder(tmp_path / "root" / "ml-100k")
    assert files.locate("ml-100k", root=tmp_path / "root").path == tmp_path / "root" / "ml-100k"


def test_a_larger_movielens_next_to_it_is_not_mistaken_for_the_small_one(tmp_path):
    put_folder(
        tmp_path / "data" / "ml-25m", {"ratings.csv": b"", "movies.csv": b"", "tags.csv": b""}
    )
    with pytest.raises(InputError, match="not found in"):
        files.locate("ml-latest-small", root=tmp_path / "data", download=False)


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_a_truncated_zip_is_told_with_the_mend(tmp_path, cut):
    path = put_zip(tmp_path / "ml-100k.zip")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(
        InputError, match=r"ml-100k.zip is not a complete zip file.*delete it and fetch it again"
    ):
        files.locate("ml-100k", root=tmp_path)


def test_a_zip_damaged_inside_is_told_when_it_is_read(tmp_path):
    path = put_zip(
        tmp_path / "ml-100k.zip",
        members=MEMBERS | {"u.data": b"".join(b"%d\n" % (i * i) for i in range(9000))},
    )
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a complete zip file"):
        files.locate("ml-100k", root=tmp_path).read("u.data")


def test_an_incomplete_folder_names_the_missing_file(tmp_path):
    put_folder(tmp_path / "ml-100k", {"u.data": b"", "u.item": b""})
    with pytest.raises(InputError, match=r"ml-100k lacks u.user \(it has u.data, u.item\)"):
        files.locate("ml-100k", root=tmp_path)


def test_a_tutorial_data_that_does_not_exist_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"\$TUTORIAL_DATA names .*nowhere.*does not exist"):
        files.locate("ml-100k")


@pytest.mark.parametrize("name", ["amazon-games", "mind-small"])
def test_data_that_may_not_be_downloaded_says_where_to_get_it_and_where_to_put_it(name, tmp_path):
    with pytest.raises(InputError) as caught:
        files.fetch(name)
    line = str(caught.value)
    assert (
        "terms do not allow" in line
        and "https://" in line
        and str(tmp_path / "cache") in line
        and "$TUTORIAL_DATA" in line
    )


def test_download_off_never_touches_the_network(monkeypatch):
    monkeypatch.setattr(files, "download_file", lambda *args: pytest.fail("downloaded"))
    with pytest.raises(
        InputError, match="downloading was switched off: get ml-1m.zip from https://grouplens.org"
    ):
        files.locate("ml-1m", download=False)


def test_names_are_checked(tmp_path):
    with pytest.raises(
        InputError, match="unknown dataset to fetch 'ml-100': did you mean 'ml-100k'"
    ):
        files.fetch("ml-100")
    with pytest.raises(InputError, match="ships with the kit"):
        files.fetch("world-movies")


def published(monkeypatch, server, path, sha256=None):
    """Let "ml-100k" be published at ``path`` of the local server."""
    sha256 = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    server.script["/ml-100k.zip"] = [lambda handler: handler.send(200, path.read_bytes())]
    origin = replace(files.ORIGINS["ml-100k"], urls=(f"{server.root}/ml-100k.zip",), sha256=sha256)
    monkeypatch.setitem(files.ORIGINS, "ml-100k", origin)


def test_locate_downloads_once_and_then_reads_the_cache(monkeypatch, server, tmp_path):
    published(monkeypatch, server, put_zip(tmp_path / "published" / "ml-100k.zip"))
    assert files.locate("ml-100k").read("u.item") == b"item"
    assert files.locate("ml-100k").path == tmp_path / "cache" / "ml-100k.zip"
    assert len(server.log) == 1
    assert files.fetch("ml-100k") == tmp_path / "cache" / "ml-100k.zip"


def test_a_failed_download_says_where_to_put_the_file(monkeypatch, server, tmp_path):
    published(monkeypatch, server, put_zip(tmp_path / "published" / "ml-100k.zip"), sha256="0" * 64)
    with pytest.raises(InputError) as caught:
        files.locate("ml-100k")
    line = str(caught.value)
    assert (
        "wrong sha256" in line
        and "Mend: get ml-100k.zip from https://grouplens.org" in line
        and str(tmp_path / "cache") in line
    )
    assert list((tmp_path / "cache").iterdir()) == []


def test_checksums_of_ones_own_copy_are_compared_not_enforced():
    known = files.ORIGINS["ml-100k"].member_sha256["u.data"]
    assert files.checksum_notes("ml-100k", {"u.data": known, "README": "whatever"}) == []
    assert files.checksum_notes("ml-100k", {"u.data": "f" * 64})[0].startswith(
        "u.data differs from the published file"
    )


def test_published_checksums_have_the_right_form():
    for origin in files.ORIGINS.values():
        for value in [origin.sha256, *origin.member_sha256.values()]:
            assert not value or (len(value) == 64 and set(value) <= set("0123456789abcdef"))
        assert bool(origin.urls) == bool(
            origin.sha256
        )  # nothing is downloaded that cannot be checked
        assert all(url.startswith("https://") for url in origin.urls)


# --- zips that are locked, damaged, too large or odd ---


TEXT = b"".join(b"%d\t%d\t5\t7\n" % (i, i * i) for i in range(4000))
METHODS = {"stored": 0, "deflate": 8}


def zipped(path, members=None, method=zipfile.ZIP_DEFLATED, prefix="ml-100k/", **options):
    with zipfile.ZipFile(path, "w", method, **options) as archive:
        for name, content in (members or MEMBERS | {"u.data": TEXT}).items():
            archive.writestr(prefix + name, content)
    return path


def with_header(path, offset, content):
    """The zip with these bytes at this offset of each local (and central) header of a file."""
    data = bytearray(path.read_bytes())
    for mark, shift in (
        (b"PK\x03\x04", 0),
        (b"PK\x01\x02", 2),
    ):  # a central header has two more bytes before the flags
        at = data.find(mark)
        while at >= 0:
            data[at + offset + shift : at + offset + shift + len(content)] = content
            at = data.find(mark, at + 4)
    path.write_bytes(data)
    return path


def read(path, member="u.data"):
    return files.locate("ml-100k", root=path, download=False).read(member)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_stored_and_deflated_members_are_read(tmp_path, method):
    assert read(zipped(tmp_path / "ml-100k.zip", method=method)) == TEXT


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_damaged_member_is_one_line_whatever_packed_it(tmp_path, method):
    whole = zipped(tmp_path / "ml-100k.zip", method=method).read_bytes()
    start, told = 60, 0
    for place in range(start, whole.index(b"PK\x01\x02"), max(1, len(whole) // 150)):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        (tmp_path / "ml-100k.zip").write_bytes(changed)
        try:
            assert read(tmp_path / "ml-100k.zip") == TEXT  # another member was hit
        except InputError as error:
            assert "\n" not in str(error)
            told += 1
    assert told > 10


@pytest.mark.parametrize("flag", [0x01, 0x41], ids=["zip password", "strong encryption"])
def test_a_zip_with_a_password_says_so(tmp_path, flag):
    with pytest.raises(InputError, match=r"u.data is locked by a password: unpack it"):
        read(with_header(zipped(tmp_path / "ml-100k.zip"), 6, bytes([flag])))


@pytest.mark.parametrize("method", [9, 12, 14, 93, 1234])
def test_another_method_than_deflate_is_refused(tmp_path, method):
    """bzip2 (12) and lzma (14) among them: Python unpacks these without a limit."""
    with pytest.raises(InputError, match=f"packed by zip method {method}, expected 8 .deflate"):
        read(with_header(zipped(tmp_path / "ml-100k.zip"), 8, method.to_bytes(2, "little")))


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_unpacks_to_too_much_is_refused_by_its_declared_size(tmp_path, monkeypatch, method):
    monkeypatch.setattr(archives, "MOST_BYTES", 2**20)
    path = zipped(tmp_path / "ml-100k.zip", MEMBERS | {"u.data": bytes(2**21)}, method)
    with pytest.raises(InputError, match="u.data is larger than 1 MiB"):
        read(path)


def test_what_lies_about_its_size_fills_no_memory(tmp_path):
    """A zip of some KB that says "1,000 bytes" and holds 32 MB."""
    path = zipped(tmp_path / "ml-100k.zip", MEMBERS | {"u.data": bytes(2**25)})
    with_header(path, 22, (1000).to_bytes(4, "little"))
    tracemalloc.start()
    with pytest.raises(InputError, match="not a complete zip file"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_a_plain_file_that_is_too_large_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    put_folder(tmp_path / "ml-100k", MEMBERS | {"u.data": bytes(101)})
    with pytest.raises(InputError, match="u.data is larger than"):
        read(tmp_path)


def test_a_packed_log_is_read_up_to_the_limit_of_every_other_file(tmp_path):
    """A gzip file of 2 MB used to fill the memory with 2 GiB."""
    assert log_file.LARGEST == archives.MOST_BYTES
    path = tmp_path / "log.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"user,items\n1,2")
        for _ in range(257):
            file.write(b" " * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"log.csv.gz: more than 256 MiB unpacked"):
            log_file.read_log(path)
        assert tracemalloc.get_traced_memory()[1] < 700 * 2**20
    finally:
        tracemalloc.stop()


def test_zip64_is_read(tmp_path):
    path = tmp_path / "ml-100k.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in MEMBERS.items():
            with archive.open(f"ml-100k/{name}", "w", force_zip64=True) as member:
                member.write(content)
    assert read(path) == MEMBERS["u.data"]


@pytest.mark.parametrize("prefix", ["a/ml-100k/", "a/b/c/", "./"])
def test_members_may_lie_any_number_of_folders_down(tmp_path, prefix):
    assert read(zipped(tmp_path / "ml-100k.zip", prefix=prefix)) == TEXT


@pytest.mark.parametrize("prefix", ["../", "/", "a/../../", "/etc/"])
def test_names_that_lead_out_of_the_zip_are_not_its_members(tmp_path, prefix):
    with pytest.raises(InputError, match="not found in"):
        read(zipped(tmp_path / "ml-100k.zip", prefix=prefix))


def test_of_several_copies_the_one_with_the_right_name_is_taken_or_none(tmp_path):
    """MIND's archive of both parts must not be read as its test part, which comes first by name."""
    path = tmp_path / "ml-100k.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for folder, mark in (("dev", b"dev"), ("ml-100k", b"right"), ("train", b"train")):
            for name in MEMBERS:
                archive.writestr(f"{folder}/{name}", mark)
    assert read(path) == b"right"
    for folder in ("one", "two"):
        put_folder(tmp_path / "base" / "ml-100k" / folder)
    with pytest.raises(
        InputError, match="holds several copies .one/, two/.: unpack the one you mean"
    ):
        read(tmp_path / "base")


def test_a_stray_file_beside_a_whole_copy_does_not_hide_it(tmp_path):
    put_folder(tmp_path / "ml-100k" / "copy")
    (tmp_path / "ml-100k" / "u.data").write_bytes(b"cut")
    assert read(tmp_path) == MEMBERS["u.data"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_stands_twice_is_refused(tmp_path):
    path = zipped(tmp_path / "ml-100k.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ml-100k/u.data", b"other")
    with pytest.raises(InputError, match="holds 2 files ml-100k/u.data"):
        read(path)


def test_no_flipped_bit_of_a_zip_is_a_traceback_or_other_bytes(tmp_path):
    whole = zipped(tmp_path / "ml-100k.zip", MEMBERS).read_bytes()
    for place in range(0, 8 * len(whole), 7):  # every byte, one bit or two of it
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << (place % 8)
        (tmp_path / "ml-100k.zip").write_bytes(changed)
        try:
            assert read(tmp_path / "ml-100k.zip") == MEMBERS["u.data"]
        except InputError as error:
            assert "\n" not in str(error)


# --- two at once, full disks, and folders named in the environment ---


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


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "deep" / "file", b"first")
    for place in (
        tmp_path / "deep",
        tmp_path / "deep" / "file" / "below",
    ):  # a folder, and a file in the place of a folder
        with pytest.raises(OSError, match=str(place)):
            write_whole(place, b"second")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left on device.*deep/file"):
        write_whole(tmp_path / "deep" / "file", b"second")
    assert (tmp_path / "deep" / "file").read_bytes() == b"first" and left_over(
        tmp_path / "deep"
    ) == ["file"]


def test_home_and_relative_folders_in_the_environment_become_whole_paths(tmp_path, monkeypatch):
    """A kernel works in another folder: what was right here must not be another place there."""
    monkeypatch.setenv("HOME", str(put_folder(tmp_path / "home" / "data" / "ml-100k").parents[1]))
    monkeypatch.setenv("TUTORIAL_DATA", "~/data")
    assert files.named_folder("TUTORIAL_DATA") == tmp_path / "home" / "data"
    assert files.fetch("ml-100k") == tmp_path / "home" / "data" / "ml-100k"
    monkeypatch.delenv("TUTORIAL_DATA")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTORIAL_CACHE", "here")
    assert files.cache_folder() == tmp_path / "here"
    put_folder(tmp_path / "here" / "ml-100k")
    assert files.fetch("ml-100k") == tmp_path / "here" / "ml-100k"
    assert files.locate("ml-100k", root="home/data").path == tmp_path / "home" / "data" / "ml-100k"


@pytest.mark.parametrize("variable", ["TUTORIAL_DATA", "TUTORIAL_CACHE"])
def test_a_home_that_nobody_has_is_one_line(variable, monkeypatch):
    monkeypatch.setenv(variable, "~nobody-of-this-name/data")
    with pytest.raises(
        InputError,
        match=rf"\${variable} names '~nobody-of-this-name/data', but no home folder is known",
    ):
        files.find("ml-100k")


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """No HOME, no line in the list of accounts, and temporary files in a folder of the test."""

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for variable in ("HOME", "USER", "TUTORIAL_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / f"home-{os.getuid()}"


def test_an_account_without_a_home_gets_a_cache_among_the_temporary_files(homeless):
    assert files.cache_folder() == homeless / ".cache" / "tutorial_lib"
    with pytest.raises(InputError, match="dataset 'ml-1m' not found"):
        files.locate("ml-1m", download=False)


def test_the_command_line_gives_such_an_account_a_home_and_a_name(homeless, monkeypatch):
    ensure_home()
    assert os.environ["HOME"] == str(homeless) and os.environ["USER"] == f"user{os.getuid()}"
    assert homeless.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("HOME", str(homeless.parent))
    ensure_home()
    assert os.environ["HOME"] == str(
        homeless.parent
    )  # a home that can be written to is left as it is
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ensure_home()
    assert os.environ["HOME"] == str(homeless)  # docker sets HOME=/, where nobody may write


def test_a_known_account_keeps_its_environment(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    ensure_home()
    assert "HOME" not in os.environ
