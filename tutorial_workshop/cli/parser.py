"""The parser of the ``tutorial`` command, from commands.yaml."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import tutorial_lib
from tutorial_workshop.cli.arguments import Parser, folder, labels, name, number_between, whole

TYPES = {
    "count": whole(1, 1_000_000_000),
    "folder": folder,
    "jobs": whole(1, 1024),
    "labels": labels,
    "name": name,
    "seed": whole(0, 2**32 - 1),  # scikit-learn takes no larger one, other than numpy and torch
}


def build_parser(
    actions: Mapping[str, Callable[[argparse.Namespace], int]],
) -> argparse.ArgumentParser:
    """The parser of the ``tutorial`` command. actions: subcommand -> what does its work."""
    import yaml  # not above: where it is missing, one line says what to install

    parser = Parser(
        prog="tutorial",
        description=(
            "Language-modelling paradigms in recommender systems: notebooks, data and comparisons."
        ),
    )
    parser.add_argument(
        "--version", action="version", version=f"tutorial {tutorial_lib.__version__}"
    )
    parser.set_defaults(action=None)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    described = Path(__file__).with_name("commands.yaml").read_text(encoding="utf-8")
    for command, about in yaml.safe_load(described).items():
        added = commands.add_parser(command, help=about["summary"], description=about["summary"])
        added.set_defaults(action=actions[command])
        for argument, options in about.get("arguments", {}).items():
            added.add_argument(argument, **_for_argparse(options))
    return parser


def _for_argparse(options: dict) -> dict:
    """An argument of commands.yaml as `add_argument` takes it."""
    options = dict(options)
    if "type" in options:
        options["type"] = TYPES[options["type"]]
    if "range" in options:
        options["type"] = whole(*options.pop("range"))
    if "below" in options:
        options["type"] = number_between(*options.pop("below"))
    if options.pop("flag", False):
        options["action"] = "store_true"
    if options.pop("hidden", False):
        options["help"] = argparse.SUPPRESS
    return options
