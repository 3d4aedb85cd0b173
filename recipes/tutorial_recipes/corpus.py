"""The text that the kit's language models are pre-trained on: catalogues of all worlds, and what
*source* users did in two of them.

No interaction of world-movies is in it, and no person of world-movies: the source users are drawn
anew (``shared_users=0``), with the tastes, items and links of the worlds. So a prompt about movies
meets a model that has read their catalogue, and seen people only elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tutorial_lib.data.dataset import Dataset
from tutorial_lib.data.shipped import read_yaml
from tutorial_lib.language.prompts import FAMILIES, templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_recipes.worlds import make_world

CATALOGUES = ("movies", "products", "news")
SOURCES = ("products", "news")
SOURCE_USERS = 6000  # per domain
SHARES = {
    "sequential": 0.50,
    "listing": 0.16,
    "description": 0.08,
    "profile": 0.06,
    "like": 0.04,
    "rating": 0.04,
    "direct": 0.05,
    "explanation": 0.04,
    "summary": 0.03,
}
WORDINGS = read_yaml(Path(__file__).with_name("corpus.yaml"))


@dataclass(frozen=True)
class Document:
    """One piece of text in two parts: what is asked (may be empty) and what follows."""

    family: str
    source: str
    target: str

    @property
    def text(self) -> str:
        return f"{self.source} {self.target}".strip()


class Corpus:
    """An endless stream of `Document`, a pure function of ``seed``; the first n are the same
    however many are drawn.

    Args:
        source_users: Made-up people whose histories are read, in each of `SOURCES`.
    """

    def __init__(self, seed: int = 0, source_users: int = SOURCE_USERS):
        self.seed = seed
        self.worlds = {
            d: make_world(d, n_users=source_users if d in SOURCES else 1, shared_users=0.0)
            for d in CATALOGUES
        }
        self.words = {domain: verbaliser(world) for domain, world in self.worlds.items()}
        self.people = {domain: _People(self.worlds[domain]) for domain in SOURCES}

    def documents(self, start: int = 0) -> Iterator[Document]:
        """Documents number ``start``, start + 1, ..."""
        block, families, weights = 4096, list(SHARES), np.array(list(SHARES.values()))
        while True:
            rng = np.random.default_rng([self.seed, start // block])
            drawn = rng.choice(len(families), size=block, p=weights / weights.sum())
            made = [self._make(families[f], rng) for f in drawn.tolist()]
            yield from made[start % block :]
            start += block - start % block

    def sha256(self, documents: int) -> str:
        """Checksum of the first documents: the model card says what was read."""
        digest = hashlib.sha256()
        for _, document in zip(range(documents), self.documents(), strict=False):
            digest.update(document.text.encode() + b"\n")
        return digest.hexdigest()

    def _make(self, family: str, rng: np.random.Generator) -> Document:
        if family in ("listing", "description"):
            domain = _pick(CATALOGUES, rng)
            return getattr(self, f"_{family}")(domain, rng)
        return getattr(self, f"_{family}", self._task)(
            _pick(SOURCES, rng), rng, *([family] if family in FAMILIES else [])
        )

    def _nouns(self, domain: str) -> dict[str, str]:
        words = self.words[domain]
        return {"noun": words.noun, "plural": words.plural}

    def _listing(self, domain: str, rng) -> Document:
        items = self.worlds[domain].items
        pattern = _pick(WORDINGS["listings"], rng)
        anchor = items.iloc[rng.integers(len(items))]
        theme, mood = anchor["categories"][0], anchor["mood"]
        same_theme = np.array([c[0] == theme for c in items["categories"]])
        same_mood = (items["mood"] == mood).to_numpy()
        wanted = {
            "{mood} {plural}: {list}": same_mood,
            "{mood} {plural} about {theme}: {list}": same_theme & same_mood,
        }.get(pattern, same_theme)
        chosen = _some(np.flatnonzero(wanted), 9, rng)
        if anchor["series"] and rng.random() < 0.4:  # a series, in its order
            chosen = np.flatnonzero((items["series"] == anchor["series"]).to_numpy())
            chosen = chosen[np.argsort(items["volume"].to_numpy()[chosen])]
        source = self._before_list(pattern, domain, theme, mood)
        return Document("listing", source, self._titles(domain, chosen))

    def _description(self, domain: str, rng) -> Document:
        item = self.worlds[domain].items.iloc[rng.integers(self.worlds[domain].n_items)]
        theme, form = item["categories"]
        text = _pick(WORDINGS["descriptions"], rng).format(
            title=item["title"],
            text=item["text"],
            theme=theme,
            form=form,
            mood=item["mood"],
            maker=item["provider"],
            **self._nouns(domain),
        )
        return Document("description", "", text)

    def _profile(self, domain: str, rng) -> Document:
        history, _ = self.people[domain].window(rng, shortest=6)
        theme, mood = self.people[domain].favourites(history)
        pattern = _pick(WORDINGS["profiles"], rng)
        source = self._before_list(pattern, domain, theme, mood)
        return Document("profile", source, self._titles(domain, history))

    def _before_list(self, pattern: str, domain: str, theme: str, mood: str) -> str:
        words = pattern.removesuffix("{list}")
        return words.format(theme=theme, mood=mood, **self._nouns(domain)).strip()

    def _titles(self, domain: str, items) -> str:
        words = self.words[domain]
        return words.separator.join(words.titles[item] for item in items)

    def _sequential(self, domain: str, rng, family: str) -> Document:
        history, _ = self.people[domain].window(rng, shortest=4)
        source, target = _pick(templates(family), rng).fill(
            **self._context(domain, history[:-1]), item=self.words[domain].titles[history[-1]]
        )
        return Document(family, source, target)

    def _direct(self, domain: str, rng, family: str) -> Document:
        history, _ = self.people[domain].window(rng, shortest=4)
        others = rng.choice(len(self.words[domain].titles), size=4, replace=False)
        candidates = rng.permutation([history[-1], *others[others != history[-1]][:3]])
        values = {
            "candidates": self._titles(domain, candidates),
            "item": self.words[domain].titles[history[-1]],
        }
        context = self._context(domain, history[:-1][-6:])
        return Document(family, *_pick(templates(family), rng).fill(**context, **values))

    def _task(self, domain: str, rng, family: str) -> Document:
        """like, rating, explanation, summary: one item that a source user rated or reviewed."""
        people, titles = self.people[domain], self.words[domain].titles
        template = _pick(templates(family), rng)
        if family in ("explanation", "summary"):
            review = people.reviews.iloc[rng.integers(len(people.reviews))]
            values = {
                "item": titles[review["item"]],
                "rating": str(int(review["rating"])),
                "review": review["text"],
                "feature": review["features"][0],
                "verdict": review["sentiment"],
            }
            return Document(family, *template.fill(**values, **self._nouns(domain)))
        history, ratings = people.window(rng, shortest=4)
        item, stars = history[-1], ratings[-1]
        if family == "like" and rng.random() < 0.5:  # a stranger's item: mostly no
            item, stars = rng.integers(len(titles)), 1
        values = {
            "item": titles[item],
            "rating": str(int(stars)),
            "answer": "yes" if stars >= 4 else "no",
        }
        context = self._context(domain, history[:-1][-8:])
        return Document(family, *template.fill(**context, **values))

    def _context(self, domain: str, history) -> dict[str, str]:
        return {"history": self.words[domain].history(history), **self._nouns(domain)}


class _People:
    """The histories of the source users of one domain."""

    def __init__(self, world: Dataset):
        table = world.interactions.sort_values(["user", "timestamp"], kind="stable")
        self.items, self.ratings = table["item"].to_numpy(), table["rating"].to_numpy()
        sizes = np.bincount(table["user"].to_numpy(), minlength=world.n_users)
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.reviews = world.reviews
        self.themes = np.array([categories[0] for categories in world.items["categories"]])
        self.moods = world.items["mood"].to_numpy()

    def window(self, rng, shortest: int, longest: int = 13) -> tuple[np.ndarray, np.ndarray]:
        """A piece of somebody's history and its ratings, often of ``longest`` items."""
        user = rng.integers(len(self.ends))
        start, end = self.starts[user], self.ends[user]
        size = longest if rng.random() < 0.6 else int(rng.integers(shortest, longest + 1))
        size = min(size, end - start)
        first = start + rng.integers(end - start - size + 1)
        return self.items[first : first + size], self.ratings[first : first + size]

    def favourites(self, history) -> tuple[str, str]:
        """The most frequent theme and mood."""
        themes, moods = self.themes[history].tolist(), self.moods[history].tolist()
        return max(sorted(set(themes)), key=themes.count), max(sorted(set(moods)), key=moods.count)


def _pick(options, rng):
    return options[int(rng.integers(len(options)))]


def _some(options: np.ndarray, most: int, rng) -> np.ndarray:
    return rng.permutation(options)[: int(rng.integers(min(3, len(options)), most + 1))]
