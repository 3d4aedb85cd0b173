"""Checks of notebook 08: an auditor for secret worlds."""

from __future__ import annotations

from collections.abc import Callable

from tutorial_workshop.exercises.checks import Mistake
from tutorial_workshop.proof.secret_worlds import KINDS, world_with_harm

NULL_SEED = 2


def _asked(investigate: Callable, harmed: str, seed: int):
    """The learner's answer on a secret world with that harm, in the agreed form."""
    secret = world_with_harm(harmed, seed)
    answer = investigate(secret.recommender, secret.dataset, secret.split)
    if not isinstance(answer, dict) or answer.get("harmed") not in KINDS:
        raise Mistake(
            f"`investigate` gave {answer!r:.60}; expected a dict with 'harmed': one of"
            f" {', '.join(KINDS)}."
        )
    return secret, answer


def _silent_where_nothing_is(investigate: Callable) -> None:
    """A world without any harm: whoever is accused here is accused falsely."""
    _, answer = _asked(investigate, "nobody", NULL_SEED)
    if answer["harmed"] != "nobody":
        raise Mistake(
            f"Nobody is harmed in one of the worlds, and you accused: {answer['harmed']}"
            f" ({answer.get('metric', '?')}). Of many tests some have p < .05 by chance, and"
            " popularity was not declared: judge by the verdict MATERIAL, in the declared family"
            " alone."
        )


def _finds_what_was_planted(investigate: Callable) -> None:
    """Harm to users of one group, or to providers: found, and sized."""
    for harmed, seed in (("users", 11), ("providers", 12)):
        secret, answer = _asked(investigate, harmed, seed)
        if answer["harmed"] == "nobody":
            raise Mistake(
                f"{harmed.capitalize()} were harmed by {secret.truth:+.3f}, and you saw nothing."
                " Look at `report.findings`, family first."
            )
        if answer["harmed"] != harmed:
            raise Mistake(
                f"{harmed.capitalize()} were harmed, and you accused: {answer['harmed']}. Read"
                " `finding.harm`: H1 users, H2 providers."
            )
        low, high = (answer.get(end, float("nan")) for end in ("low", "high"))
        if not low <= secret.truth <= high:
            raise Mistake(
                f"The planted size is {secret.truth:+.3f}, not in your interval {low:+.3f} to"
                f" {high:+.3f}. Give `finding.ci`, signs kept."
            )
        if high - low > 0.08:
            raise Mistake(
                f"Your interval, {low:+.3f} to {high:+.3f}, says next to nothing. Give that of the"
                " finding, not that of the margin."
            )


CHECKS = {"08-auditor": (_silent_where_nothing_is, _finds_what_was_planted)}
