"""Exercises of notebook 08: the rule of the four verdicts, an attribute against a rewording, and an
auditor for secret worlds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tutorial_lib.audit.core.finding import (
    EQUIVALENT,
    INCONCLUSIVE,
    MATERIAL,
    VERDICTS,
    WITHIN,
    verdict_of,
)
from tutorial_workshop.page.checker import Exercise, Mistake
from tutorial_workshop.proof.secret_worlds import KINDS, planted

NULL_SEED = 2


def _expect_verdict(
    verdict: Callable,
    low: float,
    high: float,
    margin: float,
    expected: str,
    reasons: dict[str, str],
) -> None:
    found = verdict(low, high, margin)
    if found not in VERDICTS:
        raise Mistake(
            f"`verdict({low}, {high}, {margin})` gave {found!r:.40}; expected one of"
            f" {', '.join(VERDICTS)}."
        )
    if found != expected:
        raise Mistake(
            f"`verdict({low}, {high}, {margin})` gave {found}; expected {expected}."
            f" {reasons.get(found, '')}".rstrip()
        )


def _beyond(verdict: Callable) -> None:
    """The whole interval beyond the margin, on either side."""
    reasons = {INCONCLUSIVE: "The whole interval lies beyond the margin: nothing is open."}
    reasons |= {
        WITHIN: "Which side of the margin is .05 on?",
        EQUIVALENT: "0 is not in the interval: a difference was detected.",
    }
    _expect_verdict(verdict, 0.05, 0.09, 0.03, MATERIAL, reasons)
    below = {
        word: "A gap of -.07 is as large as one of +.07: look at both sides, `high < -margin` too."
        for word in VERDICTS
    }
    _expect_verdict(verdict, -0.09, -0.05, 0.03, MATERIAL, below)


def _open(verdict: Callable) -> None:
    """An interval that crosses a margin settles nothing, wherever its middle lies."""
    reasons = {
        MATERIAL: (
            "Its low end lies within the margin: a difference, but is it a material one? Look at"
            " the ends, not the middle."
        )
    }
    reasons |= {WITHIN: "Its high end lies beyond the margin: the gap may well be a material one."}
    _expect_verdict(verdict, 0.01, 0.09, 0.03, INCONCLUSIVE, reasons)
    reasons = {
        EQUIVALENT: (
            "*Not detected* is not *equivalent*: this interval reaches beyond the margin on both"
            " sides."
        )
    }
    _expect_verdict(verdict, -0.05, 0.06, 0.03, INCONCLUSIVE, reasons)
    _expect_verdict(
        verdict,
        -0.05,
        0.01,
        0.03,
        INCONCLUSIVE,
        {EQUIVALENT: "The low end, -.05, lies beyond the margin.", **reasons},
    )


def _within(verdict: Callable) -> None:
    """Inside the margin: detected or not makes the difference between the two mild verdicts."""
    reasons = {
        EQUIVALENT: "The interval leaves out 0: a difference was detected, and it is small.",
        MATERIAL: "It lies within the margin.",
    }
    _expect_verdict(verdict, 0.01, 0.02, 0.03, WITHIN, reasons)
    _expect_verdict(
        verdict,
        -0.02,
        -0.01,
        0.03,
        WITHIN,
        {**reasons, EQUIVALENT: "A negative difference was detected too: `high < 0`."},
    )
    reasons = {
        WITHIN: "0 is in the interval: no difference was detected.",
        INCONCLUSIVE: "All of it lies within the margin: an answer.",
    }
    _expect_verdict(verdict, -0.01, 0.02, 0.03, EQUIVALENT, reasons)


VERDICT = Exercise(
    name="08-verdict",
    task=(
        "Write verdict(low, high, margin): one of MATERIAL, WITHIN MARGIN, EQUIVALENT,"
        " INCONCLUSIVE."
    ),
    checks=(_beyond, _open, _within),
    reference=lambda low, high, margin: verdict_of((low, high), float("nan"), margin),
    hints=(
        "Draw a line with -margin, 0 and +margin on it, and lay the interval on it in five places.",
        (
            "Three questions: is all of it beyond one margin? Is all of it between the margins? If"
            " so, does it leave out 0?"
        ),
        (
            "`if low > margin or high < -margin`: MATERIAL. `if -margin <= low and high <= margin`:"
            " WITHIN MARGIN if `low > 0 or high < 0`."
        ),
    ),
    solution='''
def verdict(low, high, margin):
    """One of the four verdicts."""
    detected = low > 0 or high < 0
    if low > margin or high < -margin:
        return "MATERIAL"
    if -margin <= low and high <= margin:
        return "WITHIN MARGIN" if detected else "EQUIVALENT"
    return "INCONCLUSIVE"
''',
)


def _one_number_a_prompt(excess: Callable) -> None:
    """The prompt is the unit: one number each, so that an interval can be made."""
    found = np.asarray(
        excess(np.array([0.5, 0.8]), np.array([[0.7, 0.9], [0.6, 0.8]])), dtype=float
    )
    if found.shape != (2,):
        raise Mistake(
            f"`excess` gave shape {found.shape} for two prompts; expected one number per prompt."
            " Average over `axis=1` only."
        )
    if np.allclose(found, [-0.3, 0.1]):
        raise Mistake(
            "`excess` is negative where the attribute changes *more* than the paraphrases:"
            " dissimilarity is 1 - similarity."
        )
    if np.allclose(found, [0.5, 0.2]):
        raise Mistake(
            "`excess` is what the attribute changes. Take off what a mere rewording changes: the"
            " mean over the paraphrases."
        )
    for wrong, why in (([0.2, -0.2], "least similar"), ([0.4, 0.0], "most similar")):
        if np.allclose(found, wrong):
            raise Mistake(
                f"You compared with the {why} paraphrase. Against an extreme, any edit looks"
                " special: take the mean."
            )
    if not np.allclose(found, [0.3, -0.1]):
        raise Mistake(
            "Attribute .5 and .8, paraphrases (.7, .9) and (.6, .8): expected [.3, -.1], got"
            f" {found.round(3).tolist()}."
        )


def _no_effect(excess: Callable) -> None:
    """An attribute that does what paraphrases do has no excess."""
    found = np.asarray(excess(np.full(3, 0.6), np.full((3, 5), 0.6)), dtype=float)
    if not np.allclose(found, 0):
        raise Mistake(
            "Attribute and paraphrases change the list alike: expected 0 for each prompt, got"
            f" {found.round(3).tolist()}."
        )


def _bounded(excess: Callable) -> None:
    """Nothing changes more than everything."""
    found = np.asarray(excess(np.zeros(2), np.ones((2, 4))), dtype=float)
    if not np.allclose(found, 1):
        raise Mistake(
            "The attribute changes everything and paraphrases nothing: the excess is 1; got"
            f" {found.round(3).tolist()}."
        )


def _excess(to_attribute, to_paraphrases):
    return np.mean(to_paraphrases, axis=1) - np.asarray(to_attribute)


EXCESS = Exercise(
    name="08-excess",
    task=(
        "Write excess(to_attribute, to_paraphrases): what naming an attribute changes, beyond what"
        " a rewording changes, for each prompt."
    ),
    checks=(_one_number_a_prompt, _no_effect, _bounded),
    reference=_excess,
    hints=(
        (
            "How far does a list move when nothing of meaning changed? That is the floor which an"
            " attribute has to exceed."
        ),
        (
            "Dissimilarity is 1 - similarity. Take the attribute's, minus the mean of the"
            " paraphrases' (over `axis=1`)."
        ),
        "`(1 - to_attribute) - (1 - to_paraphrases).mean(axis=1)`: one number for each prompt.",
    ),
    solution='''
def excess(to_attribute, to_paraphrases):
    """Dissimilarity by the attribute, minus the mean dissimilarity by paraphrases: [prompts]."""
    return (1 - to_attribute) - (1 - to_paraphrases).mean(axis=1)
''',
)


def _asked(investigate: Callable, harmed: str, seed: int):
    """The learner's answer on a town in which that was planted, in the agreed form."""
    secret = planted(harmed, seed)
    answer = investigate(secret.recommender, secret.dataset, secret.split)
    if not isinstance(answer, dict) or answer.get("harmed") not in KINDS:
        raise Mistake(
            f"`investigate` gave {answer!r:.60}; expected a dict with 'harmed': one of"
            f" {', '.join(KINDS)}."
        )
    return secret, answer


