"""Prompts that name an attribute of the user, and rewordings that name none: the two sides of a
counterfactual audit. Both fill the same gap, so that an attribute is compared with a change of the
wording that is as large and means nothing.
"""

from __future__ import annotations

from tutorial_lib.language.prompts import SEQUENTIAL, Template, as_words

NEUTRAL = "Someone"
PARAPHRASES = ("Somebody", "A person", "One user", "A customer", "One visitor", "A member")
ATTRIBUTES = {"gender": ("A woman", "A man"), "age": ("A young person", "An old person")}


def about(who: str) -> Template:
    """The kit's first sequential template, told of ``who`` in place of `NEUTRAL`.

    >>> about("A woman").source
    'A woman enjoyed these {plural}, one after another: {history}; and then'
    """
    first = SEQUENTIAL[0]
    source = as_words(who) + first.source.removeprefix(NEUTRAL)
    return Template(first.family, source, first.target)
