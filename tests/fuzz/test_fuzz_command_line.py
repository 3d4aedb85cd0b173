"""Argument vectors that nobody would type, for every subcommand: one line and status 2, never a
traceback.

Whatever would fit, fetch or write is stopped where it begins, so that only the way there is tried.
"""

from __future__ import annotations

import contextlib
import io
import signal

import pytest
from fuzzing import SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib.errors import InputError
from tutorial_workshop.cli import main as cli

STOPPED = "stopped before the work"
ODD = [
    *("", " ", " 3", "a\0b", "\0", "\udcff", "\ud800x", "\x1b[2J", "a\nb", "\r", "\u2028", "\x85"),
    *"- -- --- = --= -1 -0 0 1 2 07 1_000 +3 ² ٣ ½ nan inf -inf 1e400 1e-400 0x10 1.0".split(),
    *"0.5 1e3 all ALL None True . .. ~ ~nobody %s {} {0} %(prog)s".split(),
    *(
        "9" * 30,
        "9" * 5000,
        "-" + "9" * 5000,
        "a" * 255,
        "a" * 260,
        "é" * 130,
        "a/" * 200,
        "../" * 50,
    ),
    *"exposure=0.1 exposure=nan exposure= =0.1 exposure=0.1=2 group=²".split(),
    *"ndcg@10 ndcg@² ndcg@0 @ hit@-1 leave-last-out hold-out-5 random-² random--1".split(),
    *("ndcg@" + "9" * 5000, "hold-out-" + "9" * 5000),
    *"Popularity EASE popularity Random world-movies world-news ml-100k kit-gpt zero-shot".split(),
    *"shown.csv tcp://127.0.0.1:1 00 01_recommendation_as_language autoregressive masked".split(),
    *("smoke", "full"),
]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=12),
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp", "Nd", "No"]), max_size=4),
    st.integers().map(str),
    st.floats().map(str),
)
OPTIONS = {
    "check": [],
    "datasets": [],
    "fetch": [],
    "run": "profile dataset lm seed out jobs solutions notebooks-folder".split(),
    "train": (
        "dataset objective width layers heads dropout epochs length learning-rate refit".split()
        + ["seed", "out"]
    ),
    "pretrain": "documents seed out ship".split(),
    "compare": "dataset metric seed".split(),
    "grid": "dataset lm task labels seeds users jobs dask out".split(),
    "audit": (
        "dataset split k attribute margin seed out export-ids validate replications jobs".split()
    ),
    "capstone": "items users column minutes seed out".split(),
    "slides": [],
    "solutions": [],
}


@st.composite
def arguments(draw, command: str) -> list[str]:
    """Options of the command with values good and odd, loose words, and now and then an option of
    another one.
    """
    names = [*OPTIONS[command], "help", "version", "colour"]
    part = st.one_of(
        st.tuples(st.sampled_from(names).map("--{}".format), VALUES).map(list),
        st.tuples(st.sampled_from(names), VALUES).map(lambda pair: [f"--{pair[0]}={pair[1]}"]),
        st.lists(VALUES, max_size=3),
    )
    return [command, *(word for words in draw(st.lists(part, max_size=5)) for word in words)]


def stop(*args, **kwargs):
    raise InputError(STOPPED)


@pytest.fixture
def harmless(monkeypatch, tmp_path):
    """Nothing is fitted, fetched, executed or written, and signals are as they were."""
    from tutorial_recipes import pretraining

    from tutorial_lib import data
    from tutorial_lib.data import files
    from tutorial_lib.models import SequenceRecommender
    from tutorial_workshop import experiments
    from tutorial_workshop.cli import audit as audit_command
    from tutorial_workshop.cli import capstone as capstone_command
    from tutorial_workshop.cli import pretrain as pretraining_command
    from tutorial_workshop.cli import run as runner
    from tutorial_workshop.experiments import cells
    from tutorial_workshop.page import environment

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("TUTORIAL_DATA", raising=False)
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    places = [
        (data, "load_dataset"),
        (data.loading, "load_dataset"),
        (files, "fetch"),
        (files, "download_file"),
    ]
    places += [
        (runner, "run_notebooks"),
        (experiments, "run_grid"),
        (cells, "split_of"),
        (cells, "language_model"),
    ]
    places += [(pretraining, "Corpus"), (audit_command, "validate_audit")]
    places += [(capstone_command, "run_capstone")]
    places += [
        (SequenceRecommender, "fit"),
        (pretraining_command, "ship_checkpoint"),
        (environment, "environment_rows"),
    ]
    for module, name in places:
        monkeypatch.setattr(module, name, stop)
    before = {
        name: signal.getsignal(name)
        for name in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    }
    yield tmp_path
    for name, handler in before.items():
        signal.signal(name, handler)


def outcome(words: list[str], monkeypatch) -> tuple[int, str]:
    """Exit status and stderr; no folder can be made meanwhile."""
    error = io.StringIO()
    with (
        monkeypatch.context() as patch,
        contextlib.redirect_stderr(error),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        patch.setattr("pathlib.Path.mkdir", stop)
        try:
            status = cli.main(words)
        except SystemExit as end:  # --help and --version
            status = end.code
    return status, error.getvalue()


@pytest.mark.parametrize("command", OPTIONS)
def test_any_arguments_end_with_one_line(command, harmless, monkeypatch):
    @SETTINGS
    @given(arguments(command))
    def run(words):
        status, error = outcome(words, monkeypatch)
        assert status in (0, 1, 2), words
        assert len(error.splitlines()) == (status == 2), (words, error)
        assert all(letter.isprintable() for letter in error.rstrip("\n")), (words, error)
        assert len(error) < 2000, words

    run()
    assert [path.name for path in harmless.iterdir()] == []


def test_any_words_end_with_one_line(harmless, monkeypatch):
    @SETTINGS
    @given(
        st.lists(st.one_of(VALUES, st.sampled_from([*OPTIONS, "--help", "--version"])), max_size=4)
    )
    def run(words):
        status, error = outcome(words, monkeypatch)
        assert status in (0, 1, 2), words
        assert len(error.splitlines()) == (status == 2), (words, error)

    run()


def test_good_arguments_reach_the_work(harmless, monkeypatch):
    """Else everything could be refused and the tests above would still pass."""
    for words in (
        "run --seed 4294967295 --jobs 1 --lm kit-gpt",
        "train --width 64 --heads 2 --dropout 0 --learning-rate 1e-3 --seed 0",
        "pretrain kit-gpt --documents 100000",
        "compare Popularity EASE --metric ndcg@10",
        "grid zero-shot --labels 0 16 all --seeds 0 1",
        "audit EASE --k 10 --margin exposure=0.1 --split hold-out-5",
        "fetch ml-100k",
    ):
        assert outcome(words.split(), monkeypatch) == (2, f"tutorial: {STOPPED}\n"), words
