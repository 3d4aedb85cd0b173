"""Zips that are locked, damaged, too large or odd."""

import gzip
import tracemalloc
import zipfile

import pytest
from published_files import MEMBERS, TEXT, put_folder, with_header, zipped

from tutorial_lib.audit.logs import reading
from tutorial_lib.data import archives, files
from tutorial_lib.errors import InputError

METHODS = {"stored": 0, "deflate": 8}


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
    path = tmp_path / "log.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"user,items\n1,2")
        for _ in range(257):
            file.write(b" " * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"log.csv.gz: more than 256 MiB unpacked"):
            reading.read_log(path)
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
