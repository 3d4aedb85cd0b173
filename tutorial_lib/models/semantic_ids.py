"""IDs of items as short strings of tokens, which a generative retriever writes one after another.

A *semantic* ID is read off the item's text, so that items alike begin alike, and a new item has
one before anybody has chosen it. A vector of the text is divided into a coarse part and what is
left, again and again (residual quantisation): each level has a codebook, and the nearest code
vector is the code word. Source: Rajput et al. 2023 (TIGER, arXiv 2305.05065).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tutorial_lib.data.histories import positions
from tutorial_lib.errors import InputError, check_seed, check_whole, unknown_name
from tutorial_lib.language.id_schemes import item_ids

ID_SCHEMES = {
    "semantic": "code words by residual k-means of the item's text",
    "rq-vae": "code words by an RQ-VAE of the item's text",
    "title": "the words of the title",
    "collaborative": "the path in a tree of clusters of items with the same training users",
    "random": "digits drawn from the seed",
}
MOST_WORDS = 20_000  # of the vocabulary by which texts are compared


@dataclass(frozen=True, eq=False)
class TokenIds:
    """The IDs of a catalogue, all different and of one length.

    Args:
        scheme: How they were made, a key of `ID_SCHEMES`.
        tokens: int [n_items, depth]; each place has tokens 0, 1, ... of its own.
        sizes: How many tokens each place has, [depth].
        codebooks: Of the levels that have one: [codes, width] each.
    """

    scheme: str
    tokens: np.ndarray = field(repr=False)
    sizes: tuple[int, ...]
    codebooks: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def collisions(self) -> float:
        """Share of the items whose ID, but for its last token, another item has too."""
        _, group = np.unique(self.tokens[:, :-1], axis=0, return_inverse=True)
        return float((np.bincount(group.ravel())[group.ravel()] > 1).mean())

    @property
    def codebook_use(self) -> float:
        """Share of the code words that some item has, over all levels; NaN without codebooks."""
        levels = self.tokens[:, : len(self.codebooks)].T
        used = sum(len(np.unique(words)) for words in levels)
        return used / sum(map(len, self.codebooks)) if self.codebooks else float("nan")


def token_ids(
    split,
    scheme: str = "semantic",
    *,
    codes: int = 64,
    levels: int = 3,
    vectors: np.ndarray | None = None,
    seed: int = 0,
) -> TokenIds:
    """The IDs of a catalogue's items by one of `ID_SCHEMES`.

    Args:
        split: Of the catalogue. "collaborative" looks at its training parts, the others at texts.
        scheme: A key of `ID_SCHEMES`.
        codes: Tokens at each place ("title" and "collaborative" have their own).
        levels: Places, before a last one that tells items of equal code words apart.
        vectors: [n_items, width], what "semantic" and "rq-vae" quantise, such as the vectors of a
            language model; default `text_vectors`.
        seed: Of whatever is drawn.

    Raises:
        InputError: An unknown scheme, more items than IDs, or an item without text.

    >>> from tutorial_lib.data import leave_last_out, load_dataset
    >>> ids = token_ids(leave_last_out(load_dataset("world-news")), "random", codes=8)
    >>> ids.sizes, len(np.unique(ids.tokens, axis=0))
    ((8, 8, 8), 400)
    """
    if scheme not in ID_SCHEMES:
        raise unknown_name("scheme of token_ids", scheme, ID_SCHEMES)
    check_whole("token_ids", 2, codes=codes)
    check_whole("token_ids", 1, 16, levels=levels)
    check_seed("token_ids", seed)
    n_items = split.dataset.n_items
    if scheme in ("title", "collaborative"):
        return _of_words(scheme, _titles(split) if scheme == "title" else _paths(split, seed))
    if codes > n_items or codes**levels < n_items:
        raise InputError(
            f"token_ids(codes={codes}, levels={levels}): {codes**levels:,} IDs for {n_items:,}"
            " items; expected at least one for each, and no more codes than items"
        )
    if scheme == "random":
        number = np.random.default_rng(seed).permutation(codes**levels)[:n_items]
        return TokenIds(
            scheme, number[:, None] // codes ** np.arange(levels) % codes, (codes,) * levels
        )
    if vectors is None:
        vectors = text_vectors(split.dataset, seed=seed)
    elif np.shape(vectors)[:1] != (n_items,) or not np.isfinite(vectors).all():
        raise InputError(
            f"token_ids: vectors of shape {np.shape(vectors)}; expected a row of numbers for each"
            f" of the {n_items} items"
        )
    if scheme == "semantic":
        words, codebooks = residual_kmeans(vectors, codes, levels, seed=seed)
    else:
        from tutorial_lib.models.rq_vae import rq_vae

        words, codebooks = rq_vae(vectors, codes, levels, seed=seed)
    last = _place_among_equals(words)
    sizes = (*[codes] * levels, int(last.max()) + 1)
    return TokenIds(scheme, np.column_stack([words, last]), sizes, tuple(codebooks))


def residual_kmeans(
    vectors: np.ndarray, codes: int, levels: int, *, seed: int = 0
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Residual quantisation by k-means: each level divides what the levels before left over.

    Args:
        vectors: [n, width].
        codes: Code words of each level.
        levels: Code words of each row.
        seed: Of the first centres.

    Returns:
        Code words, int [n, levels], and the codebook of each level, [codes, width].

    >>> points = np.array([[0.0, 0.0], [0.0, 0.1], [5.0, 0.0], [5.0, 0.1]])
    >>> words, _ = residual_kmeans(points, codes=2, levels=2)
    >>> (words[0, 0] == words[1, 0]).item(), (words[0, 1] == words[2, 1]).item()
    (True, True)
    """
    from sklearn.cluster import KMeans

    left = np.array(vectors, dtype=np.float64)
    words, codebooks = [], []
    for level in range(levels):
        means = KMeans(codes, n_init=2, random_state=(seed + level) % 2**32).fit(left)
        words.append(means.labels_)
        codebooks.append(means.cluster_centers_)
        left -= means.cluster_centers_[means.labels_]
    return np.stack(words, axis=1), codebooks


