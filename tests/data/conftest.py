"""What tests of files share: no folder of this machine, and a mirror that misbehaves."""

import threading
import urllib.request

import pytest
from mirrors import start_server

from tutorial_lib.data import download as download_module


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty cache and no $TUTORIAL_DATA, so that a test never sees this machine's files."""
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUTORIAL_DATA", raising=False)


@pytest.fixture
def server(monkeypatch):
    """A mirror on this machine, asked without a proxy and with little patience."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # urllib keeps the proxies that it saw at its first request in this process
    monkeypatch.setattr(urllib.request, "_opener", None)
    monkeypatch.setattr(download_module, "TIMEOUT", 0.3)
    monkeypatch.setattr(download_module, "PAUSE", 0.01)
    httpd = start_server()
    threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
