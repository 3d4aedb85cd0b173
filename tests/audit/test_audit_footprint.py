"""Energy is a band with its assumptions; main parameters and the cost of no profile are measured on
the same users.
"""

from __future__ import annotations

import numpy as np
import pytest

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.finding import MATERIAL
from tutorial_lib.audit.harms.footprint import measure_footprint
from tutorial_lib.audit.harms.transparency import main_parameters, non_profiling_cost
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import Popularity, TransitionKNN
from tutorial_workshop.proof.glassbox import IdealRanker, make_world


def work():
    return np.linalg.inv(np.eye(400) + 0.01).sum()


def test_a_band_with_its_mode():
    found = measure_footprint(work, recommendations=100, tracker=False)
    assert (
        0 < found.kwh[0] < found.kwh[1]
        and found.gco2[0] == pytest.approx(20 * found.kwh[0])
        and "W per busy core" in found.mode
    )
    assert found.per_thousand()[1] == pytest.approx(10 * found.gco2[1])
    assert str(found).startswith(f"{found.per_thousand()[0]:.3g} to ")
    with pytest.raises(InputError, match="expected one of FRA"):
        measure_footprint(work, recommendations=1, country="ATL")


def test_a_meter_widens_the_band_and_is_silent(capfd):
    """A tracker's own constants must not replace the band; and nothing may be printed on a
    learner's page.
    """
    pytest.importorskip("codecarbon")
    found = measure_footprint(work, recommendations=10)
    assert "codecarbon" in found.mode and found.kwh[0] <= found.kwh[1]
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def looks():
    ds = load_dataset("world-movies").subset_users(range(400))
    split = hold_out_k(ds, 5, valid_k=0)
    models = TransitionKNN().fit(split), Popularity().fit(split)
    return models, [collect(model, ds, split) for model in models]


def test_main_parameters_of_a_counter_and_of_a_chain(looks):
    """A popularity list depends on nobody's history; a chain's list on whose it is most of all."""
    (chain, counter), (of_chain, of_counter) = looks
    table = main_parameters(chain, of_chain)
    assert (
        table.index[0] == "whose history it is"
        and table["changed"].between(0, 1).all()
        and table["ndcg_lost"].iloc[0] > 0.05
    )
    assert main_parameters(counter, of_counter)["changed"].max() < 0.02


def test_cost_of_no_profile(looks):
    _, (profiled, plain) = looks
    everyone, *groups = non_profiling_cost(profiled, plain, 0.02, attribute="gender")
    assert everyone.verdict == MATERIAL and everyone.estimate < 0 and len(groups) == 2
    assert non_profiling_cost(plain, plain, 0.02)[0].estimate == 0
    town = make_world(50)
    with pytest.raises(InputError, match="different users"):
        non_profiling_cost(profiled, collect(IdealRanker(town), town.dataset, town.split), 0.02)
