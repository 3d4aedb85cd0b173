"""Where real data is looked for, and what is said when it is not there."""

import hashlib
from dataclasses import replace

import pytest
from published_files import MEMBERS, put_folder, put_zip

from tutorial_lib.data import files
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError


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
        # nothing is downloaded that cannot be checked
        assert bool(origin.urls) == bool(origin.sha256)
        assert all(url.startswith("https://") for url in origin.urls)


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
    assert (tmp_path / "deep" / "file").read_bytes() == b"first"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]


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
