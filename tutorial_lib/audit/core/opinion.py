"""An auditor's opinion, one of four, by one table of rules that stands in the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tutorial_lib.audit.core.finding import INCONCLUSIVE, MATERIAL, Finding

POSITIVE, COMMENTS, NEGATIVE, NONE = OPINIONS = (
    "positive",
    "positive with comments",
    "negative",
    "no opinion",
)
FAULTS = {  # ways in which a list breaks the contract of `recommend` -> the metric that counts them
    "unknown": "places with an item outside the catalogue",
    "repeated": "places with an item that stands higher in the same list",
    "consumed": "places with an item the user has already consumed",
    "too_few": "places left empty",
}
ALL_FAULTS = "places lost in any of these ways"  # of one place only one way is counted


@dataclass(frozen=True)
class Opinion:
    """An auditor's opinion in the words of an audit under Art. 37 of the DSA, or "no opinion",
    which auditors call a disclaimer.

    word: one of `OPINIONS`. reasons: the heaviest first. None says "fair".
    """

    word: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """All that an opinion rests on. usable: does any list hold one item of the catalogue? declared:
    findings of the declared family.

    missing: declared tests without a finding. faults: list faults beyond their margin. harmful:
    exploratory findings that are MATERIAL and harm somebody. problems: what could not be measured
    as asked.
    """

    usable: bool
    declared: tuple[Finding, ...]
    missing: tuple[str, ...]
    faults: tuple[Finding, ...]
    harmful: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def material(self) -> list[Finding]:
        return [f for f in self.declared if f.verdict == MATERIAL]

    @property
    def undecided(self) -> list[Finding]:
        return [f for f in self.declared if f.verdict == INCONCLUSIVE]

    @property
    def open_tests(self) -> int:
        """Declared tests that are INCONCLUSIVE, unmeasured ones among them."""
        return len(self.undecided) + len(self.missing)

    @property
    def tests(self) -> int:
        return len(self.declared) + len(self.missing)


@dataclass(frozen=True)
class Rule:
    """word: the opinion. when: the condition in words. holds: the condition. The first rule that
    holds gives the opinion.
    """

    word: str
    when: str
    holds: Callable[[Facts], bool]


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
    Rule(NONE, "no test was declared", lambda f: f.tests == 0),
    Rule(
        NONE,
        "no declared test could be measured",
        lambda f: not any(d.measured for d in f.declared),
    ),
    Rule(
        NONE,
        "more than half of the declared tests are undecided",
        lambda f: 2 * f.open_tests > f.tests,
    ),
    Rule(
        COMMENTS,
        "a declared test is undecided, an exploratory finding is MATERIAL and harms somebody, or"
        " something was not measured as asked",
        lambda f: bool(f.open_tests or f.harmful or f.problems),
    ),
    Rule(
        POSITIVE,
        "every declared test was decided, none beyond its margin, and there is nothing to comment",
        lambda f: True,
    ),
)


def facts_of(
    findings: Sequence[Finding], family: Collection[str], problems: Sequence[str], usable: bool
) -> Facts:
    """What the rules look at, from everything that was found."""
    declared = tuple(f for f in findings if f.metric in family)
    found = {f.metric for f in declared}
    other = [f for f in findings if f.metric not in family and f.harmful]
    total = tuple(f for f in other if f.metric == ALL_FAULTS)
    faults = tuple(f for f in other if f.metric in FAULTS.values()) or total
    harmful = tuple(f for f in other if f.metric not in (*FAULTS.values(), ALL_FAULTS))
    return Facts(
        usable,
        declared,
        tuple(name for name in family if name not in found),
        faults,
        harmful,
        tuple(problems),
    )


def opinion_of(facts: Facts) -> tuple[Opinion, int]:
    """The opinion with its reasons, and the place of its rule in `RULES`."""
    place = next(i for i, rule in enumerate(RULES) if rule.holds(facts))
    word, when = RULES[place].word, RULES[place].when
    heavy = [str(f) for f in (*facts.material, *facts.faults)]
    comments = [
        *_harms(facts.harmful),
        *map(str, facts.undecided),
        *(f"not measured: {name}" for name in facts.missing),
        *facts.problems,
    ]
    why = f"{when[0].upper()}{when[1:]}."
    if word == NONE:
        count = (
            f"{facts.open_tests} of {facts.tests} declared tests are undecided."
            if facts.tests
            else ""
        )
        return Opinion(word, tuple(filter(None, (why, count, *heavy, *comments)))), place
    if word == POSITIVE:
        return (
            Opinion(
                word,
                (
                    (
                        "No declared test found a difference beyond its margin, and none was left"
                        " undecided."
                    ),
                ),
            ),
            place,
        )
    return Opinion(word, (*heavy, *comments)), place


def _harms(findings: Sequence[Finding]) -> list[str]:
    return [f"{f}; worse off: {f.bearer}" for f in findings]
