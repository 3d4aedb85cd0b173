"""An auditor's opinion, one of four, by one table of rules that stands in the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tutorial_lib.audit.core.finding import INCONCLUSIVE, MATERIAL, Finding
from tutorial_lib.audit.core.lists import ALL_FAULTS, FAULTS

OPINIONS = ("positive", "positive with comments", "negative", "no opinion")
POSITIVE, COMMENTS, NEGATIVE, NONE = OPINIONS


@dataclass(frozen=True)
class Opinion:
    """An auditor's opinion in the words of an audit under Art. 37 of the DSA. None says "fair".

    Args:
        word: one of `OPINIONS`; "no opinion" is what auditors call a disclaimer.
        reasons: the heaviest first.
    """

    word: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Basis:
    """All that an opinion rests on.

    Args:
        usable: does any list hold one item of the catalogue?
        declared: findings of the declared family.
        faults: list faults beyond their margin.
        harmful: exploratory findings that are MATERIAL and harm somebody.
        problems: what could not be measured as asked.
    """

    usable: bool
    declared: tuple[Finding, ...]
    faults: tuple[Finding, ...]
    harmful: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def material(self) -> list[Finding]:
        return [f for f in self.declared if f.verdict == MATERIAL]

    @property
    def undecided(self) -> list[Finding]:
        """Declared tests that are INCONCLUSIVE, unmeasured ones among them."""
        return [f for f in self.declared if f.verdict == INCONCLUSIVE]


@dataclass(frozen=True)
class Rule:
    """The first rule that holds gives the opinion.

    Args:
        word: the opinion.
        when: the condition in words.
        holds: the condition.
    """

    word: str
    when: str
    holds: Callable[[Basis], bool]


RULES = (
    Rule(
        NONE,
        "no list holds a single item of the catalogue, so there is nothing to judge",
        lambda f: not f.usable,
    ),
    Rule(
        NEGATIVE,
        "a declared test is MATERIAL, or lists break their contract beyond the margin",
        lambda f: bool(f.material or f.faults),
    ),
    Rule(NONE, "no test was declared", lambda f: not f.declared),
    Rule(
        NONE,
        "no declared test could be measured",
        lambda f: not any(finding.measured for finding in f.declared),
    ),
    Rule(
        NONE,
        "more than half of the declared tests are undecided",
        lambda f: 2 * len(f.undecided) > len(f.declared),
    ),
    Rule(
        COMMENTS,
        "a declared test is undecided, an exploratory finding is MATERIAL and harms somebody,"
        " or something was not measured as asked",
        lambda f: bool(f.undecided or f.harmful or f.problems),
    ),
    Rule(
        POSITIVE,
        "every declared test was decided, none beyond its margin, and there is nothing to comment",
        lambda f: True,
    ),
)


def basis_of(
    findings: Sequence[Finding], family: Collection[str], problems: Sequence[str], usable: bool
) -> Basis:
    """What the rules look at, from everything that was measured."""
    declared = tuple(f for f in findings if f.metric in family)
    harmful = [f for f in findings if f.metric not in family and f.harmful]
    single_faults = tuple(f for f in harmful if f.metric in FAULTS.values())
    all_faults = tuple(f for f in harmful if f.metric == ALL_FAULTS)
    return Basis(
        usable=usable,
        declared=declared,
        faults=single_faults or all_faults,
        harmful=tuple(f for f in harmful if f not in (*single_faults, *all_faults)),
        problems=tuple(problems),
    )


def opinion_of(basis: Basis) -> tuple[Opinion, int]:
    """The opinion with its reasons, and the place of its rule in `RULES`."""
    place = next(i for i, rule in enumerate(RULES) if rule.holds(basis))
    word, when = RULES[place].word, RULES[place].when
    if word == POSITIVE:
        reason = "No declared test found a difference beyond its margin, and all were decided."
        return Opinion(word, (reason,)), place
    reasons = [
        *map(str, (*basis.material, *basis.faults)),
        *(f"{f}; worse off: {f.bearer}" for f in basis.harmful),
        *map(str, basis.undecided),
        *basis.problems,
    ]
    if word == NONE:
        if basis.declared:
            n_open, n = len(basis.undecided), len(basis.declared)
            reasons.insert(0, f"{n_open} of {n} declared tests are undecided.")
        reasons.insert(0, f"{when[0].upper()}{when[1:]}.")
    return Opinion(word, tuple(reasons)), place
