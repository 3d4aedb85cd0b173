"""One card for both sides of a language-model recommender: how well it ranks, and how well it
writes.

Nobody knows how many points of ROUGE a point of NDCG is worth, so the card does not add them up. It
shows both sides with intervals, asks whether they go together, and names the models that no other
beats on both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, unknown_name
from tutorial_lib.evaluation.text import BLEU_COUNTS, corpus_bleu

# metrics of a set of texts that are no mean over texts: the columns to sum, and what to make of the
# sums
OF_SUMS: dict[str, tuple[tuple[str, ...], Callable[[np.ndarray], float]]] = {
    "bleu": (BLEU_COUNTS, corpus_bleu),
    "factual_precision": (
        ("true", "statements"),
        lambda sums: sums[0] / sums[1] if sums[1] else np.nan,
    ),
}


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with its 95 % interval (Fisher z, standard error of Bonett &
    Wright 2000); NaN where undefined.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return (
            "undefined"
            if np.isnan(self.value)
            else f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}] (n={self.n:,})"
        )


@dataclass(frozen=True)
class Scorecard:
    """What `scorecard` found.

    table: one row a model and metric: ``side`` ("accuracy" or "language"), ``value``, ``low``,
        ``high`` (95 %), ``n`` (users).
    accuracy, language: the metric of each side that the rest is about. over_models: their
        correlation over models' values.
    over_users: model -> correlation over its users. front: models that no other beats on both
        sides.
    on_front: model -> share of resampled user samples in which it is on the front. limits: what
        cannot be concluded, in sentences.
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
        """One row a model: (value, low, high) of the two metrics, and whether it is on the front;
        for the Pareto picture.
        """
        sides = {
            name: self.table.xs(name, level="metric")[["value", "low", "high"]]
            for name in (self.accuracy, self.language)
        }
        wide = pd.concat(sides, axis=1)
        wide["front", ""] = wide.index.isin(self.front)
        return wide

    def wide(self, digits: int = 3) -> pd.DataFrame:
        """One row a model, one column a metric, "value [low, high]" as text; a metric that is
        undefined is a dash.
        """
        cells = [
            "-" if np.isnan(value) else f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            for value, low, high in self.table[["value", "low", "high"]].itertuples(index=False)
        ]
        return pd.Series(cells, index=self.table.index).unstack(sort=False)

    def sentences(self) -> list[str]:
        """The card's findings as text, one a line."""
        within = "; ".join(f"{model} {found}" for model, found in self.over_users.items())
        return [
            f"On the Pareto front of {self.accuracy} and {self.language}: "
            + "; ".join(
                f"{model} (in {self.on_front[model]:.0%} of resamples)" for model in self.front
            ),
            f"Spearman correlation of the two over models: {self.over_models}",
            f"Over users within a model: {within}",
            *self.limits,
        ]

    def __str__(self) -> str:
        return "\n".join([self.table.round(4).to_string(), *self.sentences()])

    def _repr_html_(self) -> str:
        return (
            self.table.round(4).to_html()
            + "<ul>"
            + "".join(f"<li>{escape(line)}</li>" for line in self.sentences())
            + "</ul>"
        )


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

    ranking: model -> per-user frame of `evaluate`. texts: model -> frame with one row a text and
        its user as index, from `text_frame`, joined with `factual_frame` where the facts are judged
        too; several texts of a user count as one sample of that user.
    accuracy, language: metrics of each side, the first of each for the correlations and the front;
        larger must be better. A column of the frames; or "bleu" (of the corpus, from the counts),
        "factual_precision" (true by all statements; NaN where nothing is stated).
    seed, resamples: of the bootstrap. It draws users, the same ones for all models and both sides,
        and takes percentiles.
    Only users that all frames have are used. Raises InputError for other models on one side than on
    the other, fewer than two models,
        fewer than two common users, an unknown metric, or NaN.
    Sources: Efron & Tibshirani 1993, chapter 13 (percentile bootstrap); Koehn 2004 for BLEU by
        resampling.
    """
    accuracy, language = (
        [names] if isinstance(names, str) else list(names) for names in (accuracy, language)
    )
    users = _common_users(ranking, texts)
    sums = {
        **{
            (model, name): _per_user(frame, name, users, model)
            for model, frame in ranking.items()
            for name in accuracy
        },
        **{
            (model, name): _per_user(frame, name, users, model)
            for model, frame in texts.items()
            for name in language
        },
    }
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(
        len(users), np.full(len(users), 1 / len(users)), size=resamples
    )  # how often each user is drawn
    draws = {
        key: np.array([_value(key[1], row) for row in drawn @ table]) for key, table in sums.items()
    }
    rows = []
    for (model, name), table in sums.items():
        side = "accuracy" if name in accuracy else "language"
        low, high = _quantiles(draws[model, name], 0.05)
        rows.append((model, name, side, _value(name, table.sum(axis=0)), low, high, len(users)))
    table = (
        pd.DataFrame(rows, columns=["model", "metric", "side", "value", "low", "high", "n"])
        .set_index(["model", "metric"])
        .sort_index()
    )
    table = table.loc[[(model, name) for model in ranking for name in (*accuracy, *language)]]
    return _judged(table, draws, sums, list(ranking), accuracy[0], language[0])


def spearman(a: Sequence[float], b: Sequence[float]) -> Correlation:
    """Rank correlation of two columns, ties sharing ranks, with an approximate 95 % interval; below
    four pairs it is [-1, 1].

    A pair with NaN is left out, so ``n`` may be less than the length; a constant column makes the
    correlation undefined (NaN).

    >>> print(spearman([1, 2, 3, 4, 5], [1, 3, 2, 4, 5]))
    +0.90 [-0.17, +1.00] (n=5)
    """
    pairs = (
        pd.DataFrame({"a": np.asarray(a, dtype=np.float64), "b": np.asarray(b, dtype=np.float64)})
        .dropna()
        .rank()
    )
    x, y, n = pairs["a"].to_numpy(), pairs["b"].to_numpy(), len(pairs)
    if n < 2 or x.std() == 0 or y.std() == 0:
        return Correlation(np.nan, np.nan, np.nan, n)
    value = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if n < 4:
        return Correlation(value, -1.0, 1.0, n)
    half = 1.959964 * np.sqrt((1 + value**2 / 2) / (n - 3))
    centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return Correlation(value, float(np.tanh(centre - half)), float(np.tanh(centre + half)), n)


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Boolean [n]: rows of [n, 2] that no other row beats: at least as good on both, better on one
    (larger is better; NaN is worst).

    >>> pareto_front(np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False]
    """
    points = np.nan_to_num(
        np.asarray(points, dtype=np.float64), nan=-np.inf, neginf=-np.inf, posinf=np.inf
    )
    at_least = (points[:, None] >= points[None]).all(axis=2)
    return ~(at_least & ~at_least.T).any(axis=0)


