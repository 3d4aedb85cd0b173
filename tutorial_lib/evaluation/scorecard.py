"""One card for both sides of a language-model recommender: how well it ranks and writes.

Nobody knows how many points of ROUGE a point of NDCG is worth, so the card does not add them up. It
shows both sides with intervals, asks whether they go together, and names the models that no other
beats on both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation.estimates import Correlation, spearman
from tutorial_lib.evaluation.text import BLEU_COUNTS, corpus_bleu

# Metrics of a set of texts that are not a mean over texts: the columns to sum, and the metric of
# the sums.
OF_SUMS: dict[str, tuple[tuple[str, ...], Callable[[np.ndarray], float]]] = {
    "bleu": (BLEU_COUNTS, corpus_bleu),
    "factual_precision": (
        ("true", "statements"),
        lambda sums: sums[0] / sums[1] if sums[1] else np.nan,
    ),
}


@dataclass(frozen=True)
class Scorecard:
    """What `scorecard` found.

    Attributes:
        table: one row per model and metric: ``side`` ("accuracy" or "language"), ``value``,
            ``low``, ``high`` (95 %), ``n`` (users).
        accuracy, language: the metrics that the rest is about.
        over_models: correlation of the two over models' values.
        over_users: model -> correlation of the two over its users.
        front: models that no other beats on both sides.
        on_front: model -> share of resampled user samples in which it is on the front.
        limits: what cannot be concluded, in sentences.
    """

    table: pd.DataFrame
    accuracy: str
    language: str
    over_models: Correlation
    over_users: dict[str, Correlation]
    front: tuple[str, ...]
    on_front: dict[str, float]
    limits: tuple[str, ...]

    def both(self) -> pd.DataFrame:
        """One row per model: value, low, high of both metrics, and whether it is on the front."""
        sides = {
            name: self.table.xs(name, level="metric")[["value", "low", "high"]]
            for name in (self.accuracy, self.language)
        }
        wide = pd.concat(sides, axis=1)
        wide["front", ""] = wide.index.isin(self.front)
        return wide

    def wide(self) -> pd.DataFrame:
        """One row per model, one column per metric: "value [low, high]", or a dash if undefined."""
        cells = [
            "-" if np.isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
            for value, low, high in self.table[["value", "low", "high"]].itertuples(index=False)
        ]
        return pd.Series(cells, index=self.table.index).unstack(sort=False)

    def sentences(self) -> list[str]:
        """The card's findings as text, one per line."""
        front = "; ".join(
            f"{model} (in {self.on_front[model]:.0%} of resamples)" for model in self.front
        )
        within = "; ".join(f"{model} {value}" for model, value in self.over_users.items())
        return [
            f"On the Pareto front of {self.accuracy} and {self.language}: {front}",
            f"Spearman correlation of the two over models: {self.over_models}",
            f"Over users within a model: {within}",
            *self.limits,
        ]


