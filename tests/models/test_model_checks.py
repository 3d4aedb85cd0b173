"""Folders that load without an error in `transformers` and are not the model they promise: each
must be refused in one line.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_lms
import torch
from safetensors.torch import load_file, save_file

from tutorial_lib.data.shipped import shipped
from tutorial_lib.errors import InputError
from tutorial_lib.models import load_language_model

WEIGHTS = "model.safetensors"


def copied(tmp_path, change=None, kit="kit-gpt", **config):
    """A kit model's folder with other weights (``change``: state dict -> state dict) and other
    entries in config.json.
    """
    folder = tmp_path / "model"
    shutil.copytree(shipped(f"checkpoints/{kit}"), folder)
    if change:
        weights = {
            name: value.clone() for name, value in change(load_file(folder / WEIGHTS)).items()
        }
        (folder / WEIGHTS).unlink()
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    entries = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(entries))
    return folder


def refused(folder, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load_language_model(str(folder))
    assert len(str(error.value).splitlines()) == 1 and str(folder) in str(error.value)


def without(*parts):
    return lambda weights: {
        name: value for name, value in weights.items() if not any(part in name for part in parts)
    }


def renamed(prefix):
    return lambda weights: {prefix + name: value for name, value in weights.items()}


def ruined(weights):
    return {
        name: value * float("nan") if name == "model.norm.weight" else value
        for name, value in weights.items()
    }


LAYER = "model.layers.1.mlp.up_proj.weight"
WRONG = {
    "an embedding lost": (without("embed_tokens"), {}, "lacks 'model.embed_tokens.weight'"),
    "one tensor lost": (
        without("layers.2.mlp.up_proj"),
        {},
        "lacks 'model.layers.2.mlp.up_proj.weight', which would be random",
    ),
    "a layer lost": (without("layers.3."), {}, r"lacks 'model.layers.3.*' and 8 more"),
    "a norm lost": (without("model.norm"), {}, "lacks 'model.norm.weight'"),
    "more layers than the file": (
        None,
        {"num_hidden_layers": 6},
        r"lacks 'model.layers.4.* and 17 more",
    ),
    "fewer layers than the file": (
        None,
        {"num_hidden_layers": 2},
        r"holds 'model.layers.2.* and 17 more, which the model of config.json",
    ),
    "a head that is not tied": (
        None,
        {"tie_word_embeddings": False},
        "lacks 'lm_head.weight', which would be random",
    ),
    "names of DataParallel": (
        renamed("module."),
        {},
        r"begin with 'module.'.*removeprefix\('module.'\)",
    ),
    "names of torch.compile": (
        renamed("_orig_mod."),
        {},
        r"begin with '_orig_mod.'.*removeprefix\('_orig_mod.'\)",
    ),
    "names of somebody's wrapper": (
        renamed("net."),
        {},
        "lacks 'model.embed_tokens.weight' and 38 more",
    ),
    "another vocabulary": (
        None,
        {"vocab_size": 4000},
        r"'model.embed_tokens.weight' has shape \(3072, 128\).* asks for \(4000,",
    ),
    "another width": (
        None,
        {"intermediate_size": 400},
        r"'model.layers.0.mlp.down_proj.weight' has shape \(128, 344\)",
    ),
    "an exploded training": (ruined, {}, "'model.norm.weight' holds NaN"),
    "8-bit weights without a scale": (
        lambda w: {k: (v * 100).to(torch.int8) for k, v in w.items()},
        {},
        "holds whole numbers only, as 8-bit weights",
    ),
    "one 8-bit weight": (
        lambda w: w | {LAYER: (w[LAYER] * 100).to(torch.int8)},
        {},
        f"'{LAYER}' holds whole numbers only",
    ),
    "positions that the model has no input for": (
        lambda w: w | {"model.embed_positions.weight": torch.randn(512, 128)},
        {},
        "holds 'model.embed_positions.weight', an input that the model of config.json does not",
    ),
    "another architecture": (
        None,
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]},
        "lacks|shape|no model",
    ),
}


@pytest.mark.parametrize(("change", "config", "message"), WRONG.values(), ids=WRONG)
def test_weights_that_are_not_those_of_the_configuration(change, config, message, tmp_path):
    """transformers fills the gaps with random numbers and warns; the learner would see a bad model,
    another one at every load.
    """
    refused(copied(tmp_path, change, **config), message)


def test_a_head_lost_in_saving(tmp_path):
    """`model.base_model.save_pretrained` writes everything but the layers that predict."""
    folder = copied(tmp_path, without("head.", "decoder."), kit="kit-bert")
    refused(folder, "lacks 'head.dense.weight'")


def test_the_weights_of_another_kit_model(tmp_path):
    folder = copied(tmp_path)
    shutil.copy(shipped(f"checkpoints/kit-bert/{WEIGHTS}"), folder / WEIGHTS)
    refused(folder, r"lacks 'model\.")


@pytest.mark.parametrize("damage", ["cut", "flipped header", "empty", "text"])
def test_a_damaged_weight_file(damage, tmp_path):
    folder = copied(tmp_path)
    content = (folder / WEIGHTS).read_bytes()
    damaged = {
        "cut": content[: len(content) // 2],
        "flipped header": b"\xff" * 8 + content[8:],
        "empty": b"",
        "text": b"hello",
    }
    (folder / WEIGHTS).write_bytes(damaged[damage])
    refused(folder, "holds no model that transformers can read")


def sharded(folder) -> list:
    """The same weights in several files with an index."""
    lm = load_language_model(str(folder))
    (folder / WEIGHTS).unlink()
    lm.model.save_pretrained(folder, max_shard_size="500KB")
    return sorted(folder.glob("model-*.safetensors"))


def test_shards(tmp_path):
    """All there: as before. One file missing, or one entry of the index: refused."""
    folder = copied(tmp_path)
    before = load_language_model(str(folder)).loss(["The user likes: a"], ["b"]).item()
    files = sharded(folder)
    assert len(files) > 2
    assert load_language_model(str(folder)).loss(
        ["The user likes: a"], ["b"]
    ).item() == pytest.approx(before, rel=1e-6)
    files[1].rename(folder / "elsewhere")
    refused(folder, "holds no model that transformers can read")
    (folder / "elsewhere").rename(files[1])
    index = json.loads((folder / f"{WEIGHTS}.index.json").read_text())
    index["weight_map"] = {
        key: name for key, name in index["weight_map"].items() if name != files[-1].name
    }
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    refused(folder, "lacks 'model")


class Boom:
    """A pickle that would write a file where it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_is_read_as_numbers_only(tmp_path):
    """A .bin of plain tensors is fine; one that holds code is refused, and the code not run."""
    folder = copied(tmp_path)
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    assert load_language_model(str(folder)).kind == "causal"
    torch.save(weights | {"x": Boom(tmp_path / "ran")}, folder / "pytorch_model.bin")
    refused(folder, "holds no model that transformers can read")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("also_a_model", [False, True])
