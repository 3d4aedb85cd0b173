"""A recommender that knows items by their texts alone, so that what it learned in one catalogue
works in another one, and for items that nobody has chosen yet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.errors import check_seed, check_whole
from tutorial_lib.models.semantic_ids import item_texts
from tutorial_lib.models.sequence import ItemTransformer
from tutorial_lib.models.sequence_recommender import SequenceRecommender
from tutorial_lib.objectives.batch import SPECIAL
from tutorial_lib.training import train

OUT_OF_REACH = -1e4  # bias of an item that is not on offer while the model learns
SMOOTHING = 10.0  # training interactions that every item is given, so that few say little


class TextEncoder:
    """Frozen vectors of items from the words of their titles, categories and texts: TF-IDF weights
    reduced to ``width`` numbers (latent semantic analysis), rows of length 1.

    Args:
        datasets: Whose catalogues the words are weighed on. Interactions are not looked at.
        width: Of a vector.
        seed: Of the decomposition.

    >>> from tutorial_lib.data import load_dataset
    >>> news = load_dataset("world-news")
    >>> TextEncoder([news], width=8)(news).shape
    (400, 8)
    """

    def __init__(self, datasets: Sequence, width: int = 64, *, seed: int = 0):
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        check_whole("TextEncoder", 1, width=width)
        texts = [text for dataset in datasets for text in item_texts(dataset)]
        self.weigh = TfidfVectorizer(sublinear_tf=True)
        weights = self.weigh.fit_transform(texts)
        self.reduce = TruncatedSVD(min(width, min(weights.shape) - 1), random_state=seed)
        self.reduce.fit(weights)

    def __call__(self, dataset) -> np.ndarray:
        """float32 [n_items, width]; 0 for an item all of whose words are unknown."""
        vectors = self.reduce.transform(self.weigh.transform(item_texts(dataset)))
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(length, 1e-9)).astype(np.float32)


class TextReader(nn.Module):
    """Item vectors from text vectors by a small trained network, the *adapter*; in the place of
    an item Transformer's table of embeddings.

    Args:
        texts: [n_items, W], frozen.
        width: Of the vectors that the Transformer reads.
    """

    def __init__(self, texts: Tensor, width: int):
        super().__init__()
        self.register_buffer("texts", texts, persistent=False)
        self.embedding_dim = width
        self.widen = nn.Linear(texts.shape[1], 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.special = nn.Parameter(torch.randn(len(SPECIAL), width) * width**-0.5)

    @property
    def weight(self) -> Tensor:
        """[n_items + special tokens, D], as in an `nn.Embedding`."""
        scaled = self.texts * self.texts.shape[1] ** 0.5  # numbers of about 1
        items = self.narrow(F.gelu(self.widen(scaled)))
        return torch.cat([items * self.embedding_dim**-0.5, self.special])

    def forward(self, tokens: Tensor) -> Tensor:
        """int [B, L] -> [B, L, D]."""
        return F.embedding(tokens, self.weight)


class TextRecommender(SequenceRecommender):
    """A causal Transformer that reads and scores items by their texts (`TextReader`).

    Args:
        encoder: Gives the text vectors of a dataset's items, [n_items, W], such as a `TextEncoder`.
        start: A fitted `TextRecommender` of another catalogue, whose weights training starts from.
            Default: random weights.
        others: As in `SequenceRecommender`.

    Source: Hou et al. 2022 (UniSRec, arXiv 2206.05941), with one adapter in place of several.
    """

    def __init__(self, encoder, start: TextRecommender | None = None, **others):
        self.encoder, self.start = encoder, start
        super().__init__("autoregressive", **others)

    def _build(self, n_items: int) -> ItemTransformer:
        model = super()._build(n_items)
        if hasattr(self, "texts"):
            model.embedding = TextReader(torch.from_numpy(self.texts), self.shape["width"])
        return model

    def read(self, dataset, seed: int = 0) -> TextRecommender:
        """The model for a dataset's catalogue before any training there: zero-shot if it has a
        ``start``, else with random weights. Only texts are looked at; returns itself.
        """
        check_seed("TextRecommender.read", seed)
        self.texts = np.asarray(self.encoder(dataset), dtype=np.float32)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = self._build(dataset.n_items)
        if self.start is not None:
            weights = self.start.model.state_dict()
            del weights["bias"]
            self.model.load_state_dict(weights, strict=False)
        self.n_items = dataset.n_items
        return self

    def fit(self, split, *, seed: int = 0, progress: bool = True) -> TextRecommender:
        """Train on ``split.train``. Items that stand in no training history are not on offer there:
        nothing is learned against them, and afterwards they count as popular as the mean.
        """
        self.read(split.dataset, seed)
        counts = np.bincount(np.concatenate(split.train), minlength=self.n_items)
        new = counts == 0
        bias = np.log((counts + SMOOTHING) / (counts[~new].mean() + SMOOTHING))
        with torch.no_grad():
            self.model.bias[: self.n_items] = torch.from_numpy(np.where(new, OUT_OF_REACH, bias))
        self.history = train(
            self.model,
            self.objective,
            split.train,
            self.plan,
            seed=seed,
            on_epoch=self.on_epoch,
        )
        with torch.no_grad():
            items = self.model.bias[: self.n_items]
            items[torch.from_numpy(new)] = items[torch.from_numpy(~new)].mean()
        return self
