"""From items to text: titles, prompt templates, the corpus of the kit's language models and their
tokenizer.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tiny_lms
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small import make_dataset
from tutorial_recipes import corpus as language_corpus
from tutorial_recipes import pretraining
from tutorial_recipes.corpus import CATALOGUES, SHARES, SOURCES, Corpus
from tutorial_recipes.tokenizer import SPECIAL, train_tokenizer

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.language.attributes import about
from tutorial_lib.language.prompts import FAMILIES, GAPS, Template, as_words, templates
from tutorial_lib.language.verbalise import NOUNS, Verbaliser, verbaliser

DOCUMENTS = 5000
# families that tell what somebody did
ABOUT_PEOPLE = {"sequential", "like", "rating", "direct", "profile", "explanation", "summary"}


def one_line(error) -> str:
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


# --- items and histories ---


def test_a_history_is_its_newest_titles_oldest_first():
    """A model that read the oldest items, or the items backwards, would be asked about another
    taste.
    """
    words = Verbaliser(("A", "B", "C", "D"), limit=3)
    assert words.history([0, 1, 2, 3]) == "B; C; D"
    assert words.history(np.array([3, 0])) == "D; A"
    assert [words.history(some) for some in ([], [2], np.empty(0, dtype=np.int64))] == [
        "nothing yet",
        "C",
        "nothing yet",
    ]
    assert Verbaliser(("A", "B"), separator=" / ").history([0, 1, 0]) == "A / B / A"


def test_a_closing_ends_answers_and_stands_in_no_history():
    """In a history it would read as a second separator."""
    words = Verbaliser(("A", "A II"), closing=";")
    assert words.answers == ("A;", "A II;") and words.history([0, 1]) == "A; A II"
    assert Verbaliser(("A", "A II")).answers == ("A", "A II")


def test_a_title_that_holds_the_separator_would_read_as_two_items():
    with pytest.raises(
        InputError,
        match=r"the title 'Me; You' contains the separator '; '; choose another separator",
    ) as error:
        Verbaliser(("A", "Me; You"))
    one_line(error)
    with pytest.raises(InputError, match=r"limit=0\): expected a whole number from 1") as error:
        Verbaliser(("A",), limit=0)
    one_line(error)


@pytest.mark.parametrize("domain", CATALOGUES)
def test_fields_are_added_in_the_order_asked_for(domain):
    """Each field must come from the item's own row, and the noun from the domain."""
    world = tiny_lms.make_world(domain, n_users=5, n_items=12)
    plain, full = (
        verbaliser(world),
        verbaliser(world, fields=("title", "category", "mood", "provider", "text"), limit=4),
    )
    assert (
        plain.titles == tuple(world.items["title"]) and (plain.noun, plain.plural) == NOUNS[domain]
    )
    for row, text in zip(world.items.itertuples(), full.titles):
        assert text == ", ".join(
            [row.title, " ".join(row.categories), row.mood, row.provider, row.text]
        ).replace("; ", ", ")
    assert full.limit == 4 and plain.limit == 12
    assert (
        verbaliser(world, fields=("mood", "title")).titles[3]
        == f"{world.items['mood'][3]}, {world.items['title'][3]}"
    )


def test_a_dataset_of_anything_else_has_items():
    data = make_dataset([(0, item, item) for item in range(4)])
    assert (verbaliser(data).noun, verbaliser(data).plural) == ("item", "items")
    named = type(data)(
        "ml-100k",
        data.interactions,
        data.items.assign(title=["One; two", "B", "C", "D"]),
        data.users,
        data.card,
    )
    # the separator is taken out of titles
    assert verbaliser(named).noun == "movie" and verbaliser(named).titles[0] == "One, two"
    assert verbaliser(named, separator=" | ").history([0, 1]) == "One; two | B"


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"fields": ("title", "year")},
            (
                r"fields=\['title', 'year'\].*expected one or more of title, category, mood,"
                r" provider, text"
            ),
        ),
        ({"fields": ()}, r"expected one or more of title"),
        (
            {"fields": ("title", "mood")},
            r"verbaliser: tiny has no mood; its items have item_id, title",
        ),
        ({"limit": 0}, r"a whole number from 1"),
    ],
)
def test_bad_fields_are_refused_in_one_line(options, message):
    with pytest.raises(InputError, match=message) as error:
        verbaliser(make_dataset([(0, item, item) for item in range(4)]), **options)
    one_line(error)


