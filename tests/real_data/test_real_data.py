"""The loaders on the published data sets under $TUTORIAL_DATA: counts, checksums, ties, seconds."""

from __future__ import annotations

import os
import shutil
import time
import zipfile

import numpy as np
import pytest

from tutorial_lib.data import files, leave_last_out, load_dataset

pytestmark = pytest.mark.real

COUNTS = {  # users, items, interactions
    "ml-100k": (943, 1_682, 100_000),
    "ml-latest-small": (610, 9_742, 100_836),
    "ml-1m": (6_040, 3_883, 1_000_209),
    "amazon-games": (50_546, 16_859, 440_264),
}
SECONDS = 5.0  # to load the largest of them; the measured times are printed


def present(name):
    """The data set's source under $TUTORIAL_DATA, or a skip that says what is missing."""
    source = files.find(name)
    if source is None:
        pytest.skip(f"$TUTORIAL_DATA holds no {name}")
    return source


def load(name):
    present(name)
    started = time.perf_counter()
    dataset = load_dataset(name, download=False)
    return dataset, time.perf_counter() - started


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_of_the_publisher(name, capsys):
    dataset, seconds = load(name)
    assert (dataset.n_users, dataset.n_items, dataset.n_interactions) == COUNTS[name]
    # no row lost, the very bytes published
    notes = dataset.card.notes
    assert not [note for note in notes if "left out: " in note or "differs" in note]
    assert seconds < SECONDS
    with capsys.disabled():
        print(f"\nloaded {name} in {seconds:.2f} s: {dataset!r}")


def test_ml_100k_five_core_is_the_one_the_literature_uses():
    core = load("ml-100k")[0].k_core(5)
    assert (core.n_users, core.n_items, core.n_interactions) == (943, 1_349, 99_287)


def test_ml_100k_ties_are_as_many_as_known():
    """416 of 943 users (44.1 %) have their last two interactions in one second.

    There the file's order chooses the test item.
    """
    core = load("ml-100k")[0].k_core(5)
    times = core.interactions["timestamp"].to_numpy()
    last_two = [times[rows[-2:]] for rows in _rows_by_user(core)]
    share = np.mean([a == b for a, b in last_two])
    assert share == pytest.approx(416 / 943)
    # the last event has no neighbour but the one before it
    assert leave_last_out(core).tied_targets == pytest.approx(share)


def _rows_by_user(dataset):
    sizes = np.bincount(dataset.interactions["user"], minlength=dataset.n_users)
    return np.split(dataset.sorted_rows(), np.cumsum(sizes)[:-1])


def test_ml_100k_keeps_the_file_order_and_the_encoding():
    dataset = load("ml-100k")[0]
    lines = present("ml-100k").read("u.data").split(b"\n")
    for row in (0, 1, 50_000, 99_999):
        user, item, rating, when = map(int, lines[row].split(b"\t"))
        found = dataset.interactions.iloc[row]
        assert dataset.users["user_id"][found["user"]] == user
        assert dataset.items["item_id"][found["item"]] == item
        assert (found["rating"], found["timestamp"]) == (rating, when)
    # latin-1 read as latin-1
    titles = set(dataset.items["title"])
    assert "Misérables, Les (1995)" in titles
    assert not any("\ufffd" in title or "Ã" in title for title in titles)
    assert set(dataset.users["gender"]) == {"F", "M"} and dataset.users["age_group"].nunique() == 7


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize(
    ("name", "member", "published"),
    [("ml-100k", "u.item", "latin-1"), ("ml-1m", "movies.dat", "latin-1")],
)
def test_titles_saved_again_in_another_encoding_are_the_published_ones(
    name, member, published, encoding, tmp_path
):
    source, whole = present(name), load(name)[0]
    (tmp_path / name).mkdir()
    for other in files.ORIGINS[name].members:
        content = source.read(other)
        if other == member:
            content = content.decode(published).encode(encoding)
        (tmp_path / name / other).write_bytes(content)
    again = load_dataset(name, root=tmp_path, download=False)
    assert again.items["title"].equals(whole.items["title"])
    # the published bytes are read as published
    assert not any("saved again" in note for note in whole.card.notes)


def test_ml_100k_knowledge_graph():
    dataset = load("ml-100k")[0]
    if not len(dataset.graph):
        pytest.skip("$TUTORIAL_DATA holds no ml-100k-kg beside ml-100k")
    assert len(dataset.graph) == 72_592
    assert {"directed by", "genre", "actor", "written by"} <= set(dataset.graph["relation"])
    assert dataset.graph["head"].between(0, dataset.n_items - 1).all()
    assert "Freebase" in dataset.card.licence


def test_ml_latest_small_tags():
    dataset = load("ml-latest-small")[0]
    assert len(dataset.reviews) == 3_683
    assert dataset.items["title"].str.contains("Misérables").any()  # utf-8 read as utf-8


def test_amazon_games_ids_leak_the_order_as_its_card_says():
    dataset = load("amazon-games")[0]
    ids = dataset.items["item_id"].to_numpy()
    sequence = ids[dataset.sequences()[0]]
    assert (np.diff(sequence) == 1).all()  # the first user's items are numbered one after the other
    assert any("leak the order" in note for note in dataset.card.notes)
    assert min(map(len, dataset.sequences())) >= 5  # whole sequences of a 5-core


def test_mind_sample_counts(capsys):
    dataset, seconds = load("mind-small")
    if dataset.n_items != 2_000:
        pytest.skip("not the sample of 2,000 articles")
    assert dataset.n_users == 4_637
    repeated = sum(int(note.split()[0]) for note in dataset.card.notes if "repeated" in note)
    assert (dataset.n_interactions, repeated) == (5_446, 83)
    assert sum(len(s) >= 3 for s in dataset.sequences()) == 708
    with capsys.disabled():
        print(f"\nloaded mind-small (sample) in {seconds:.2f} s")


@pytest.mark.parametrize("name", [*COUNTS, "mind-small"])
def test_a_zip_of_the_folder_gives_the_same_dataset(name, tmp_path):
    source = present(name)
    if not source.path.is_dir():
        pytest.skip(f"{name} is a zip here")
    path = tmp_path / files.ORIGINS[name].archives[0]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member in files.ORIGINS[name].members:
            archive.writestr(f"{name}/{member}", source.read(member))
    if name == "ml-100k" and (source.path.parent / "ml-100k-kg").exists():
        shutil.copytree(source.path.parent / "ml-100k-kg", tmp_path / "ml-100k-kg")
    folder = load_dataset(name, download=False)
    zipped = load_dataset(name, root=tmp_path, download=False)
    for table in ("interactions", "items", "users", "graph", "reviews"):
        assert getattr(folder, table).equals(getattr(zipped, table)), table
    assert folder.card == zipped.card


def test_the_data_folder_was_not_written_to():
    assert not [name for name in os.listdir(os.environ["TUTORIAL_DATA"]) if name.endswith(".part")]