def test_an_adapter_must_be_merged_first(also_a_model, tmp_path):
    folder = copied(tmp_path)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": "gpt2"})
    )
    if not also_a_model:
        (folder / "config.json").unlink()
    refused(folder, r"holds an adapter.*merge the adapter first: .*merge_and_unload\(\)")


CODE = (
    "open({path!r}, 'w')\nfrom transformers import LlamaConfig, LlamaForCausalLM\nclass"
    " Own(LlamaConfig):\n    model_type = 'own'\n"
)


@pytest.mark.parametrize("model_type", ["own", "llama"])
@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_never_run(model_type, where, tmp_path, monkeypatch):
    """And nobody is asked: `transformers` would wait fifteen seconds for a y."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    folder = copied(tmp_path, model_type=model_type)
    (folder / "own.py").write_text(CODE.format(path=str(tmp_path / "ran")))
    names = {
        "AutoConfig": "own.Own",
        "AutoModelForCausalLM": "own.Own",
        "AutoTokenizer": ["own.Own", "own.Own"],
    }
    entries = json.loads((folder / where).read_text()) | {"auto_map": names}
    (folder / where).write_text(json.dumps(entries))
    if model_type == "own":
        refused(folder, "needs code of its own|no model that transformers can read")
    else:
        try:
            # transformers' own class, not the folder's
            assert load_language_model(str(folder)).kind == "causal"
        except InputError as error:
            assert "needs code of its own" in str(error)
    assert not (tmp_path / "ran").exists()


# --- tokenizers ---


def test_a_tokenizer_larger_than_the_embedding(tmp_path):
    """Else an index error in the middle of a comparison, at the first such token."""
    folder = copied(tmp_path)
    lm = load_language_model(str(folder))
    lm.tokenizer.add_tokens(["<item-1>", "<item-2>"])
    lm.tokenizer.save_pretrained(folder)
    refused(folder, r"writes ids up to 3073 \('<item-2>'\), its embedding has 3072 rows")


def test_an_embedding_larger_than_the_tokenizer_is_usual(tmp_path):
    """T5's is rounded up to a multiple of 128."""
    folder = copied(tmp_path)
    lm = load_language_model(str(folder))
    lm.model.resize_token_embeddings(3200)
    lm.model.save_pretrained(folder)
    assert load_language_model(str(folder)).kind == "causal"