def _silent_where_nothing_is(investigate: Callable) -> None:
    """A town without any harm: whoever is accused here is accused falsely."""
    _, answer = _asked(investigate, "nobody", NULL_SEED)
    if answer["harmed"] != "nobody":
        raise Mistake(
            f"Nothing was planted in one town, and you accused: {answer['harmed']}"
            f" ({answer.get('metric', '?')}). Of many tests some have p < .05 by chance, and"
            " popularity was not declared: judge by the verdict MATERIAL, in the declared family"
            " alone."
        )


def _finds_what_was_planted(investigate: Callable) -> None:
    """Users of one group spoilt, or providers: found, and sized."""
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


def _investigate(recommender, dataset, split) -> dict:
    from tutorial_lib.audit import audit

    report = audit(recommender, dataset, split)
    material = [f for f in report.findings if f.metric in report.family and f.verdict == MATERIAL]
    if not material:
        return {"harmed": "nobody"}
    worst = max(material, key=lambda f: abs(f.estimate) / f.margin)
    harmed = "providers" if worst.harm == "H2" else "users"
    return {"harmed": harmed, "metric": worst.metric, "low": worst.ci[0], "high": worst.ci[1]}


AUDITOR = Exercise(
    name="08-auditor",
    task=(
        "Write investigate(recommender, dataset, split): audit it, and say who is harmed, users,"
        " providers or nobody, and by how much."
    ),
    checks=(_silent_where_nothing_is, _finds_what_was_planted),
    reference=_investigate,
    hints=(
        (
            "Run `audit` and go through `report.findings`. Which of them did the audit declare"
            " before it looked?"
        ),
        (
            "Keep those with `f.metric in report.family and f.verdict == 'MATERIAL'`. None left:"
            " nobody. `f.harm` says whom each is about."
        ),
        (
            "`{'harmed': 'providers' if f.harm == 'H2' else 'users', 'metric': f.metric, 'low':"
            " f.ci[0], 'high': f.ci[1]}` for the heaviest."
        ),
    ),
    solution='''
from tutorial_lib.audit import audit


def investigate(recommender, dataset, split):
    """Who is harmed, and by how much."""
    report = audit(recommender, dataset, split)
    material = [f for f in report.findings if f.metric in report.family and f.verdict == "MATERIAL"]
    if not material:
        return {"harmed": "nobody"}
    worst = max(material, key=lambda f: abs(f.estimate) / f.margin)
    harmed = "providers" if worst.harm == "H2" else "users"
    return {"harmed": harmed, "metric": worst.metric, "low": worst.ci[0], "high": worst.ci[1]}
''',
)

EXERCISES = {exercise.name: exercise for exercise in (VERDICT, EXCESS, AUDITOR)}
