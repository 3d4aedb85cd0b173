"""Prompts that name an attribute of the user, and rewordings that name none: the two sides of a
counterfactual audit.

The same slot is filled in both, so that an attribute is compared with a change of the wording of
equal size and no meaning.
"""

from __future__ import annotations

from tutorial_lib.language.prompts import Template, as_words

SENTENCE = "{who} enjoyed these {{plural}}, one after another: {{history}}; and then"
NEUTRAL = "Someone"
PARAPHRASES = ("Somebody", "A person", "One user", "A customer", "One visitor", "A member")
ATTRIBUTES = {"gender": ("A woman", "A man"), "age": ("A young person", "An old person")}


def about(who: str) -> Template:
    """The kit's first sequential template, told of ``who``; `NEUTRAL` gives that template itself.

    >>> about("A woman").source
    'A woman enjoyed these {plural}, one after another: {history}; and then'
    """
    return Template("sequential", SENTENCE.format(who=as_words(who)), "{item}")
