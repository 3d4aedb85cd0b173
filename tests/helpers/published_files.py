"""Published files as folders and zips, for tests of where they are found and how they are read."""

import zipfile

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
