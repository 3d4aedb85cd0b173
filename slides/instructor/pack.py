"""The instructor's pack: ``python slides/instructor/pack.py`` writes the pages with expected
outputs, both tests and their key; with ``--score answers.csv`` it scores a test, here and nowhere
else.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from tutorial_lib.data.shipped import shipped, write_whole
from tutorial_lib.errors import InputError, unknown_name

HERE = Path(__file__).resolve().parent
SHORT = HERE.parents[1] / "notebooks" / "half_day"
LETTERS = "ABCD"
FORMS = ("pre", "post")


def read(name: str) -> list[dict]:
    """One of the pack's YAML files."""
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def choices(form: str, number: int) -> tuple[list[str], str]:
    """The four choices of a question (from 1) in the printed order, and the letter of the key."""
    question = read("tests.yaml")[number - 1][form]
    listed = [question["right"], *question["wrong"]]
    random.Random(f"{form} {number}").shuffle(listed)
    return listed, LETTERS[listed.index(question["right"])]


def key(form: str) -> dict[str, str]:
    """Question (q1, q2, ...) -> letter of the right choice."""
    if form not in FORMS:
        raise unknown_name("form of the test", form, FORMS)
    return {f"q{n}": choices(form, n)[1] for n in range(1, len(read("tests.yaml")) + 1)}


def test_page(form: str) -> str:
    """The printable test: twelve questions, no key."""
    title = {"pre": "Before the workshop", "post": "After the workshop"}[form]
    lines = [f"# {title}", "", "Twelve questions, ten minutes. One answer each; guess if you must."]
    for number, item in enumerate(read("tests.yaml"), 1):
        listed, _ = choices(form, number)
        lines += ["", f"**{number}.** {item[form]['ask']}", ""]
        lines += [f"- {letter}) {text}" for letter, text in zip(LETTERS, listed, strict=True)]
    return "\n".join(lines) + "\n"


def key_page() -> str:
    """Both keys, and the belief that each wrong choice shows."""
    lines = [
        "# Key",
        "",
        "For the instructor. The two forms ask about the same topic in the same place.",
    ]
    lines += [
        "",
        "| question | topic | pre | post | what wrong answers show |",
        "|---|---|---|---|---|",
    ]
    keys = {form: key(form) for form in FORMS}
    for number, item in enumerate(read("tests.yaml"), 1):
        pre, post = (keys[form][f"q{number}"] for form in FORMS)
        beliefs = "; ".join(item["beliefs"])
        lines.append(f"| {number} | {item['topic']} | {pre} | {post} | {beliefs} |")
    return "\n".join(lines) + "\n"


def expected(name: str, goldens: Mapping) -> str:
    """A recorded value with its spread over seeds, as a learner sees it in the notebook."""
    if name not in goldens:
        raise unknown_name("expected output", name, goldens)
    found = goldens[name].get("world-movies/quick") or next(iter(goldens[name].values()))
    spread = f" ± {found['sd']:.3f}" if found["sd"] else ""
    return f"{found['mean']:.3f}{spread} over {found['n']} seeds; trivial {found['trivial']:.3f}"


def notebooks_page() -> str:
    """Every notebook: goal, prior knowledge, misconceptions, cuts, prompts, expected outputs."""
    goldens = json.loads(shipped("results/goldens.json").read_text(encoding="utf-8"))
    lines = [
        "# Notebook by notebook",
        "",
        "Written by `make slides` from `notebooks.yaml`; expected",
    ]
    lines[-1] += " outputs come from `data/results/goldens.json` (quick profile, films)."
    for one in read("notebooks.yaml"):
        lines += ["", f"## {one['notebook']} {one['title']}", "", f"**Goal.** {one['goal']}"]
        lines += [
            "",
            f"**They need.** {one['needs']}",
            "",
            "**Misconceptions, and what to say**",
            "",
        ]
        lines += [f"- *“{belief}”* {answer}" for belief, answer in one["misconceptions"].items()]
        lines += ["", f"**Cut here.** {one['cut']}", "", "**To discuss**", ""]
        lines += [f"- {prompt}" for prompt in one["discuss"]]
        lines += ["", "**They should see**", ""]
        lines += [
            f"- {what}: {expected(name, goldens)} (`{name}`)"
            for name, what in one["expect"].items()
        ]
    return "\n".join(lines) + "\n"