# --- templates ---


@pytest.mark.parametrize(
    "source, target, message",
    [
        ("{history}; {titel}", "{item}", r"unknown gap in template .*'titel'.*Known: noun"),
        ("{history};", "{itm}", r"unknown gap.*'itm': did you mean 'item'"),
        ("{}", "{item}", r"unknown gap in template"),
        ("{0}", "{item}", r"unknown gap in template"),
        ("{history.title}", "{item}", r"unknown gap in template"),
        (
            "{history",
            "{item}",
            r"template '\{history': .*write a gap as \{history\}, and a brace as \{\{",
        ),
        ("history}", "{item}", r"write a gap as \{history\}"),
        ("{history};", "{item", r"template '\{item'"),
        ("{item:d}", "{item}", r"template '\{item:d\}': a gap is a name alone; write \{item\}"),
        ("{history:>10}", "{item}", "a gap is a name alone"),
        ("{history:{item}}", "{item}", "a gap is a name alone"),
        ("{history!z}", "{item}", "a gap is a name alone"),
        ("{history!r}", "{item}", "a gap is a name alone"),
        ("{history}", "{item!s:3}", "a gap is a name alone"),
        ("{history!}", "{item}", r"write a gap as \{history\}"),
        ("{history[0]}", "{item}", r"unknown gap in template"),
        ("{history.__class__}", "{item}", r"unknown gap in template"),
        ("{ history }", "{item}", r"unknown gap.*did you mean 'history'"),
        ("{history\n}", "{item}", r"unknown gap"),
        ("{{history}", "{item}", r"write a gap as \{history\}"),
        ("{history} \ud800", "{item}", "half of a character"),
        (None, "{item}", "template None: expected text, got NoneType"),
        ("{history}", 3, "template 3: expected text, got int"),
        (b"{history}", "{item}", "expected text, got bytes"),
    ],
)
def test_a_broken_template_is_refused_in_one_line(source, target, message):
    """Otherwise it breaks, or is filled with nothing, in the middle of a training."""
    with pytest.raises(InputError, match=message) as error:
        Template("sequential", source, target)
    one_line(error)


def test_a_missing_value_is_named():
    with pytest.raises(InputError, match=r"no value for item, plural") as error:
        Template("sequential", "{plural}: {history}", "{item}").fill(history="A")
    one_line(error)
    filled = Template("like", "{{{history}}} {history}?", "{answer}").fill(
        history="A; B", answer="yes", user="unused"
    )
    assert filled == ("{A; B} A; B?", "yes")


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("After {history} came", "After ", " came"),
        ("{{history}} of {history}, {history};", "{{history}} of ", ", {history};"),
        ("{{{history}}} {plural}", "{{", "}} {plural}"),
        ("{history}", "", ""),
    ],
)
def test_around_a_gap_stand_templates(source, before, after):
    """A soft prompt takes the place of the words before the history; whatever stands behind must
    stay, braces and all.
    """
    assert Template("sequential", source, "").around("history") == (before, after)
    parts = (
        Template("x", before, "").fill(plural="p")[0],
        Template("x", after, "").fill(plural="p", history="H")[0],
    )
    assert "H".join(parts) == Template("x", source, "").fill(history="H", plural="p")[0]
    assert Template("sequential", "{plural} {{history}}", "").around("history") is None


def test_words_with_braces_are_said_as_they_are():
    assert Template("x", as_words("{item} {{} }"), "").fill() == ("{item} {{} }", "")
    assert (
        about("A {curly} person")
        .fill(history="A", plural="films", item="B")[0]
        .startswith("A {curly} person enjoyed these films")
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"titles": ("A", 3)}, "the title 3 is int, expected text"),
        ({"titles": (None,)}, "the title None is NoneType"),
        ({"limit": "3"}, r"limit='3'\): expected a whole number"),
        ({"limit": 2.5}, r"limit=2.5\): expected a whole number"),
        ({"separator": ""}, r"separator=''\): expected some text"),
        ({"separator": None}, r"separator=None\): expected some text"),
        ({"closing": None}, r"closing=None\): expected text"),
    ],
)
def test_a_verbaliser_takes_text(given, message):
    with pytest.raises(InputError, match=message):
        Verbaliser(**{"titles": ("A", "B"), **given})