def _common_users(ranking: Mapping, texts: Mapping) -> pd.Index:
    if set(ranking) != set(texts) or len(ranking) < 2:
        raise InputError(
            f"scorecard: models {sorted(map(str, ranking))} rank and {sorted(map(str, texts))}"
            " write; expected the same two or more on both sides"
        )
    repeated = next((model for model, frame in ranking.items() if not frame.index.is_unique), None)
    if repeated is not None:
        raise InputError(
            f"scorecard: a user appears twice in the ranking of {repeated!r}; average over seeds"
            " first"
        )
    frames = [*ranking.values(), *texts.values()]
    users = frames[0].index
    for frame in frames[1:]:
        users = users.intersection(frame.index.unique())
    if len(users) < 2:
        raise InputError(
            f"scorecard: {len(users)} users are in all frames, expected at least 2; give the texts"
            " their users as index"
        )
    return users.sort_values()


def _per_user(frame: pd.DataFrame, name: str, users: pd.Index, model: str) -> np.ndarray:
    """What a resample adds up: [n_users, columns]; of an ordinary metric a user's mean and a 1, so
    that the sums give the mean.
    """
    columns = list(OF_SUMS[name][0]) if name in OF_SUMS else [name]
    missing = [column for column in columns if column not in frame]
    if missing:
        raise unknown_name(
            f"column of {model!r}, needed for {name!r},",
            missing[0],
            [str(column) for column in frame.columns],
        )
    by_user = frame.loc[frame.index.isin(users), columns].groupby(level=0)
    table = (
        (
            by_user.sum()
            if name in OF_SUMS
            else by_user.agg(lambda values: values.mean(skipna=False))
        )
        .loc[users]
        .to_numpy(dtype=np.float64)
    )
    if np.isnan(table).any():
        raise InputError(
            f"scorecard: {name} of user {users[np.isnan(table).any(axis=1)][0]!r} under {model!r}"
            " is NaN; expected a number"
        )
    return table if name in OF_SUMS else np.column_stack([table, np.ones(len(users))])