def text_vectors(dataset, width: int = 64, *, seed: int = 0) -> np.ndarray:
    """What the titles, categories and texts of items say: TF-IDF weights of their words, reduced to
    ``width`` numbers (latent semantic analysis), rows of length 1: [n_items, width].

    Raises:
        InputError: An item has no word.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = _texts(dataset)
    weights = TfidfVectorizer(sublinear_tf=True, max_features=MOST_WORDS).fit_transform(texts)
    width = max(1, min(width, min(weights.shape) - 1))
    vectors = TruncatedSVD(width, random_state=seed % 2**32).fit_transform(weights)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def item_texts(dataset) -> list[str]:
    """Title, categories and text of every item, as far as there are any."""
    table = dataset.items
    parts = [table["title"].astype(str)]
    if "categories" in table:
        parts.append(table["categories"].map(" ".join))
    if "text" in table:
        parts.append(table["text"].astype(str))
    return [" ".join(row) for row in zip(*parts, strict=True)]


def _texts(dataset) -> list[str]:
    """The `item_texts`; InputError where an item has no word."""
    texts = item_texts(dataset)
    empty = [number for number, text in enumerate(texts) if not any(map(str.isalnum, text))]
    if empty:
        raise InputError(
            f"token_ids: {len(empty)} of {len(texts)} items of {dataset.name!r} have no text, the"
            f" first is item {empty[0]}; give them titles, or take scheme='random'"
        )
    return texts


def _titles(split) -> list[tuple]:
    """The words of each title."""
    _texts(split.dataset)  # refuses items without any
    return [tuple(title.lower().split()) for title in split.dataset.items["title"].astype(str)]


def _paths(split, seed: int) -> list[tuple]:
    """The numbers in each text of the scheme "collaborative", such as "item_3_2_5"."""
    return [
        tuple(text.split("_")[1:]) for text in item_ids(split, "collaborative", seed=seed).texts
    ]


def _of_words(scheme: str, rows: list[tuple]) -> TokenIds:
    """IDs that are written in words already: short ones are filled up, equal ones told apart."""
    depth = max(map(len, rows))
    columns = zip(*(row + ("",) * (depth - len(row)) for row in rows), strict=True)
    coded = [np.unique(column, return_inverse=True) for column in columns]
    words = np.stack([code for _, code in coded], axis=1)
    last = _place_among_equals(words)
    sizes = (*[len(known) for known, _ in coded], int(last.max()) + 1)
    return TokenIds(scheme, np.column_stack([words, last]), sizes)


def _place_among_equals(words: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... among the rows that are equal: int [n]."""
    group = np.unique(words, axis=0, return_inverse=True)[1].ravel()
    place = np.empty(len(words), dtype=np.int64)
    place[np.argsort(group, kind="stable")] = positions(np.bincount(group))
    return place
