"""`Comparison`: the difference of two systems, what could have been seen, and what follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tutorial_lib.errors import check_number
from tutorial_lib.evaluation.estimates import LEVEL, Student, p_text
from tutorial_lib.templating import pairs_table


@dataclass(frozen=True)
class Comparison:
    """A paired comparison: difference = mean of a - mean of b over the same users.

    Attributes:
        ci: 95 % interval of the difference.
        p: two-sided, of "no difference", from the same t as the interval: the interval excludes 0
            if and only if p < .05.
        n: users.
        parts: the t statistics behind ci and p; none where the data allow no inference.
        note: why ci, p and minimum_detectable_effect are nan; or how far the result holds.
        seeds: over which both were run; 1 where the index names none.
        pairs: values of a beside values of b.
    """

    metric: str
    mean_a: float
    mean_b: float
    difference: float
    ci: tuple[float, float]
    p: float
    n: int
    parts: tuple[Student, ...]
    note: str = ""
    seeds: int = 1
    pairs: int = 0

    @property
    def minimum_detectable_effect(self) -> float:
        """`detectable` for this one test."""
        return self.detectable()

    def detectable(self, tests: int = 1) -> float:
        """The true difference that such data reveal in 80 % of repetitions at alpha = .05.

        Args:
            tests: size of the family whose p-values are adjusted by Holm's method, of which the
                smallest must lie below .05 / tests.
        """
        reaches = [part.reach(LEVEL / (2 * tests)) + part.reach(0.2) for part in self.parts]
        return max(reaches, default=np.nan)

    def p_equivalent(self, margin: float) -> float:
        """p of "the true difference is ``margin`` or more, either way": two one-sided tests.

        Below .05 if and only if the 90 % interval lies within ± margin. Source: Schuirmann 1987.
        """
        check_number("p_equivalent", "(0, inf)", margin=margin)
        tails = [part.tail(margin - abs(part.centre)) for part in self.parts]
        return max(tails, default=np.nan)

    def verdict(
        self, margin: float, *, p: float | None = None, p_equivalent: float | None = None
    ) -> str:
        """What the data say of a difference, given the margin below which it does not matter.

        "equivalent": less than the margin either way (`p_equivalent` < .05), sure to be 0 or not.
        Else "better" or "worse": p < .05, a is above or below b. Else "inconclusive": it may be
        0, it may matter, or there is no inference.

        Args:
            margin: in the metric's unit, above 0, declared before the data are seen.
            p: adjusted for a family of tests, instead of this test's own (`holm_comparisons`).
            p_equivalent: likewise.

        >>> from tutorial_lib.evaluation.estimates import Student
        >>> sure = Comparison("", 0.3, 0.2, 0.1, (0.08, 0.12), 1e-9, 99, (Student(0.1, 0.01, 98),))
        >>> sure.verdict(margin=0.05), sure.verdict(margin=0.2)
        ('better', 'equivalent')
        """
        own = self.p_equivalent(margin)
        if (own if p_equivalent is None else p_equivalent) < LEVEL:
            return "equivalent"
        if not (self.p if p is None else p) < LEVEL:  # nan: nothing is known
            return "inconclusive"
        return "better" if self.difference > 0 else "worse"

    def _rows(self) -> dict[str, str]:
        """What is printed, line by line."""
        difference = f"{self.difference:+.4f}, no interval and no p"
        p = detectable_text = ""
        if not np.isnan(self.p):
            sure = "includes 0: no difference shown" if self.p >= 0.05 else "excludes 0"
            interval = f"95 % interval [{self.ci[0]:+.4f}, {self.ci[1]:+.4f}]"
            difference = f"{self.difference:+.4f}, {interval}: the interval {sure}"
            p = f"{p_text(self.p)} (two-sided, from the same t as the interval)"
            effect = f"a true difference of {self.minimum_detectable_effect:.4f} or more"
            detectable_text = f"{effect} would be seen in 80 % of repetitions"
        over_seeds = f", over {self.seeds} seeds" if self.seeds > 1 else ""
        rows = {
            "a, b": f"{self.mean_a:.4f}, {self.mean_b:.4f}",
            "difference": difference,
            "p": p,
            "users": f"{self.n:,}, paired{over_seeds}",
            "detectable": detectable_text,
            "note": self.note,
        }
        return {name: text for name, text in rows.items() if text}

    def __str__(self) -> str:
        lines = [f"  {name:<11} {text}" for name, text in self._rows().items()]
        return "\n".join([f"{self.metric}: a - b", *lines])

    def _repr_html_(self) -> str:
        return pairs_table(f"{self.metric}: a - b", self._rows().items())
