"""Accounts without a home folder."""

import os
import tempfile

import pytest

from tutorial_lib.data import files
from tutorial_lib.errors import InputError
from tutorial_lib.home import ensure_home


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
    # a home that can be written to is left as it is
    assert os.environ["HOME"] == str(homeless.parent)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    ensure_home()
    assert os.environ["HOME"] == str(homeless)  # docker sets HOME=/, where nobody may write


def test_a_known_account_keeps_its_environment(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    ensure_home()
    assert "HOME" not in os.environ