def questions_page() -> str:
    """The five questions of the workshop, each with where it is answered and a number to quote."""
    numbers = json.loads((HERE.parent / "numbers.json").read_text(encoding="utf-8"))
    lines = [
        "# Five questions",
        "",
        "Whoever has followed the half-day path can answer these, with numbers. If not, that part",
        "failed: open it again. The same stands in figures in decks 2, 3 and 4, and deck 6 asks for"
        " all five.",
        "",
        "| question | answer in a sentence | half-day part, section | long notebook | to quote |",
        "|---|---|---|---|---|",
    ]
    for one in read("five_questions.yaml"):
        (path,) = SHORT.glob(f"{one['part']}_*.ipynb")
        where = f"[{one['part']}](../../notebooks/half_day/{path.name}), {one['section']}"
        quote = one["quote"].format(**numbers[one["deck"]])
        cells = (one["question"], one["answer"], where, one["long"], quote)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name -> text of every page that this module writes."""
    found = {f"{form}_test.md": test_page(form) for form in FORMS}
    found |= {"key.md": key_page(), "notebooks.md": notebooks_page()}
    return found | {"five_questions.md": questions_page()}


def score(answers: pd.DataFrame, form: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Item statistics and points per person.

    Args:
        answers: one row per person, columns person and q1, q2, ...; letters A to D, empty where
            nothing was answered (counts as wrong).
        form: "pre" or "post".

    Returns:
        Items: difficulty (share of right answers), discrimination (correlation of the item with the
        points on the other items; missing where everybody answered alike), counts of A to D and of
        no answer. Persons: points.

    Raises:
        InputError: a column is missing, a person stands twice, or an answer is no letter A to D.
    """
    right = key(form)
    missing = [name for name in ("person", *right) if name not in answers]
    if missing:
        raise InputError(
            f"answers: column {missing[0]} is missing; expected person, q1 ... q{len(right)}"
        )
    if answers["person"].duplicated().any():
        twice = answers["person"][answers["person"].duplicated()].iloc[0]
        raise InputError(f"answers: {twice} stands twice; keep one row per person")
    given = answers[list(right)].fillna("").astype(str).apply(lambda of: of.str.strip().str.upper())
    wrong = given[~given.isin([*LETTERS, ""])].stack().dropna()
    if len(wrong):
        raise InputError(f"answers: {wrong.iloc[0]!r} in {wrong.index[0][1]} is none of A, B, C, D")
    hit = (given == pd.Series(right)).astype(int)
    rows = []
    for name in right:
        rest = hit.drop(columns=name).sum(axis=1)
        told_apart = (
            hit[name].corr(rest) if hit[name].nunique() > 1 and rest.nunique() > 1 else None
        )
        counts = [int((given[name] == letter).sum()) for letter in (*LETTERS, "")]
        rows.append((name, right[name], hit[name].mean(), told_apart, *counts))
    columns = ["item", "key", "difficulty", "discrimination", *LETTERS, "none"]
    points = pd.DataFrame({"person": answers["person"], "points": hit.sum(axis=1)})
    return pd.DataFrame(rows, columns=columns).set_index("item"), points.set_index("person")


def main(arguments: list[str] | None = None) -> int:
    """0: done; 1: ``--check`` found a page that is older than its sources; 2: bad input."""
    parser = argparse.ArgumentParser(description="Write the instructor's pack, or score a test.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a page is stale")
    parser.add_argument("--score", metavar="CSV", help="answers, columns person, q1 ... q12")
    parser.add_argument("--form", default="post", help="which test was answered: pre or post")
    args = parser.parse_args(arguments)
    try:
        if args.score:
            return _score(Path(args.score), args.form)
        stale = [name for name, text in pages().items() if not _same(HERE / name, text)]
    except InputError as error:
        print(f"pack: {error}", file=sys.stderr)
        return 2
    for name in stale:
        if not args.check:
            write_whole(HERE / name, pages()[name].encode())
        print(f"{'stale' if args.check else 'written'}: {name}")
    return int(args.check and bool(stale))


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _score(path: Path, form: str) -> int:
    if not path.is_file():
        raise InputError(f"{path} is no file; give a csv with the columns person, q1 ... q12")
    items, points = score(pd.read_csv(path, dtype=str), form)
    items.round(3).to_csv(path.with_name(f"{path.stem}-items.csv"))
    points.to_csv(path.with_name(f"{path.stem}-points.csv"))
    print(items.round(2).to_string())
    print(f"\n{len(points)} persons, mean {points['points'].mean():.1f} of {len(items)} points")
    return 0


if __name__ == "__main__":
    sys.exit(main())