def _quantiles(draws: np.ndarray, level: float) -> np.ndarray:
    """(low, high) of the resamples in which the metric is defined."""
    defined = draws[~np.isnan(draws)]
    return np.quantile(defined, [level / 2, 1 - level / 2]) if len(defined) else np.full(2, np.nan)


def _value(name: str, sums: np.ndarray) -> float:
    return float(OF_SUMS[name][1](sums) if name in OF_SUMS else sums[0] / sums[1])


def _judged(
    table: pd.DataFrame, draws: dict, sums: dict, models: list[str], accuracy: str, language: str
) -> Scorecard:
    """Correlations, front and limits from the values, the resamples and the users' parts."""
    points = np.column_stack(
        [[table.loc[(model, name), "value"] for model in models] for name in (accuracy, language)]
    )
    clouds = np.stack(
        [[draws[model, name] for model in models] for name in (accuracy, language)], axis=2
    )  # [models, resamples, 2]
    front = tuple(model for model, kept in zip(models, pareto_front(points), strict=True) if kept)
    often = np.mean([pareto_front(clouds[:, i]) for i in range(clouds.shape[1])], axis=0)
    within = {
        m: spearman(*(_own_value(name, sums[m, name]) for name in (accuracy, language)))
        for m in models
    }
    limits = [*_limits(points, clouds, models, accuracy, language), *_few_models(len(models))]
    over = spearman(points[:, 0], points[:, 1])
    return Scorecard(
        table,
        accuracy,
        language,
        over,
        within,
        front,
        dict(zip(models, often.tolist(), strict=True)),
        tuple(limits),
    )


def _own_value(name: str, table: np.ndarray) -> np.ndarray:
    """The metric of each user alone."""
    return np.array([_value(name, row) for row in table])


def _limits(points, clouds, models, accuracy: str, language: str) -> list[str]:
    """Which pairs of models these users tell apart, side by side, where it is not all."""
    out = []
    for side, name in enumerate((accuracy, language)):
        level = 0.05 / max(1, len(models) * (len(models) - 1) // 2)  # Bonferroni over the pairs
        pairs = list(combinations(range(len(models)), 2))
        apart = []
        for i, j in pairs:
            low, high = _quantiles(clouds[i, :, side] - clouds[j, :, side], level)
            if low > 0 or high < 0:
                apart.append(f"{models[i]} and {models[j]}")
        if len(apart) < len(pairs):
            told = f"these are: {'; '.join(apart)}" if apart else "no pair is"
            out.append(
                f"By {name} these users do not tell all {len(pairs)} pairs of models apart"
                f" (adjusted for their number); {told}"
            )
    return out


def _few_models(n: int) -> list[str]:
    least = 2 / factorial(n)
    few = f": even a perfect order has p = {least:.2f} by chance" if least > 0.05 else ""
    return [
        (
            f"The correlation over models rests on {n} of them{few}; it need not hold for other"
            " models, nor agree with that over users"
        ),
        (
            "The card does not say how much accuracy a better text is worth, nor whether readers"
            " find the texts useful or true"
        ),
    ]
