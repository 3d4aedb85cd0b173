"""What notebook 09 reads and claims: the recorded table says where it comes from, and the text's
claims hold in it.
"""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.data import load_dataset
from tutorial_lib.errors import InputError
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.experiments.transfer import CATALOGUES, shared_persons
from tutorial_workshop.figures import (
    TransferView,
    recorded_cells,
    recorded_tests,
    share_of_ceiling,
)

MOVED, ALONE = "text, from the source", "text, target alone"
COUNTERS = ("EASE", "TransitionKNN", "item Transformer")


@pytest.fixture(scope="module")
def recorded():
    return recorded_table("transfer.csv.gz")


def test_the_table_says_where_it_comes_from(recorded):
    assert set(recorded["part"]) >= {"transfer", "persons", "cold"}
    assert recorded["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
    assert not recorded.duplicated(["part", "overlap", "labels", "system", "seed", "user"]).any()
    assert recorded["ndcg@10"].between(0, 1).all() and (recorded["seconds"] >= 0).all()


def test_systems_of_a_setting_were_judged_on_the_same_users(recorded):
    """A paired difference over other users would compare people."""
    for _, rows in recorded[recorded["part"] == "transfer"].groupby("overlap"):
        users = rows.groupby("system")["user"].agg(frozenset)
        tuned = users[[name for name in users.index if not name.startswith("prompt")]]
        assert tuned.nunique() == 1 and all(some <= tuned.iloc[0] for some in users)


def test_the_source_helps_its_own_model_where_words_keep_their_sense_and_not_at_overlap_0(recorded):
    pair = [((MOVED, 64), (ALONE, 64))]
    found = recorded_tests(recorded, pair, [1.0, 0.0])
    at = {name.split(":")[0]: c for name, c in found.items()}
    assert at["overlap 1"].ci[0] > 0 and at["overlap 1"].seeds >= 3
    assert at["overlap 0"].ci[1] < at["overlap 1"].ci[0]
    control = [((MOVED, 64), (MOVED + ", texts dealt out anew", 64))]
    (dealt,) = recorded_tests(recorded, control, [1.0]).values()
    assert dealt.ci[0] > 0


@pytest.mark.parametrize("name, everybody", [("amazon-games", 2000), ("mind-small", 315)])
def test_between_real_domains_texts_help_and_the_source_does_not(recorded, name, everybody):
    """What the notebook says of both catalogues in so many words."""
    counts = (16, 64, everybody)
    source = recorded_tests(recorded, [((MOVED, n), (ALONE, n)) for n in counts], part=name)
    assert all(c.ci[0] < 0 for c in source.values())
    if name == "amazon-games":
        assert all(c.ci[1] < 0.01 for c in source.values())
    counter = [((ALONE, everybody), ("EASE, target alone", everybody))]
    (texts,) = recorded_tests(recorded, counter, part=name).values()
    assert texts.ci[0] > 0 and texts.p < 0.05 / 10


def test_counters_are_at_chance_among_new_items_and_texts_are_not(recorded):
    chance = (1 / np.log2(np.arange(2, 12))).sum() / 60  # 60 new items in a random order
    for name in COUNTERS:
        found = recorded_cells(recorded, name, part="cold")["among new"].groupby("user").mean()
        half = 2.5 * found.std() / np.sqrt(len(found))
        assert abs(found.mean() - chance) < max(half, 0.02), name
    share, low, _ = share_of_ceiling(recorded, "text Transformer", "among new")
    assert share > low > 1.5 * share_of_ceiling(recorded, "EASE", "among new")[2]
    pairs = [("text Transformer", name) for name in COUNTERS]
    tests = recorded_tests(recorded, pairs, metric="among new", part="cold")
    assert all(c.ci[0] > 0 for c in tests.values())


def test_the_widget_has_a_picture_for_every_overlap_and_says_its_numbers(recorded):
    import matplotlib.pyplot as plt

    view = TransferView(recorded)
    assert view.overlaps[0] == 0 and view.overlaps[-1] == 1
    for overlap in view.overlaps:
        mean = view.curves(overlap)[MOVED][0][1]
        assert f"{mean:.3f}" in view.describe(overlap) and f"{overlap:g}" in view.describe(overlap)
        plt.close(view.draw(overlap))


def test_a_setting_that_was_not_recorded_is_named_in_one_line(recorded):
    with pytest.raises(InputError, match="no 'transfer' rows of 'EASE' at overlap=1, labels=64"):
        recorded_cells(recorded, "EASE", overlap=1, labels=64)


def test_no_dataset_of_the_encoder_gives_away_a_choice():
    """The words are weighed on catalogues; the frozen vectors must not know who chose what."""
    from tutorial_workshop.experiments.transfer import encoder

    world = load_dataset(CATALOGUES[1])
    empty = world.subset_users([0])
    assert (encoder()(world) == encoder()(empty)).all()


def test_shared_persons_are_the_same_people():
    here, there = (load_dataset(name) for name in ("world-movies", "world-products"))
    pairs = shared_persons(here, there)
    one, other = here.users.loc[pairs["here"]], there.users.loc[pairs["there"]]
    assert (one["person"].to_numpy() == other["person"].to_numpy()).all() and len(pairs) > 500
