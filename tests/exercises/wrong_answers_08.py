"""Answers that learners give to the exercises of notebook 08, and a piece of the message that each
must get.
"""

from __future__ import annotations

from tutorial_lib.audit import audit


def one_side(low, high, margin):
    if low > margin:
        return "MATERIAL"
    if -margin <= low and high <= margin:
        return "WITHIN MARGIN" if low > 0 or high < 0 else "EQUIVALENT"
    return "INCONCLUSIVE"


def by_the_middle(low, high, margin):
    if (low > 0 or high < 0) and abs(low + high) / 2 > margin:
        return "MATERIAL"
    if low > 0 or high < 0:
        return "WITHIN MARGIN"
    return "EQUIVALENT" if -margin <= low and high <= margin else "INCONCLUSIVE"


def not_detected_is_equivalent(low, high, margin):
    if low > margin or high < -margin:
        return "MATERIAL"
    if low > 0 or high < 0:
        return "WITHIN MARGIN" if -margin <= low and high <= margin else "INCONCLUSIVE"
    return "EQUIVALENT"


def without_detection(low, high, margin):
    if low > margin or high < -margin:
        return "MATERIAL"
    return "EQUIVALENT" if -margin <= low and high <= margin else "INCONCLUSIVE"


def says_fair(low, high, margin):
    return "MATERIAL" if low > margin or high < -margin else "FAIR"


def detected_only_above(low, high, margin):
    if low > margin or high < -margin:
        return "MATERIAL"
    if -margin <= low and high <= margin:
        return "WITHIN MARGIN" if low > 0 else "EQUIVALENT"
    return "INCONCLUSIVE"


def similarity_gap(to_attribute, to_paraphrases):
    return to_attribute - to_paraphrases.mean(axis=1)


def without_floor(to_attribute, to_paraphrases):
    return 1 - to_attribute


def over_everything(to_attribute, to_paraphrases):
    return (1 - to_attribute).mean() - (1 - to_paraphrases).mean()


def against_the_closest(to_attribute, to_paraphrases):
    return to_paraphrases.max(axis=1) - to_attribute


def against_the_farthest(to_attribute, to_paraphrases):
    return to_paraphrases.min(axis=1) - to_attribute


def mean_of_all_paraphrases(to_attribute, to_paraphrases):
    return (1 - to_attribute) - (1 - to_paraphrases).mean()


def answer_of(finding):
    harmed = "providers" if finding.harm == "H2" else "users"
    return {"harmed": harmed, "metric": finding.metric, "low": finding.ci[0], "high": finding.ci[1]}


def any_small_p(recommender, dataset, split):
    found = [f for f in audit(recommender, dataset, split).findings if f.p < 0.05]
    return answer_of(min(found, key=lambda f: f.p)) if found else {"harmed": "nobody"}


def any_material(recommender, dataset, split):
    found = [f for f in audit(recommender, dataset, split).findings if f.verdict == "MATERIAL"]
    return answer_of(max(found, key=lambda f: abs(f.estimate))) if found else {"harmed": "nobody"}


def never_accuses(recommender, dataset, split):
    return {"harmed": "nobody"}


def only_users(recommender, dataset, split):
    report = audit(recommender, dataset, split)
    found = [f for f in report.findings if f.metric in report.family and f.verdict == "MATERIAL"]
    return {**answer_of(found[0]), "harmed": "users"} if found else {"harmed": "nobody"}


def without_sign(recommender, dataset, split):
    report = audit(recommender, dataset, split)
    found = [f for f in report.findings if f.metric in report.family and f.verdict == "MATERIAL"]
    if not found:
        return {"harmed": "nobody"}
    return {**answer_of(found[0]), "low": -found[0].ci[1], "high": -found[0].ci[0]}


def very_wide(recommender, dataset, split):
    report = audit(recommender, dataset, split)
    found = [f for f in report.findings if f.metric in report.family and f.verdict == "MATERIAL"]
    return {**answer_of(found[0]), "low": -1.0, "high": 1.0} if found else {"harmed": "nobody"}


def a_sentence(recommender, dataset, split):
    return "users"


WRONG_ANSWERS = {
    "08-verdict": [
        (one_side, "look at both sides"),
        (by_the_middle, "Look at the ends, not the middle"),
        (not_detected_is_equivalent, "*Not detected* is not *equivalent*"),
        (without_detection, "a difference was detected, and it is small"),
        (says_fair, "Give back one of MATERIAL"),
        (detected_only_above, "A negative difference was detected too"),
    ],
    "08-excess": [
        (similarity_gap, "dissimilarity is 1 - similarity"),
        (without_floor, "Take off what a mere rewording changes"),
        (over_everything, "one number per prompt"),
        (against_the_closest, "most similar"),
        (against_the_farthest, "least similar"),
        (mean_of_all_paraphrases, "worked out by hand it is [0.3, -0.1]"),
    ],
    "08-auditor": [
        (any_small_p, "in the declared family alone"),
        (any_material, "in the declared family alone"),
        (never_accuses, "you saw nothing"),
        (only_users, "Read `finding.harm`"),
        (without_sign, "signs kept"),
        (very_wide, "says next to nothing"),
        (a_sentence, "expected a dict"),
    ],
}
