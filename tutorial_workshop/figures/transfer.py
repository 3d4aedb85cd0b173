"""Pictures and tests of notebook 09: a leaderboard in cuts, transfer, paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import Comparison, compare
from tutorial_workshop.figures.labels import label_curves, over_seeds
from tutorial_workshop.page.output import points, say, table

SYSTEMS = (  # that are drawn over labels, in this order
    "EASE, target alone",
    "text, target alone",
    "text, from the source",
    "EASE + text, from the source",
)
LINES = ("prompt, kit-gpt", "ceiling")  # that need no labels
DEALT = ", texts dealt out anew"


def recorded_cells(
    recorded: pd.DataFrame,
    system: str,
    *,
    part: str = "transfer",
    overlap: float | None = None,
    labels: int = 0,
    seeds: Iterable[int] | None = None,
) -> pd.DataFrame:
    """The rows of one system, index ("seed", "user").

    Args:
        recorded: ``data/results/transfer.csv.gz``.
        system: Its name there.
        part: "transfer", "persons", "cold", "paths", or a real data set.
        overlap: Of the domains, None in parts that have none.
        labels: Labelled users.
        seeds: Repeat a system in which nothing is drawn, recorded once, for each of these, so that
            it can be compared with one that was run with all of them.

    Raises:
        InputError: Nothing was recorded there.
    """
    rows = recorded[(recorded["part"] == part) & (recorded["system"] == system)]
    rows = rows[
        (rows["labels"] == labels) & (rows["overlap"].isna() | (rows["overlap"] == overlap))
    ]
    if rows.empty:
        raise InputError(
            f"transfer.csv.gz has no {part!r} rows of {system!r} at overlap={overlap}, labels="
            f"{labels}; record them with python benchmarks/transfer.py {part}"
        )
    rows = rows.set_index(["seed", "user"]).drop(columns=["part", "system", "overlap", "labels"])
    if seeds is None or rows.index.get_level_values("seed").nunique() > 1:
        return rows
    return pd.concat({seed: rows.droplevel("seed") for seed in seeds}, names=["seed"])


def recorded_tests(
    recorded: pd.DataFrame,
    pairs: Sequence[tuple[str | tuple[str, int], str | tuple[str, int]]],
    overlaps: Sequence[float | None] = (None,),
    metric: str = "ndcg@10",
    *,
    part: str = "transfer",
) -> dict[str, Comparison]:
    """Differences over users and seeds at each overlap.

    Args:
        recorded: ``data/results/transfer.csv.gz``.
        pairs: Of systems, each a name, or a name with labelled users.
        overlaps: (None,) in parts that have none.
        metric: A column.
        part: As in `recorded_cells`.
    """
    found = {}
    for overlap in overlaps:
        where = "" if overlap is None else f"overlap {overlap:g}: "
        for pair in pairs:
            both = [(one, 0) if isinstance(one, str) else one for one in pair]
            given: list[tuple[str, dict[str, Any]]] = [
                (s, {"part": part, "overlap": overlap, "labels": n}) for s, n in both
            ]
            seeds = [recorded_cells(recorded, s, **g).index.unique("seed") for s, g in given]
            every = seeds[0].union(seeds[1])
            a, b = (recorded_cells(recorded, s, **g, seeds=every) for s, g in given)
            common = a.index.intersection(b.index)
            words = [f"{s} ({n})" if n else s for s, n in both]
            found[f"{where}{words[0]} − {words[1]}"] = compare(a.loc[common], b.loc[common], metric)
    return found


def share_of_ceiling(
    recorded: pd.DataFrame, system: str, metric: str, part: str = "cold"
) -> tuple[float, float, float]:
    """A system's mean as a share of the ceiling's, with a 95 % interval over users (and the seeds'
    means): of system - share * ceiling, which is 0 on average at the true share (Fieller's idea,
    the ceiling's own sampling included because users are paired).
    """
    best = recorded_cells(recorded, "ceiling", part=part)[metric].groupby("user").mean()
    own = recorded_cells(recorded, system, part=part)[metric].groupby("user").mean()
    share = float(own.mean() / best.mean())
    residual = own - share * best
    half = 1.96 * float(residual.std(ddof=1) / np.sqrt(len(residual)) / best.mean())
    return share, share - half, share + half


@dataclass(frozen=True)
class TransferView:
    """The widget of notebook 09: NDCG@10 over labelled users, at one overlap.

    Args:
        recorded: ``data/results/transfer.csv.gz``.
    """

    recorded: pd.DataFrame

    @property
    def overlaps(self) -> list[float]:
        """That were recorded, ascending."""
        rows = self.recorded[self.recorded["part"] == "transfer"]
        return sorted(rows["overlap"].unique().tolist())

    def curves(self, overlap: float) -> dict[str, list[tuple]]:
        """System -> (labels, mean, low, high), intervals over seeds."""
        rows = self.recorded[self.recorded["part"] == "transfer"]
        rows = rows[rows["overlap"] == overlap]
        found: dict[str, list[tuple]] = {}
        for name in (*SYSTEMS, *LINES):
            for labels, some in rows[rows["system"] == name].groupby("labels"):
                interval = over_seeds(some.groupby("seed")["ndcg@10"].mean(), least=3)
                found.setdefault(name, []).append((float(labels), *interval))
        return found

    def draw(self, overlap: float):
        """Curves of what is tuned, lines of what is not; zero-shot stands at one label."""
        found = self.curves(overlap)
        curves = {
            name: [(max(row[0], 1.0), *row[1:]) for row in found[name]]
            for name in SYSTEMS
            if name in found
        }
        levels = {name: found[name][0][1:] for name in LINES if name in found}
        fig = label_curves(curves, levels)
        fig.axes[0].set_xlabel("labelled users (zero-shot stands at 1)")
        fig.axes[0].set_ylim(0, 0.24)  # the same at every overlap
        return fig

    def describe(self, overlap: float) -> str:
        """The numbers in words."""
        parts = []
        for name, rows in self.curves(overlap).items():
            numbers = ", ".join(f"{row[0]:g} labels {row[1]:.3f}" for row in rows)
            parts.append(f"{name}: {numbers}")
        return f"Overlap {overlap:g}. Expected NDCG@10. {'; '.join(parts)}."


def show_board(board: pd.DataFrame, *, caption: str) -> None:
    """Show a leaderboard in cuts (`by_cuts`) as points, cuts by target marked with a star."""
    cuts = board.drop_duplicates(["perspective", "cut"])
    labels = [("* " if row.by == "target" else "") + row.cut for row in cuts.itertuples()]
    groups: dict[str, list] = {}
    for name, rows in board.groupby("model", sort=False):
        held = rows.set_index(["perspective", "cut"])
        keys = list(zip(cuts["perspective"], cuts["cut"], strict=True))
        groups[str(name)] = [tuple(held.loc[key, ["mean", "low", "high"]]) for key in keys]
    points(
        labels,
        groups,
        quantity="NDCG@10",
        caption=f"{caption} A star marks cuts by target: there the ceiling is none."
        if (cuts["by"] == "target").any()
        else caption,
    )


def show_leaders(board: pd.DataFrame, *, ceiling: str) -> None:
    """Say for each cut of a leaderboard (`by_cuts`) what the ceiling is, which model leads, and
    which are within its interval.
    """
    rows = {}
    for cut, at in board.groupby("cut", sort=False):
        models = at[at["model"] != ceiling].sort_values("mean", ascending=False)
        first, others = models.iloc[0], models.iloc[1:]
        near = others.loc[others["mean"] >= first["low"], "model"]
        rows[cut] = {
            "users": first["users"],
            "ceiling": at.loc[at["model"] == ceiling, "mean"].iloc[0],
            "leads": first["model"],
            "share of the ceiling": f"{first['share of the ceiling']:.0%}",
            "within its interval": ", ".join(near) or "no other",
        }
    table(pd.DataFrame(rows).T.rename_axis("cut"), caption="Who leads in each cut", digits=3)


def say_paths(rows: pd.DataFrame) -> None:
    """Say of recorded paths how far the next items lie, and which written triples exist."""
    means = rows.groupby("system")[["hop 1", "hop 2", "hop 3", "nowhere", "reachable"]].mean()
    reach = [means.loc[f"ceiling within {hops} hops", "reachable"] for hops in (1, 2, 3)]
    within = ", ".join(f"{share:.0%} within {hops}" for hops, share in enumerate(reach, start=1))
    say(f"Next items that a path can reach: {within} hops.")
    for name in ("paths, free", "paths, along the graph"):
        exist = ", ".join(f"{means.loc[name, f'hop {hop}']:.0%}" for hop in (1, 2, 3))
        nowhere = means.loc[name, "nowhere"]
        say(f"{name}: {exist} of the triples exist at hop 1, 2, 3; {nowhere:.0%} end at no item.")


def show_written_paths(written, graph, titles: Sequence[str], number: int = 3) -> None:
    """Show the likeliest paths of the first user in words, and which of their triples exist."""
    rows = []
    for tokens in written.tokens[0, :number]:
        path = tokens[tokens >= 0]
        triples = [path[at : at + 3] for at in range(2, len(path) - 2, 2)]
        real = [bool(graph.exists(*np.array(triple)[:, None])[0]) for triple in triples]
        rows.append((" → ".join(graph.names(path, titles)), all(real)))
    frame = pd.DataFrame(rows, columns=["path", "all triples after the first exist"])
    table(frame.set_index("path"), caption="Likeliest first")
