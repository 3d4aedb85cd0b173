"""SmolLM2 on titles, asked just now beside what was recorded: vectors, years, lists."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tutorial_lib.audit import list_similarity
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.splits import Split
from tutorial_lib.language.attributes import NEUTRAL, PARAPHRASES
from tutorial_lib.language.verbalise import as_spoken, verbaliser
from tutorial_lib.models import load_language_model
from tutorial_lib.models.kept import title_vectors
from tutorial_lib.models.pretrained import MINILM_PACKAGE
from tutorial_lib.models.smollm2 import package_folder
from tutorial_lib.strategies.adapted import Adapted
from tutorial_workshop.experiments.cells import CORE
from tutorial_workshop.experiments.real_titles import (
    VALUES,
    drawn_rows,
    lists_about,
    nearest,
    watched_together,
    year_answers,
)
from tutorial_workshop.figures.real_live import likes_here, real_model
from tutorial_workshop.figures.real_model import interval_table, recorded_lists
from tutorial_workshop.page.output import say, table

NEAREST = 10  # films


def ask_vectors(levels: pd.DataFrame, films: int = 200) -> None:
    """Which titles are near each other in a model's vectors, beside which films are watched by the
    same users; and the recorded AUC of a head on the same vectors.

    Args:
        levels: `grid_means` of `likes_of_real_models`, metric "auc".
        films: the most watched ones.
    """
    ready = real_model(likes_here, f"Vectors of {films} titles", 10)
    if ready is None:
        return
    smollm2, split = ready
    models = {"SmolLM2": smollm2}
    if package_folder(MINILM_PACKAGE) is not None:
        models["MiniLM"] = load_language_model("minilm")
    chosen = np.argsort(-split.dataset.item_counts, kind="stable")[:films]
    words = verbaliser(split.dataset, spoken=True)
    titles = [words.titles[item] for item in chosen]
    vectors = {name: title_vectors(lm, titles).numpy() for name, lm in models.items()}
    near = {f"nearest by {name}": nearest(of @ of.T, NEAREST) for name, of in vectors.items()}
    near["watched by the same users"] = nearest(watched_together(split, chosen), NEAREST)
    examples = {
        titles[row]: {how: "; ".join(titles[at] for at in of[row, :3]) for how, of in near.items()}
        for row in range(5)
    }
    caption = f"The three nearest of {films} films"
    table(pd.DataFrame(examples).T.rename_axis("film"), caption=caption)
    _show_shared(near, levels, films)


def _show_shared(near: Mapping[str, np.ndarray], levels: pd.DataFrame, films: int) -> None:
    """How many of the nearest titles are films of the same users, and what a head made of it."""
    *by_vectors, last = near.items()
    shared = {
        name.removeprefix("nearest by "): pd.Series(
            [len(set(a) & set(b)) / NEAREST for a, b in zip(of, last[1], strict=True)]
        )
        for name, of in by_vectors
    }
    means = interval_table(shared)
    budget = int(levels.loc[levels["strategy"] == "head", "labels"].max())
    auc = levels[levels["labels"] == budget].set_index("strategy")["mean"]
    heads = {"SmolLM2": auc["head"], "MiniLM": auc["MiniLM head"]}
    means[f"recorded AUC of a head, {budget} labels"] = pd.Series(heads)
    drawn = NEAREST / (films - 1)
    table(
        means.rename_axis("vectors of"),
        caption=f"Share of the {NEAREST} nearest titles that are among the {NEAREST} films most "
        f"watched by the same users; drawn at random: {drawn:.3f}",
        digits=3,
    )
    no_more = [str(name) for name, low in means["low"].items() if low <= drawn]
    say(f"No more than by drawing: **{', '.join(no_more) or 'none'}**.")


def ask_years(recorded: pd.DataFrame, films: int = 25) -> None:
    """The years of the most watched films, of all years of the catalogue, beside all films.

    Args:
        recorded: `probe` ("years").
    """
    titles = (recorded["title"] + " (" + recorded["year"].astype(str) + ")").tolist()
    ready = real_model(lambda: titles, f"The years of {films} films", 7)
    if ready is None:
        return
    watched = np.argsort(-recorded["count"].to_numpy(), kind="stable")[:films]
    now = year_answers(*ready, asked=np.sort(watched).tolist())
    parts = {
        f"the {films} most watched, asked just now": now,
        f"all {len(titles):,}, recorded": recorded,
    }
    shares = {
        f"{what}: {how}": of[column] == of["year"]
        for what, of in parts.items()
        for how, column in (("right", "guessed"), ("the same answers, dealt out", "dealt"))
    }
    first = now.set_index(pd.Index(as_spoken(now["title"].tolist()), name="film"))
    first = first[["year", "guessed", "dealt"]].head(5)
    table(first, caption="Five of the films: year, answer, and an answer dealt from another film")
    means = interval_table(shares).rename_axis("year of a film")
    table(means, caption="Share of right answers, 95 % intervals", digits=3)
    right, dealt = (int((now[column] == now["year"]).sum()) for column in ("guessed", "dealt"))
    say(
        f"**{right} of {films}** years right, {dealt} with the answers dealt out. So few films "
        f"leave the share anywhere from {means['low'].iloc[0]:.2f} to {means['high'].iloc[0]:.2f}."
    )


def named_here() -> Split:
    return leave_last_out(load_dataset("ml-100k", download=False).k_core(CORE))


def ask_named(recorded: pd.DataFrame, anchors: int = 6) -> None:
    """One word about a user against one rewording without it, for a few histories.

    Args:
        recorded: `probe` ("named"); its first histories are asked again.
    """
    ready = real_model(named_here, f"3 lists for {anchors} histories", 20)
    if ready is None:
        return
    lm, split = ready
    histories = [split.test_history[row] for row in drawn_rows(split)[:anchors]]
    asked = Adapted(lm, verbaliser(split.dataset, spoken=True), split.dataset.n_items)
    woman, rewording = VALUES["gender"]["female"][0], PARAPHRASES[0]
    keys = {NEUTRAL: NEUTRAL, woman: "gender: female, wording 0", rewording: "paraphrase 0"}
    told = recorded_lists(recorded)
    before = {who: told[key] for who, key in keys.items()}
    with warnings.catch_warnings():  # titles that begin others, in all three lists alike
        warnings.simplefilter("ignore", UserWarning)
        now = {who: lists_about(asked, who, histories) for who in keys}
    moved = {
        (who, when): 1 - list_similarity(of[who], of[NEUTRAL])
        for when, of in (("asked just now", now), ("recorded", before))
        for who in (woman, rewording)
    }
    table(
        interval_table({f"“{who}”, {when}": of for (who, when), of in moved.items()}).rename_axis(
            f"in place of “{NEUTRAL}”"
        ),
        caption="Change of the ten best (1 − similarity), 95 % intervals over histories",
        digits=3,
    )
    more = (moved[woman, "asked just now"] > moved[rewording, "asked just now"]).sum()
    floor = [
        (1 - list_similarity(of, before[NEUTRAL])).mean()
        for prompt, of in told.items()
        if prompt.startswith("paraphrase")
    ]
    same = sum(int((now[who] == before[who][:anchors]).all(axis=1).sum()) for who in keys)
    say(
        f"“{woman}” changes the list more than “{rewording}” in **{more} of {anchors}** histories. "
        f"But which rewording? The {len(floor)} recorded ones change it by {min(floor):.3f} to "
        f"{max(floor):.3f}, “{woman}” by {moved[woman, 'recorded'].mean():.3f}.",
        f"{same} of the {len(keys) * anchors} lists are those that were recorded.",
    )
