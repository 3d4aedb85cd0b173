"""Signals that ask the command line to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

PATIENCE = 10  # seconds that tidying up may take before a second signal ends it


def stop_on_signals() -> list[int]:
    """Turn the first signal that asks to stop into KeyboardInterrupt.

    A shell that starts a job in the background makes it deaf to Ctrl-C; a run must always stop.

    Returns:
        A list that then holds the number of the signal.
    """
    stopped: list[int] = []
    since: list[float] = []
    wanted = [signal.SIGINT, signal.SIGTERM]
    if (
        hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    ):  # else nohup
        wanted.append(signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        if not stopped:
            stopped.append(number)
            since.append(time.monotonic())
            raise KeyboardInterrupt
        # a second one must not break off the tidying up that the first one began, unless it hangs
        if time.monotonic() - since[0] > PATIENCE:
            os._exit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for name in wanted:
            signal.signal(name, stop)
    return stopped