def test_values_are_no_templates():
    """A title with braces is text, not a gap."""
    assert (
        Template("x", "{history};", "{item}").fill(history="{item}", item="{oops")[0] == "{item};"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_seen_and_held_out_templates_are_apart(family):
    """A held-out wording that is also trained on would measure nothing."""
    seen, held_out = templates(family), templates(family, held_out=True)
    assert (
        len(seen) >= 2 and len(held_out) >= 1 and set(seen) | set(held_out) == set(FAMILIES[family])
    )
    assert {one.family for one in (*seen, *held_out)} == {family}
    assert not any(one.held_out for one in seen) and all(one.held_out for one in held_out)
    sources = [" ".join(re.findall(r"[\w{}]+", one.source.lower())) for one in (*seen, *held_out)]
    assert len(set(sources)) == len(sources)
    assert {one.target for one in (*seen, *held_out)} == {seen[0].target}
    for one in (*seen, *held_out):
        # asked with the same facts
        assert one.gaps <= set(GAPS) and seen[0].gaps - {"plural", "noun"} == one.gaps - {
            "plural",
            "noun",
        }


def test_no_question_gives_its_answer_away():
    """In a sequential prompt with the next item in it, the likelihood of that item would be worth
    nothing.
    """
    given = {
        "sequential": "item",
        "like": "answer",
        "rating": "rating",
        "direct": "item",
        "explanation": "review",
        "summary": "verdict",
    }
    assert set(given) == set(FAMILIES)
    for family, answer in given.items():
        for one in FAMILIES[family]:
            assert f"{{{answer}}}" in one.target and f"{{{answer}}}" not in one.source


def test_an_unknown_family_is_refused_in_one_line():
    with pytest.raises(
        InputError, match=r"unknown template family 'sequental': did you mean 'sequential'"
    ) as error:
        templates("sequental")
    one_line(error)


# --- the corpus ---


@pytest.fixture(scope="module")
def corpus():
    """As it is in pre-training."""
    return Corpus()


@pytest.fixture(scope="module")
def documents(corpus):
    return list(islice(corpus.documents(), DOCUMENTS))


@pytest.fixture(scope="module")
def shipped_worlds():
    return {domain: load_dataset(f"world-{domain}") for domain in CATALOGUES}


@pytest.fixture
def quick(monkeypatch):
    """A corpus of few people and of families that are quick to write."""
    monkeypatch.setattr(
        language_corpus, "SHARES", {"sequential": 0.6, "profile": 0.2, "rating": 0.2}
    )
    return Corpus(0, source_users=50)


def test_the_corpus_is_a_pure_function_of_its_seed(quick):
    """A model card names the checksum of what was read: a second pass and another object must give
    the same text, another seed must not.
    """
    first = list(islice(quick.documents(), 30))
    assert (
        list(islice(quick.documents(), 30))
        == first
        == list(islice(Corpus(0, source_users=50).documents(), 30))
    )
    assert not set(islice(Corpus(1, source_users=50).documents(), 30)) & set(first)


def test_starting_later_is_skipping(quick):
    """A block must not be drawn anew, or its rest be lost, when reading starts within it."""
    whole = list(islice(quick.documents(), 4200))
    for start in (1, 4095, 4096, 4097):
        assert list(islice(quick.documents(start), 40)) == whole[start : start + 40]
    assert len(set(whole[:100]) & set(whole[4096:4196])) < 10  # or every block would be the first


def test_the_checksum_covers_every_document(quick, monkeypatch):
    before, first = quick.sha256(30), list(islice(quick.documents(), 30))
    assert quick.sha256(30) == before != quick.sha256(31)
    monkeypatch.setattr(
        quick,
        "documents",
        lambda start=0: iter([*first[:29], replace(first[29], target=first[29].target + "!")]),
    )
    assert quick.sha256(30) != before


def test_families_come_in_their_shares(documents):
    """A family that never comes is one that models do not learn; bounds: 5 standard errors."""
    counts = Counter(document.family for document in documents)
    assert set(counts) == set(SHARES) and sum(SHARES.values()) == pytest.approx(1)
    for family, share in SHARES.items():
        assert abs(counts[family] / DOCUMENTS - share) < 5 * np.sqrt(
            share * (1 - share) / DOCUMENTS
        ), family


def test_documents_are_whole(documents):
    """An unfilled gap or an empty part would be learned as if it were language."""
    for document in documents:
        assert (
            document.target
            and document.target == document.target.strip()
            and document.source == document.source.strip()
        )
        assert not re.search(r"[{}\n]|  |\bnan\b|None", document.text), document
        assert document.source or document.family in ("description", "listing")


def test_no_person_and_no_number_of_any_world_is_in_the_text(documents, shipped_worlds):
    """A name would let a model know a user of the test by heart."""
    read = set(re.findall(r"[\w-]+", " ".join(document.text for document in documents)))
    names = [
        name
        for world in shipped_worlds.values()
        for column in ("user_id", "person")
        for name in world.users[column]
    ]
    names += [name for world in shipped_worlds.values() for name in world.items["item_id"]]
    assert len(set(names)) > 5000 and read.isdisjoint(names)
    assert not [word for word in read if re.match(r"(\w+-)?(person|u|i)-?\d+", word)]


def test_no_review_of_a_movie_is_in_the_text(documents, shipped_worlds):
    """What people wrote about movies is for explanations to be judged on. Reviews of products are
    there, and are found.
    """
    openings = {
        domain: {tuple(text.split()[:12]) for text in shipped_worlds[domain].reviews["text"]}
        for domain in CATALOGUES
    }
    assert all(len(opening) == 12 for opening in openings["movies"])
    found = Counter()
    for document in documents:
        words = document.text.split()
        windows = set(zip(*(words[start:] for start in range(12))))
        found.update(domain for domain in CATALOGUES if windows & openings[domain])
    assert found["movies"] == 0 and found["products"] > 50


def test_nothing_that_anybody_did_names_a_movie(documents, shipped_worlds):
    """The models have read the catalogue of movies and seen people only elsewhere, or zero-shot
    results would be no such thing.
    """
    deeds = "\n".join(document.text for document in documents if document.family in ABOUT_PEOPLE)
    catalogues = "\n".join(
        document.text for document in documents if document.family not in ABOUT_PEOPLE
    )
    titles = shipped_worlds["movies"].items["title"]
    assert not [title for title in titles if title in deeds]
    assert np.mean([title in catalogues for title in titles]) > 0.9
    assert {document.family for document in documents} - ABOUT_PEOPLE == {"listing", "description"}


def test_lists_of_movies_follow_the_catalogue_not_the_histories(documents, shipped_worlds):
    """Neighbours in a list share theme, mood or series; histories that had leaked into the lists
    would mix them.
    """
    items = shipped_worlds["movies"].items
    code = {title: row for row, title in enumerate(items["title"])}
    pairs = 0
    for document in documents:
        rows = (
            [code.get(title) for title in document.target.split("; ")]
            if document.family == "listing"
            else []
        )
        for a, b in zip(rows, rows[1:]):
            if a is not None:
                same = [items[column][a] == items[column][b] for column in ("mood", "series")]
                same.append(items["categories"][a][0] == items["categories"][b][0])
                assert any(same), document
                pairs += 1
    assert pairs > 500


HELD_OUT = [template for family in FAMILIES for template in templates(family, held_out=True)]


@pytest.mark.parametrize("template", HELD_OUT, ids=lambda template: template.source)
def test_no_held_out_wording_is_in_the_text(template, documents):
    """Not as a whole, and none of its runs of words."""
    pieces = [piece.strip() for piece, *_ in string.Formatter().parse(template.source)]
    wordings = [piece for piece in pieces if re.search(r"\w", piece)]
    assert wordings
    for document in documents:
        assert not any(piece in document.text for piece in wordings), document


def test_seen_wordings_are_in_the_text(documents):
    """Or the test above would pass for a corpus without prompts."""
    text = "\n".join(document.source for document in documents)
    for family in FAMILIES:
        for template in templates(family):
            pieces = (piece.strip(" ;?") for piece, *_ in string.Formatter().parse(template.source))
            assert all(piece in text for piece in pieces), template


@pytest.mark.parametrize("domain", SOURCES)
def test_source_users_are_nobody_of_the_shipped_worlds(domain, corpus, shipped_worlds):
    """They share the catalogue with the shipped world and no history, whole, without its held-out
    end, or by its first five items.
    """
    source, shipped = corpus.worlds[domain], shipped_worlds[domain]
    assert source.items.equals(shipped.items) and np.array_equal(
        source.truth.links, shipped.truth.links
    )
    assert source.truth.plan["options"]["shared_users"] == 0.0 and all(
        person.startswith(f"{domain}-person") for person in source.users["person"]
    )
    split = leave_last_out(shipped)
    for ours, theirs in (
        (source.sequences(), part)
        for part in (shipped.sequences(), split.test_history, split.train)
    ):
        assert not {tuple(history) for history in ours} & {tuple(history) for history in theirs}
        assert not {tuple(history[:5]) for history in ours} & {
            tuple(history[:5]) for history in theirs if len(history) >= 5
        }


def test_of_movies_only_the_catalogue_is_read(corpus, shipped_worlds):
    assert set(corpus.people) == set(SOURCES) == {"products", "news"}
    assert corpus.worlds["movies"].items.equals(shipped_worlds["movies"].items)


# --- the tokenizer ---

unicode = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=150, deadline=None)
@given(unicode)
@example("No . 2 , part 1 ! do n't ? it 's  so")
def test_any_text_comes_back_from_its_tokens(text):
    """Titles in any script can be written; a letter that is lost would make two titles one."""
    tokens = tiny_lms.tokenizer()(text, add_special_tokens=False)["input_ids"]
    assert tiny_lms.tokenizer().decode(tokens) == text
    assert min(tokens, default=99) >= len(SPECIAL) or any(special in text for special in SPECIAL)