def scorecard(
    ranking: Mapping[str, pd.DataFrame],
    texts: Mapping[str, pd.DataFrame],
    accuracy: str | Sequence[str] = "ndcg@10",
    language: str | Sequence[str] = ("rougeL", "bleu"),
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Scorecard:
    """Accuracy and language of several models on the same users.

    Args:
        ranking: model -> per-user frame of `evaluate`. Only users that all frames have are used.
        texts: model -> frame with one row per text and its user as index, from `text_frame`, joined
            with `factual_frame` where the facts are judged too; several texts of a user count as
            one sample of that user.
        accuracy: columns, the first for the correlations and the front; larger must be better.
        language: likewise; or "bleu" (of the corpus, from the counts), "factual_precision" (true by
            all statements; NaN where nothing is stated).
        seed: of the percentile bootstrap over users, the same ones for all models and both sides.
        resamples: of the bootstrap.

    Raises:
        InputError: Other models on one side than on the other, fewer than two models, fewer than
            two common users, an unknown metric, or NaN.

    Sources: Efron & Tibshirani 1993, chapter 13 (percentile bootstrap); Koehn 2004 for BLEU by
    resampling.
    """
    accuracy = [accuracy] if isinstance(accuracy, str) else list(accuracy)
    language = [language] if isinstance(language, str) else list(language)
    models = list(ranking)
    users = _common_users(ranking, texts)
    parts = {
        (model, name): _per_user(frames[model], name, users, model)
        for model in models
        for frames, names in ((ranking, accuracy), (texts, language))
        for name in names
    }
    chances = np.full(len(users), 1 / len(users))
    times_drawn = np.random.default_rng(seed).multinomial(len(users), chances, size=resamples)
    draws = {key: _values(key[1], times_drawn @ part) for key, part in parts.items()}
    rows = []
    for (model, name), part in parts.items():
        side = "accuracy" if name in accuracy else "language"
        value = _values(name, part.sum(axis=0)[None])[0]
        rows.append((model, name, side, value, *_quantiles(draws[model, name], 0.05), len(users)))
    columns = ["model", "metric", "side", "value", "low", "high", "n"]
    table = pd.DataFrame(rows, columns=columns).set_index(["model", "metric"])

    return _judged(table, parts, draws, (accuracy[0], language[0]))


def _judged(table: pd.DataFrame, parts: dict, draws: dict, sides: tuple[str, str]) -> Scorecard:
    """Correlations, front and limits of two metrics.

    ``parts`` and ``draws``: (model, metric) -> what users add up to, and values of the resamples.
    """
    models = list(table.index.unique("model"))
    points = np.array([[table.loc[(m, side), "value"] for side in sides] for m in models])
    clouds = np.array(
        [[draws[m, side] for side in sides] for m in models]
    )  # [models, 2, resamples]
    fronts = [pareto_front(clouds[:, :, i]) for i in range(clouds.shape[2])]
    over_users = {m: spearman(*(_values(side, parts[m, side]) for side in sides)) for m in models}
    return Scorecard(
        table,
        *sides,
        over_models=spearman(points[:, 0], points[:, 1]),
        over_users=over_users,
        front=tuple(m for m, on in zip(models, pareto_front(points), strict=True) if on),
        on_front=dict(zip(models, np.mean(fronts, axis=0).tolist(), strict=True)),
        limits=(*_limits(clouds, models, sides), *_few_models(len(models))),
    )


def pareto_front(points: ArrayLike) -> np.ndarray:
    """Boolean [n]: rows of [n, 2] that no other row beats: at least as good on both, better on one.

    Larger is better; NaN is worst.

    >>> pareto_front(np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False]
    """
    points = np.asarray(points, dtype=np.float64)
    points = np.where(np.isnan(points), -np.inf, points)
    at_least = np.all(points[:, None] >= points[None], axis=2)
    return ~np.any(at_least & ~at_least.T, axis=0)


def _common_users(ranking: Mapping, texts: Mapping) -> pd.Index:
    """The users that all frames have; InputError unless the frames can be compared."""
    if set(ranking) != set(texts) or len(ranking) < 2:
        raise InputError(
            f"scorecard: models {sorted(map(str, ranking))} rank and {sorted(map(str, texts))}"
            " write; expected the same two or more on both sides"
        )
    for model, frame in ranking.items():
        if not frame.index.is_unique:
            raise InputError(
                f"scorecard: a user appears twice in the ranking of {model!r}; average over seeds"
                " first"
            )
    first, *others = [*ranking.values(), *texts.values()]
    users = first.index
    for frame in others:
        users = users.intersection(frame.index.unique())
    if len(users) < 2:
        raise InputError(
            f"scorecard: {len(users)} users are in all frames, expected at least 2; give the texts"
            " their users as index"
        )
    return users.sort_values()


def _per_user(frame: pd.DataFrame, name: str, users: pd.Index, model: str) -> np.ndarray:
    """What a resample adds up: [n_users, columns].

    Of an ordinary metric, a user's mean and a 1, so that the sums give the mean over users.
    """
    columns = list(OF_SUMS[name][0]) if name in OF_SUMS else [name]
    for column in columns:
        if column not in frame:
            what = f"column of {model!r}, needed for {name!r},"
            raise unknown_name(what, column, [str(known) for known in frame.columns])
    by_user = frame.loc[frame.index.isin(users), columns].groupby(level=0)
    if name in OF_SUMS:
        table = by_user.sum()
    else:
        table = by_user.agg(lambda values: values.mean(skipna=False)).assign(users=1.0)
    table = table.loc[users].astype(np.float64)
    missing = table.isna().any(axis=1)
    if missing.any():
        raise InputError(
            f"scorecard: {name} of user {users[missing][0]!r} under {model!r} is NaN; expected a"
            " number"
        )
    return table.to_numpy()


def _quantiles(draws: np.ndarray, level: float) -> np.ndarray:
    """(low, high) of the resamples in which the metric is defined."""
    defined = draws[~np.isnan(draws)]
    return np.quantile(defined, [level / 2, 1 - level / 2]) if len(defined) else np.full(2, np.nan)


def _values(name: str, sums: np.ndarray) -> np.ndarray:
    """The metric of each row of sums, [n, columns] of `_per_user`."""
    if name in OF_SUMS:
        return np.array([OF_SUMS[name][1](row) for row in sums], dtype=np.float64)
    return sums[:, 0] / sums[:, 1]


def _limits(clouds: np.ndarray, models: list[str], sides: tuple[str, str]) -> list[str]:
    """Which pairs of models these users tell apart, metric by metric, where it is not all."""
    sentences = []
    pairs = list(combinations(range(len(models)), 2))
    for side, name in enumerate(sides):
        apart = []
        for i, j in pairs:
            # Bonferroni over the pairs
            low, high = _quantiles(clouds[i, side] - clouds[j, side], 0.05 / len(pairs))
            if low > 0 or high < 0:
                apart.append(f"{models[i]} and {models[j]}")
        if len(apart) < len(pairs):
            these = f"these are: {'; '.join(apart)}" if apart else "no pair is"
            sentences.append(
                f"By {name} these users do not tell all {len(pairs)} pairs of models apart"
                f" (adjusted for their number); {these}"
            )
    return sentences


def _few_models(n: int) -> list[str]:
    """What a correlation over so few models cannot show, and what the card leaves open."""
    chance = 2 / factorial(n)
    few = f": even a perfect order has p = {chance:.2f} by chance" if chance > 0.05 else ""
    return [
        f"The correlation over models rests on {n} of them{few}; it need not hold for other models,"
        " nor agree with that over users",
        "The card does not say how much accuracy a better text is worth, nor whether readers find"
        " the texts useful or true",
    ]
