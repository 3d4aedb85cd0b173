"""``tutorial train``: what is printed and saved, bad input, and the same losses from two processes
as from one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import SequenceRecommender
from tutorial_workshop.cli.main import main

SMALL = "train --dataset world-news --width 16 --heads 1 --layers 1 --dropout 0".split()
LOSS = re.compile(r"epoch (\d+): loss ([0-9.]+)")


def losses(printed: str) -> list[float]:
    return [float(value) for _, value in LOSS.findall(printed)]


def test_train_saves_a_model_that_gives_the_printed_numbers(tmp_path, capsys):
    """The folder must hold what was trained, and no checkpoint for a later run to go on from."""
    out = tmp_path / "model"
    assert main([*SMALL, "--epochs", "2", "--objective", "masked", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert len(losses(printed)) == 2 and f"saved in {out}" in printed
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "model.safetensors"]
    split = leave_last_out(load_dataset("world-news"))
    ndcg = evaluate(SequenceRecommender.load(out), split, k=10)["ndcg@10"].mean()
    assert f"{ndcg:.4f}" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--objective", "mask"], "unknown objective 'mask': did you mean 'masked'"),
        (["--dataset", "world-new"], "unknown dataset 'world-new'"),
        (["--epochs", "0"], "--epochs: '0' is not a whole number from 1"),
        (["--epochs", "9" * 30], "is not a whole number from 1 to"),
        (["--learning-rate", "nan"], "a number"),
        (["--learning-rate", "inf"], "a number"),
        (["--width", "1048576"], "--width: '1048576' is not a whole number"),
        (["--layers", "9999999"], "layers"),
        (["--seed", "-1"], "a whole number"),
        (["--width", "15"], "width must be a multiple"),
        (["--dropout", "1.5"], "--dropout: '1.5' is not a number from 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, said, tmp_path, capsys):
    out = tmp_path / "model"
    assert main([*SMALL, *arguments, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_an_output_that_is_a_file_is_told_before_training(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert main([*SMALL, "--out", str(taken)]) == 2
    printed = capsys.readouterr()
    assert losses(printed.out) == [] and str(taken) in printed.err and taken.read_text() == "mine"


@pytest.mark.full
def test_two_processes_give_the_losses_of_one(tmp_path):
    """Each process takes its share of a batch; a wrong scale of the gradients would show in the
    second epoch.
    """
    command = [*SMALL, "--epochs", "2", "--seed", "3"]
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += [
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--main_process_port",
        "0",
        "-m",
        "tutorial_lib",
    ]
    found = []
    for name, prefix in (("one", [sys.executable, "-m", "tutorial_lib"]), ("two", launch)):
        env = os.environ | {"ACCELERATE_USE_CPU": "true"}
        done = subprocess.run(
            [*prefix, *command, "--out", str(tmp_path / name)],
            capture_output=True,
            text=True,
            timeout=300,
            env=env,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("saved in") == 1
        found.append(losses(done.stdout))
    assert len(found[0]) == 2
    assert np.allclose(*found, atol=2e-3), found
