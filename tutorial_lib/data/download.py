"""`download`: one file from a list of mirrors, resumed, checked by sha256, and put in place only
when it is right.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from tutorial_lib.data.locks import take_lock
from tutorial_lib.errors import InputError

try:
    import fcntl
except ImportError:
    fcntl = None

CHUNK = 1 << 16
MOST_ATTEMPTS = 50  # at one mirror, however much each of them brings
STALL = (
    20.0,
    4096,
)  # seconds, bytes: a mirror that sends less than this many bytes in this time is left


class _Retry(Exception):
    """The same mirror may do better next time."""


class _GiveUp(Exception):
    """This mirror will not deliver: go to the next."""


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(
    urls: Sequence[str],
    target: Path,
    sha256: str,
    *,
    timeout: float = 8.0,
    retries: int = 2,
    pause: float = 0.5,
    progress: bool = True,
) -> Path:
    """Fetch one file; on return ``target`` exists and its sha256 is right.

    urls: mirrors of the same bytes, tried in order; redirects are followed, certificates are always
        verified.
    timeout: seconds without an answer, or between two packets, after which a mirror counts as
        silent.
    retries: how often a mirror that breaks off or answers 5xx is asked again; every new byte starts
        the count afresh.
    The file grows under ``target`` + ".part", kept for the next call if all mirrors fail and
    removed if its checksum is wrong. While another process is at that file, this one fetches a copy
    under a name of its own, and keeps nothing of it if that fails. Copies of processes that were
    killed are removed. Returns ``target``. Raises InputError (one line, the reason for each
    mirror).
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(target)  # first: they may be what fills the disk
        with _own_part(target.with_name(target.name + ".part")) as part:
            return _from_mirrors(urls, part, target, sha256, timeout, retries, pause, progress)
    except OSError as error:
        raise _unwritable(target, error) from None


def remove_abandoned(target: Path) -> None:
    """Remove what killed downloads of ``target`` left beside it; what a living one holds stays.

    That is every copy under a name of its own and, once ``target`` is there, the file that a next
    call would have resumed.
    """
    if fcntl is None:  # Windows: copies are never made
        return
    own = r"(\.[0-9a-f]{12})" + ("?" if target.exists() else "")
    name = re.compile(re.escape(target.name) + r"\.part" + own)
    with suppress(OSError):
        for path in [path for path in target.parent.iterdir() if name.fullmatch(path.name)]:
            with suppress(OSError):  # another call has removed it; or no locks, so nobody can tell
                abandoned = take_lock(path, make=False)
                if abandoned:
                    with abandoned:
                        path.unlink()


@contextmanager
def _own_part(part: Path) -> Iterator[Path]:
    """``part``, locked for this process; a new name, removed in the end, while another holds it."""
    if fcntl is None:  # Windows: nobody can rename a file that another process has open
        part.touch()
        yield part
        return
    with open(part, "ab") as file:
        if _locked(file) and os.path.exists(part):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(part)):  # not one just renamed
                yield part
                return
    held = None
    while held is None:  # taken for abandoned between its making and its lock: the next name
        own = part.with_name(f"{part.name}.{uuid4().hex[:12]}")
        held = take_lock(own)
    try:
        with held:
            yield own
    finally:
        own.unlink(missing_ok=True)


