"""`download`: one file from a list of mirrors, resumed, checked by sha256, and put in place only
when it is right.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tutorial_lib.data.locks import take_lock
from tutorial_lib.errors import InputError

TIMEOUT = 8.0  # seconds without an answer, or between two packets: a mirror counts as silent
RETRIES = 2  # at a mirror that breaks off or answers 5xx; every new byte starts the count afresh
PAUSE = 0.5  # seconds before the first retry; later ones wait longer
CHUNK = 1 << 16
MOST_ATTEMPTS = 50  # at one mirror, however much each of them brings
STALL = (20.0, 4096)  # seconds, bytes: a mirror that sends less in this time is left
PATIENCE = 120.0  # seconds to wait for another process's download that does not grow


class _Retry(Exception):
    """The same mirror may do better next time."""


class _GiveUp(Exception):
    """This mirror will not deliver: go to the next."""


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(urls: Sequence[str], target: Path, sha256: str) -> Path:
    """Fetch one file; on return ``target`` exists and its sha256 is right.

    The file grows under ``target`` + ".part", kept for the next call if all mirrors fail and
    removed if its checksum is wrong. While another process is at that file, this one waits.

    Args:
        urls: mirrors of the same bytes, tried in order; redirects are followed, certificates are
            always verified.
        target: the file to be made; its folder is made too.
        sha256: its checksum, hexadecimal.

    Returns:
        ``target``.

    Raises:
        InputError: no mirror delivers (one line, with the reason for each), or the file cannot be
            written.
    """
    part = target.with_name(target.name + ".part")
    try:
        with _turn(target, part), _progress_bar(target.name) as report:
            if target.exists() and sha256_of(target) == sha256:  # the other process brought it
                return target
            part.touch()
            transfer = _Transfer(part, sha256, report)
            reasons: dict[str, None] = {}  # each once, in order
            for url in urls:
                try:
                    transfer.run(url)
                except _GiveUp as error:
                    reasons[f"{urlsplit(url).netloc}: {error}"] = None
                    continue
                os.replace(part, target)
                return target
            kept = part.stat().st_size
            if not kept:
                part.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; "
            "free some space or name another folder in $TUTORIAL_CACHE"
        ) from None
    rest = f" ({kept:,} bytes are kept; the next try goes on from there)" if kept else ""
    why = "; ".join(reasons) or "no mirror is known"
    raise InputError(f"could not download {target.name}: {why}{rest}")


@contextmanager
def _turn(target: Path, part: Path) -> Iterator[None]:
    """Be the only process at ``target``; wait for another one as long as its ``part`` grows."""
    lock = target.with_name(target.name + ".lock")
    size = -1
    since = time.monotonic()
    while (held := take_lock(lock)) is None:
        grown = part.stat().st_size if part.exists() else 0
        if grown != size:
            size = grown
            since = time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise InputError(
                f"another process is downloading {target} and has brought nothing for "
                f"{PATIENCE:g} s: end it, or wait for it"
            )
        time.sleep(0.1)
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
        held.close()


@dataclass(frozen=True)
class _Transfer:
    """Brings ``part`` to its full, right content."""

    part: Path
    sha256: str
    report: Callable[[int, int | None], object]

    def run(self, url: str) -> None:
        """Complete the part from one mirror, or raise _GiveUp."""
        left = RETRIES
        leftover = self.part.stat().st_size > 0
        for attempt in itertools.count(1):
            before = self.part.stat().st_size
            try:
                self._attempt(url)
            except _Retry as error:
                left = RETRIES if self.part.stat().st_size > before else left - 1
                if left < 0 or attempt >= MOST_ATTEMPTS:
                    raise _GiveUp(str(error)) from None
                time.sleep(PAUSE * (RETRIES - left + 1))
                continue
            if sha256_of(self.part) == self.sha256:
                return
            self.part.write_bytes(b"")  # never resume from wrong bytes
            if not leftover:
                raise _GiveUp("sent a file with the wrong sha256 (removed)")
            # the wrong bytes may be those an earlier run or mirror left: once more from the start
            leftover = False

    def _attempt(self, url: str) -> None:
        """One request; appends to the part if the server can resume, else starts it afresh."""
        have = self.part.stat().st_size
        response = _request(url, have)
        if response is None:  # 416: nothing lies beyond what is here; the checksum decides
            return
        with response:
            span = response.headers.get("Content-Range", "")
            resumed = response.status == 206 and span.startswith(f"bytes {have}-")
            if response.status == 206 and not resumed:
                raise _GiveUp("answered a request to resume with another part of the file")
            start = have if resumed else 0
            length = response.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else None
            # without a buffer, a full disk shows at once
            with open(self.part, "ab" if resumed else "wb", buffering=0) as file:
                done = self._copy(response, file, start, total)
        if total is not None and done < total:
            raise _Retry(f"broke off after {done:,} of {total:,} bytes")

    def _copy(self, response: http.client.HTTPResponse, file, start: int, total: int | None) -> int:
        """Append the body to ``file``; returns the size reached.

        A server that falls silent raises _Retry, one that trickles _GiveUp.
        """
        done = start
        mark = start
        since = time.monotonic()
        while total is None or done < total:
            try:
                chunk = response.read1(CHUNK)
            except TimeoutError:
                # silence that brought nothing is not worth a second wait
                kind = _GiveUp if done == start else _Retry
                raise kind(f"fell silent after {done:,} bytes") from None
            except (OSError, http.client.HTTPException):
                raise _Retry(f"broke off after {done:,} bytes") from None
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            self.report(done, total)
            seconds, least = STALL
            if time.monotonic() - since > seconds:
                if done - mark < least:
                    raise _GiveUp(f"too slow: {done - mark:,} bytes in {seconds:g} s")
                mark = done
                since = time.monotonic()
        return done


def _request(url: str, have: int) -> http.client.HTTPResponse | None:
    """The answer to a request for the bytes from ``have`` on; None for 416."""
    reason = None if urllib.request.getproxies() else _unreachable(url)
    if reason:
        raise _GiveUp(reason)
    headers = {"User-Agent": "tutorial-lib"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        kind = _Retry if error.code >= 500 or error.code == 429 else _GiveUp
        raise kind(f"answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise _GiveUp(f"certificate not valid ({cause.verify_message})") from None
        if isinstance(cause, TimeoutError):
            raise _GiveUp(f"no answer within {TIMEOUT:g} s") from None
        if isinstance(cause, (ConnectionResetError, http.client.HTTPException)):
            raise _Retry("closed the connection without an answer") from None
        raise _GiveUp(str(getattr(cause, "strerror", None) or cause)) from None


def _unreachable(url: str) -> str | None:
    """Why no connection to the host of ``url`` comes about within `TIMEOUT`; None if one does.

    Asked in a thread: without a network the resolver may hang for a minute, and each of a host's
    many addresses may time out.
    """
    parts = urlsplit(url)
    address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
    answer: list[str | None] = []

    def ask() -> None:
        try:
            socket.create_connection(address, timeout=TIMEOUT).close()
            answer.append(None)
        except socket.gaierror:
            answer.append("its name cannot be resolved (no network?)")
        except OSError as error:
            answer.append(f"no connection ({error.strerror or error})")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    return answer[0] if answer else f"no connection within {TIMEOUT:g} s (no network?)"


@contextmanager
def _progress_bar(label: str) -> Iterator[Callable[[int, int | None], object]]:
    """Yields a callable (bytes done, bytes in all or None) that draws one bar on standard error, on
    a terminal or in a notebook only.
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    console = Console(stderr=True)
    drawn = console.is_terminal or console.is_jupyter
    columns = (*Progress.get_default_columns(), DownloadColumn())
    with Progress(*columns, console=console, disable=not drawn) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
