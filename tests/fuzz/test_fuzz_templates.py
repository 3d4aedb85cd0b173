"""Any text as a template: refused with the kit's own error when it is made, or good for everything
that takes a template.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from fuzzing import NASTY, SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib.errors import InputError
from tutorial_lib.language.attributes import about
from tutorial_lib.language.prompts import GAPS, Template, as_words
from tutorial_lib.language.verbalise import Verbaliser
from tutorial_lib.models import load_language_model
from tutorial_lib.strategies.adapted import Adapted
from tutorial_lib.strategies.prompting import few_shot, zero_shot
from tutorial_lib.strategies.soft_prompts import _rest, opening_ids
from tutorial_lib.strategies.task import Task

WORDS = Verbaliser(("Dark Comet", "Sunny {Reef}", "Quiet }Owl{"), "film", "films")
BRACES = [
    "{",
    "}",
    "{{",
    "}}",
    "{}",
    "{0}",
    "{-1}",
    "{{}}",
    "{ ",
    " }",
    "{{{",
    "}}}",
    "{:",
    "!}",
    "{!r}",
    "{[0]}",
    "{.x}",
    "{{{{",
]
BEHIND = [
    "",
    ":",
    ":d",
    ":>9",
    ":{item}",
    ":{",
    "!",
    "!r",
    "!s",
    "!z",
    "!r:d",
    "[0]",
    "[item]",
    "[",
    "]",
    ".x",
    ".__class__",
    "..",
    " ",
]
NAMES = [*GAPS, "itm", "History", "ITEM", "item item", "items", "self", "0", "²", "é"]
GAP = st.builds(
    lambda name, behind: f"{{{name}{behind}}}", st.sampled_from(NAMES), st.sampled_from(BEHIND)
)
GOOD = st.sampled_from([f"{{{name}}}" for name in GAPS])
PIECE = st.one_of(
    GOOD,
    GOOD,
    GAP,
    st.sampled_from([*BRACES, *NASTY, "After ", "; then", "\ud800", "\udfff", "\n"]),
    st.text(max_size=5),
)
TEXTS = st.one_of(st.lists(PIECE, max_size=6).map("".join), st.text(max_size=30))
ANY = st.one_of(
    TEXTS, TEXTS, TEXTS, st.sampled_from([None, 0, 1.5, b"{item}", ["{item}"], ("{item}",), True])
)


@cache
def lm():
    return load_language_model("kit-gpt")


def made(source, target) -> Template | None:
    """The template, or None where it was refused in one line."""
    try:
        return Template("sequential", source, target)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return None


@SETTINGS
@given(ANY, ANY)
def test_a_template_that_was_accepted_can_be_filled(source, target):
    template = made(source, target)
    if template is None:
        return
    assert template.gaps <= set(GAPS)
    values = {
        gap: value
        for gap, value in zip(
            GAPS, ("a", "{b}", "{", "}}", "{item:d}", "", "é", "1", "{0}", "!", "%s"), strict=True
        )
    }
    filled = template.fill(**values)
    assert all(isinstance(text, str) for text in filled)
    if template.gaps:
        with pytest.raises(InputError):
            template.fill()
    again = template.around("history")
    if again is not None:
        before, after = (Template("x", part, "").fill(**values)[0] for part in again)
        assert before + values["history"] + after == filled[0]


@SETTINGS
@given(TEXTS)
def test_any_words_can_be_said_in_a_template(text):
    try:
        template = Template("x", as_words(text) + "{item}", "")
        person = about(text)
    except InputError:
        assert any("\ud800" <= letter <= "\udfff" for letter in text)
        return
    assert template.fill(item="A")[0] == text + "A"
    assert person.fill(history="A", plural="films", item="B")[0].startswith(
        f"{text} enjoyed these films"
    )


@pytest.mark.full
@SETTINGS
@given(TEXTS, TEXTS)
def test_a_model_can_be_asked_with_every_template_that_was_accepted(source, target):
    """Scores, examples in the context, and the words that a soft prompt starts from: refused before
    anything is tuned, or done.
    """
    template = made(source, target)
    if template is None:
        return
    asked = [zero_shot(Task(lm(), WORDS, [], 3, 0), template)]
    assert isinstance(asked[0], Adapted)
    for attempt in (
        lambda: few_shot(Task(lm(), WORDS, [np.array([0, 1, 2])], 3, 0), template, examples=1),
        lambda: soft(template),
    ):
        try:
            asked.append(attempt())
        except InputError as error:
            assert len(str(error).splitlines()) == 1
    for recommender in asked:
        scores = recommender.score([[0, 1], []])
        assert scores.shape == (2, 3) and np.isfinite(scores).all()


def soft(template: Template) -> Adapted:
    """What is left for the model to read behind a soft prompt."""
    assert opening_ids(lm(), template, WORDS.noun, WORDS.plural)
    return Adapted(lm(), WORDS, 3, _rest(template))