def _locked(file) -> bool:
    """Take the lock of an open file, without waiting; it ends with the process in any case."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _from_mirrors(
    urls: Sequence[str],
    part: Path,
    target: Path,
    sha256: str,
    timeout: float,
    retries: int,
    pause: float,
    progress: bool,
) -> Path:
    """The body of `download`: ``part``, filled and checked, becomes ``target``."""
    reasons: dict[str, None] = {}
    with _progress_bar(target.name, progress) as report:
        for url in urls:
            try:
                _from_mirror(url, part, sha256, timeout, retries, pause, report)
            except _GiveUp as error:
                reasons[f"{urlsplit(url).netloc}: {error}"] = None
                continue
            os.replace(part, target)
            return target
    kept = part.stat().st_size if part.exists() and part.suffix == ".part" else 0
    if not kept:
        part.unlink(missing_ok=True)
    rest = f" ({kept:,} bytes are kept; the next try goes on from there)" if kept else ""
    raise InputError(
        f"could not download {target.name}: {'; '.join(reasons) or 'no mirror is known'}{rest}"
    )


def _from_mirror(
    url: str, part: Path, sha256: str, timeout: float, retries: int, pause: float, report: Callable
) -> None:
    """Bring ``part`` to its full, right content from one mirror, or raise _GiveUp."""
    left, leftover = retries, part.stat().st_size > 0
    for attempt in itertools.count(1):
        before = part.stat().st_size
        try:
            _attempt(url, part, timeout, report)
        except _Retry as error:
            left = retries if part.stat().st_size > before else left - 1
            if left < 0 or attempt >= MOST_ATTEMPTS:
                raise _GiveUp(str(error)) from None
            time.sleep(pause * (retries - left + 1))
            continue
        if sha256_of(part) == sha256:
            return
        part.write_bytes(b"")  # never resume from wrong bytes
        if not leftover:
            raise _GiveUp("sent a file with the wrong sha256 (removed)")
        # the wrong bytes may be those an earlier run or mirror left: once more from the start
        leftover = False


def _attempt(url: str, part: Path, timeout: float, report: Callable) -> None:
    """One request; appends to ``part`` if the server can resume, else starts it afresh."""
    have = part.stat().st_size
    response = _open(url, have, timeout)
    if response is None:  # 416: nothing lies beyond what is here; the checksum decides
        return
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if response.status == 206 and not resumed:
            raise _GiveUp("answered a request to resume with another part of the file")
        start = have if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() else None
        try:
            file = open(part, "ab" if resumed else "wb", buffering=0)  # a full disk shows at once
        except OSError as error:
            raise _unwritable(part, error) from None
        with file:
            done = _copy(response, file, part, start, total, report)
    if total is not None and done < total:
        raise _Retry(f"broke off after {done:,} of {total:,} bytes")


def _open(url: str, have: int, timeout: float) -> http.client.HTTPResponse | None:
    """The answer to a request for the bytes from ``have`` on; None for 416."""
    reason = None if urllib.request.getproxies() else _unreachable(url, timeout)
    if reason:
        raise _GiveUp(reason)
    request = urllib.request.Request(
        url, headers={"User-Agent": "tutorial-lib", **({"Range": f"bytes={have}-"} if have else {})}
    )
    try:
        return urllib.request.urlopen(request, timeout=timeout)
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
            raise _GiveUp(f"no answer within {timeout:g} s") from None
        if isinstance(cause, (ConnectionResetError, http.client.HTTPException)):
            raise _Retry("closed the connection without an answer") from None
        raise _GiveUp(str(getattr(cause, "strerror", None) or cause)) from None


def _copy(
    response: http.client.HTTPResponse,
    file,
    part: Path,
    start: int,
    total: int | None,
    report: Callable,
) -> int:
    """Append the body to ``file``; returns the size reached. A silent or trickling server raises
    _Retry.
    """
    done = mark_size = start
    mark_time = time.monotonic()
    while total is None or done < total:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            silent = isinstance(error, TimeoutError)
            kind = (
                _GiveUp if silent and done == start else _Retry
            )  # silence that brought nothing is not worth a second wait
            raise kind(f"{'fell silent' if silent else 'broke off'} after {done:,} bytes") from None
        if not chunk:
            break
        try:
            file.write(chunk)
        except OSError as error:
            raise _unwritable(part, error) from None
        done += len(chunk)
        report(done, total)
        if time.monotonic() - mark_time > STALL[0]:
            if done - mark_size < STALL[1]:
                raise _GiveUp(f"too slow: {done - mark_size:,} bytes in {STALL[0]:g} s")
            mark_time, mark_size = time.monotonic(), done
    return done


def _unreachable(url: str, seconds: float) -> str | None:
    """Why no connection to the host of ``url`` comes about within ``seconds`` in all; None if one
    does.

    Asked in a thread: without a network the resolver may hang for a minute, and each of a host's
    many addresses may time out.
    """
    parts = urlsplit(url)
    answer: list[str | None] = []

    def ask() -> None:
        try:
            socket.create_connection(
                (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)),
                timeout=seconds,
            ).close()
            answer.append(None)
        except socket.gaierror:
            answer.append("its name cannot be resolved (no network?)")
        except OSError as error:
            answer.append(f"no connection ({error.strerror or error})")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answer[0] if answer else f"no connection within {seconds:g} s (no network?)"


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write {path}: {error.strerror or error}; free some space or name another folder in"
        " $TUTORIAL_CACHE"
    )


@contextmanager
def _progress_bar(label: str, shown: bool) -> Iterator[Callable[[int, int | None], object]]:
    """Yields a callable (bytes done, bytes in all or None) that draws one bar on standard error, on
    a terminal or in a notebook only.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(
        *columns,
        console=console,
        disable=not (shown and (console.is_terminal or console.is_jupyter)),
    ) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
