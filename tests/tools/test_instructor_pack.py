"""The instructor's pack: pages as their sources say, two parallel tests, and a score that tells
right answers from each wrong one.
"""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from tutorial_lib.errors import InputError

PACK = Path(__file__).resolve().parents[2] / "slides" / "instructor"
spec = importlib.util.spec_from_file_location("instructor_pack", PACK / "pack.py")
pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

ITEMS = pack.read("tests.yaml")
NAMES = [f"q{number}" for number in range(1, len(ITEMS) + 1)]
# Four people's answers to four questions, right (r) and wrong (w) choices; the rest of
# the questions everybody got right. Ann and Bo know more than Cy and Di.
RECORDED = {"ann": "rrrr", "bo": "rrrw", "cy": "rwwr", "di": "wwww"}


def answers(form="post"):
    """`RECORDED` as the csv has it."""
    right = pack.key(form)
    rows = []
    for person, pattern in RECORDED.items():
        row = {"person": person} | right
        for name, said in zip(NAMES, pattern):
            if said == "w":
                row[name] = next(letter for letter in pack.LETTERS if letter != right[name])
        rows.append(row)
    return pd.DataFrame(rows)


def test_pages_are_made_from_their_sources():
    """Fails when a question, a note or a recorded value changed and the pages were not written."""
    stale = [name for name, text in pack.pages().items() if (PACK / name).read_text() != text]
    assert stale == [], "run: python slides/instructor/pack.py"


def test_two_forms_of_twelve_questions():
    assert len(ITEMS) == 12
    for item in ITEMS:
        assert len(item["beliefs"]) == 3
        for form in pack.FORMS:
            question = item[form]
            choices = [question["right"], *question["wrong"]]
            assert len(set(choices)) == 4, question["ask"]
            longest = max(choices, key=len)
            # the right answer must not be told by its length
            assert len(longest) - min(map(len, choices)) < 22, question["ask"]
    asked = [item[form]["ask"] for item in ITEMS for form in pack.FORMS]
    assert len(set(asked)) == 24


@pytest.mark.parametrize("form", pack.FORMS)
def test_the_key_is_no_pattern(form):
    """Every letter is used, and none of them for half of the questions."""
    letters = list(pack.key(form).values())
    assert set(letters) == set(pack.LETTERS)
    assert max(map(letters.count, pack.LETTERS)) < len(letters) / 2


@pytest.mark.parametrize("form", pack.FORMS)
def test_each_item_tells_right_from_wrong(form):
    """All right: twelve points. Each wrong choice of each question costs exactly its own point."""
    right = pack.key(form)
    rows = [{"person": "right"} | right]
    for name, letter in right.items():
        for other in set(pack.LETTERS) - {letter}:
            rows.append({"person": f"{name} {other}"} | right | {name: other})
    items, points = pack.score(pd.DataFrame(rows), form)
    assert points.loc["right", "points"] == 12
    assert (points.drop("right")["points"] == 11).all()
    assert (items["difficulty"] == (len(rows) - 3) / len(rows)).all()
    for name, letter in right.items():
        counts = items.loc[name, list(pack.LETTERS)]
        assert counts[letter] == len(rows) - 3 and (counts.drop(letter) == 1).all()


def test_item_statistics_by_hand():
    items, points = pack.score(answers(), "post")
    assert points["points"].tolist() == [12, 11, 10, 8]
    assert items["difficulty"].tolist()[:5] == [0.75, 0.5, 0.5, 0.5, 1.0]
    # q2: right, right, wrong, wrong; points on the others 11, 10, 10, 8
    by_hand = pd.Series([1, 1, 0, 0]).corr(pd.Series([11, 10, 10, 8]))
    assert items.loc["q2", "discrimination"] == pytest.approx(by_hand)
    assert pd.isna(items.loc["q5", "discrimination"])  # everybody answered alike
    # whoever takes the item into its own rest gets another, larger number
    assert items.loc["q2", "discrimination"] < pd.Series([1, 1, 0, 0]).corr(
        pd.Series([12, 11, 10, 8])
    )


def test_nothing_answered_is_wrong_and_counted():
    given = answers()
    given.loc[0, "q1"] = None
    items, points = pack.score(given, "post")
    assert points.loc["ann", "points"] == 11 and items.loc["q1", "none"] == 1


@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda a: a.drop(columns="q7"), "column q7 is missing"),
        (lambda a: pd.concat([a, a.head(1)]), "ann stands twice"),
        (lambda a: a.assign(q3="E"), "'E' in q3 is none of A, B, C, D"),
    ],
)
def test_bad_answers_are_refused_in_one_line(spoil, says):
    with pytest.raises(InputError, match=says):
        pack.score(spoil(answers()), "post")


def test_scored_from_a_file(tmp_path, capsys):
    path = tmp_path / "answers.csv"
    answers().to_csv(path, index=False)
    assert pack.main(["--score", str(path)]) == 0
    assert "4 persons, mean 10.2 of 12 points" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "answers-items.csv", index_col="item")
    assert written.loc["q1", "difficulty"] == 0.75
    points = pd.read_csv(tmp_path / "answers-points.csv", index_col="person")
    assert points["points"].tolist() == [12, 11, 10, 8]
    assert pack.main(["--score", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_notebook_has_everything_that_who_teaches_needs():
    """A notebook without misconceptions or expected outputs is taught blind."""
    known = {one["notebook"]: one for one in pack.read("notebooks.yaml")}
    assert sorted(known) == sorted(
        p.stem[:2] for p in (PACK.parents[1] / "notebooks").glob("*.ipynb")
    )
    for number, one in known.items():
        assert all(one[part] for part in ("goal", "needs", "cut", "expect")), number
        assert len(one["misconceptions"]) >= 2 and len(one["discuss"]) >= 2, number


def test_the_five_questions_name_sections_that_are_there():
    """A section that was renamed would send a reader nowhere."""
    asked = pack.read("five_questions.yaml")
    assert len(asked) == 5
    for one in asked:
        (path,) = pack.SHORT.glob(f"{one['part']}_*.ipynb")
        assert f'"## {one["section"]}' in path.read_text(encoding="utf-8"), one["question"]


def test_every_golden_of_the_page_is_recorded():
    with pytest.raises(InputError, match="did you mean '02.chain.loss'"):
        pack.expected("02.chain.los", {"02.chain.loss": {}})