def test_no_tokenizer_at_all(tmp_path):
    folder = copied(tmp_path)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    refused(folder, "holds no model that transformers can read|knows no word")


@pytest.mark.parametrize(
    ("kit", "token"),
    [("kit-bert", "mask_token"), ("kit-bert", "sep_token"), ("kit-t5", "eos_token")],
)
def test_a_tokenizer_without_the_special_token_that_this_kind_needs(kit, token, tmp_path):
    folder = copied(tmp_path, kit=kit)
    entries = json.loads((folder / "tokenizer_config.json").read_text())
    entries.pop(token)
    (folder / "tokenizer_config.json").write_text(json.dumps(entries))
    refused(folder, f"its tokenizer has no {token}, which a (masked|seq2seq) model needs")


def test_a_head_of_another_task_is_told(tmp_path):
    """A fine-tuned classifier answers as a language model too, and nobody trained it for that."""
    folder = copied(tmp_path, lambda weights: weights | {"score.weight": torch.randn(2, 128)})
    with pytest.warns(UserWarning, match="also holds 'score.weight', which is not used"):
        assert load_language_model(str(folder)).kind == "causal"


@pytest.mark.parametrize("config", [None, "{}"], ids=["no file", "an empty file"])
@pytest.mark.parametrize("kit", ["kit-gpt", "kit-bert"])
def test_a_tokenizer_that_lost_its_special_tokens(kit, config, tmp_path):
    """The loss of kit-gpt went from 4.60 to 4.03 without a word: nothing began its texts."""
    folder = copied(tmp_path, kit=kit)
    (folder / "tokenizer_config.json").unlink()
    if config:
        (folder / "tokenizer_config.json").write_text(config)
    refused(folder, "nothing says which special tokens.*expected tokenizer_config.json")


# --- what must go on loading ---


def test_an_encoder_without_its_pooler(tmp_path):
    """`vectors` never reads it, and many sentence encoders are saved without."""
    import transformers

    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    model = transformers.BertModel(
        transformers.BertConfig(vocab_size=600, **sizes), add_pooling_layer=False
    )
    model.save_pretrained(tmp_path)
    tiny_lms.tokenizer().save_pretrained(tmp_path)
    lm = load_language_model(str(tmp_path))
    assert lm.kind == "encoder" and any("pooler" in name for name, _ in lm.model.named_parameters())
    assert torch.equal(
        lm.vectors(["a film"]), load_language_model(str(tmp_path)).vectors(["a film"])
    )


def test_a_masked_model_with_heads_that_nobody_reads(tmp_path):
    """bert-base-uncased: its file also holds pooler and head of next-sentence prediction."""
    import transformers

    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    transformers.BertForPreTraining(
        transformers.BertConfig(vocab_size=600, **sizes)
    ).save_pretrained(tmp_path)
    tiny_lms.tokenizer().save_pretrained(tmp_path)
    assert load_language_model(str(tmp_path)).kind == "masked"


def test_constants_of_old_files_are_passed_over(tmp_path):
    """GPT-2's file of 2019 holds its causal mask, LLaMA's its rotary frequencies."""

    def old(weights):
        return weights | {
            "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16),
            "model.layers.0.attn.bias": torch.ones(4, 4),
        }

    assert load_language_model(str(copied(tmp_path, old))).kind == "causal"


@pytest.mark.parametrize(
    "change",
    [None, lambda w: {k.removeprefix("model."): v for k, v in w.items()}],
    ids=["tied", "bare names"],
)
def test_a_tied_head_and_names_without_the_model(change, tmp_path):
    """The head is the embedding, so its absence is no loss; and the base model's own names are the
    same weights.
    """
    folder = copied(tmp_path, change)
    with torch.no_grad():
        found, expected = (
            lm.loss(["The user likes: a"], ["b"]).item()
            for lm in (load_language_model(str(folder)), tiny_lms.kit("kit-gpt"))
        )
    assert np.isclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["x" * 260, "a\0b", "~/no-such-model-here", ""])
def test_names_that_no_folder_can_have(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError):
        load_language_model(name)
