"""Results in words: a difference with its interval, and the table at the end of every notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tutorial_lib.evaluation import Comparison, holm_comparisons, p_text
from tutorial_workshop.page.output import table


def difference_in_words(comparison, digits: int = 3) -> str:
    """A `Comparison` with its interval, as part of a sentence.

    >>> from types import SimpleNamespace
    >>> difference_in_words(SimpleNamespace(difference=0.02, ci=(-0.01, 0.05)), digits=2)
    '+0.02, 95 % interval -0.01 to +0.05'
    """
    low, high = comparison.ci
    value = f"{comparison.difference:+.{digits}f}"
    return f"{value}, 95 % interval {low:+.{digits}f} to {high:+.{digits}f}"


def verdict_table(
    comparisons: Mapping[str, Comparison], margin: float, *, caption: str, digits: int = 3
) -> dict[str, str]:
    """Show paired comparisons as one family, their verdicts last, and return the verdicts.

    Args:
        comparisons: name of the difference -> `compare`.
        margin: differences within it do not matter, see `Comparison.verdict`.
        caption: what is compared; how it was done follows.
        digits: decimals.
    """
    found = holm_comparisons(comparisons, margin)
    columns = ["comparison", "difference", "95 % low", "95 % high", "p adjusted", "verdict"]
    shown = found.reset_index()[["comparison", "difference", "low", "high", "p_holm", "verdict"]]
    rows = list(shown.assign(p_holm=shown["p_holm"].map(p_text)).itertuples(index=False))
    adjusted = f"p adjusted for {len(rows)} tests (Holm)" if len(rows) > 1 else "one test"
    how = f"paired; {adjusted}; equivalent: within ± {margin}"
    rows_table(rows, columns, caption=f"{caption}: {how}", digits=digits)
    return found["verdict"].to_dict()


def rows_table(
    rows: Sequence[tuple], columns: Sequence[str], *, caption: str, digits: int = 3
) -> None:
    """Show a table of rows, the first column naming them."""
    import pandas as pd

    table(pd.DataFrame(rows, columns=columns).set_index(columns[0]), caption=caption, digits=digits)


def recap_table(
    rows: Sequence[tuple], *, caption: str, last: str = "seeds", digits: int = 4
) -> None:
    """Show the recap: one row per quantity, its value and its 95 % interval.

    Args:
        rows: (quantity, value, low, high), with or without the number of ``last``.
        caption: the data, and what the intervals are over.
        last: what the fifth column counts.
        digits: decimals.
    """
    columns = ["quantity", "value", "95 % low", "95 % high", last][: len(rows[0])]
    rows_table(rows, columns, caption=caption, digits=digits)