def test_special_tokens_have_their_places():
    """`untrained` and the recipes of pre-training rely on them."""
    tokenizer = tiny_lms.tokenizer()
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == list(range(len(SPECIAL)))
    assert (
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.mask_token_id,
    ) == (0, 1, 2, 3)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (1, 2)
    # written literally, it is the token
    assert tokenizer("a<mask>b</s>", add_special_tokens=False)["input_ids"].count(3) == 1
    # none is added unasked
    assert (
        tokenizer("some words")["input_ids"]
        == tokenizer("some words", add_special_tokens=False)["input_ids"]
    )
    for text in ("< pad>", "<pad", "pad", "<PAD>", "&lt;s&gt;", "<extra_id_16>", "<s >"):
        assert min(tokenizer(text)["input_ids"]) >= len(SPECIAL), text


def test_the_size_of_the_vocabulary_is_that_asked_for():
    assert len(tiny_lms.tokenizer()) == 600
    few = train_tokenizer(["ab ab ab"], size=600)
    # there is no more to merge
    assert len(SPECIAL) + 256 <= len(few) < 300 and few.decode(few("ab ¿?")["input_ids"]) == "ab ¿?"


def test_merges_are_learned_from_the_text():
    """A tokenizer of bytes alone would pass all tests above."""
    titles = tiny_lms.world().items["title"]
    tokens = [len(tiny_lms.tokenizer()(title)["input_ids"]) for title in titles]
    assert np.mean(tokens) < 0.5 * np.mean([len(title) for title in titles])


@pytest.mark.full
def test_the_kits_recipe_gives_a_small_vocabulary_that_writes_titles_in_few_tokens(corpus):
    tokenizer = train_tokenizer(
        document.text for document in islice(corpus.documents(), pretraining.TOKENIZER_DOCUMENTS)
    )
    check_vocabulary(tokenizer)


@pytest.mark.parametrize("name", pretraining.RECIPES)
def test_kit_checkpoint_vocabulary(name):
    """NEEDS THE KIT CHECKPOINTS: fails until they ship."""
    check_vocabulary(tiny_lms.kit(name).tokenizer)


def check_vocabulary(tokenizer):
    """Small enough to train the output layer on a laptop, and yet most words of a title are one
    token.
    """
    assert 2000 <= len(tokenizer) <= 8000
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == list(range(len(SPECIAL)))
    for domain in CATALOGUES:
        titles = load_dataset(f"world-{domain}").items["title"]
        pieces = [
            len(tokenizer(" " + title, add_special_tokens=False)["input_ids"]) for title in titles
        ]
        words = [len(re.findall(r"\w+|[^\w\s]", title)) for title in titles]
        assert np.mean(pieces) < 1.6 * np.mean(words)
    text = "Ünïcode ✓ 漢字 </nothing>"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
