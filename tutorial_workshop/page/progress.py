"""What a learner has done, kept in one file on this computer: no server, no name, no account.

``attempt``, the *Check* button of a question and a guess add a line each. ``tutorial progress``
makes of them ``progress.json``, to keep or to hand in, and ``certificate.html``, to print.
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import date
from pathlib import Path

from tutorial_lib.data.files import cache_folder
from tutorial_lib.data.shipped import write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.templating import render
from tutorial_workshop.exercises.loading import all_exercises
from tutorial_workshop.page.display import in_notebook
from tutorial_workshop.page.questions import FOLDER, load_questions

KINDS = ("exercise", "question")
_PAGE = Path(__file__).with_name("certificate.html.j2")


def progress_file() -> Path:
    """The file that grows by a line with every try."""
    return cache_folder() / "progress.jsonl"


def remember(kind: str, name: str, right: bool, **more: float | str) -> None:
    """Add one try: of an exercise ``01-ndcg``, of a question ``01_.../ties``, or a guess with what
    came out as ``more``.

    Only in a notebook that a person runs (``tutorial run`` sets ``TUTORIAL_NOTEBOOK``), and never
    in the way: where nothing can be written, nothing is kept.
    """
    if not in_notebook() or "TUTORIAL_NOTEBOOK" in os.environ:
        return
    said = {"kind": kind, "name": name, "right": right, "on": f"{date.today()}"}
    line = json.dumps(said | more)
    with contextlib.suppress(OSError, InputError):
        file = progress_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def _tries() -> list[dict]:
    """All tries, oldest first; a line that was broken off is left out."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in progress_file().read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
    return found


def progress() -> dict:
    """What was tried: ``exercises`` and ``questions``, each name -> tries, whether one was right,
    whether the first was, and the date of the last; and how many there are of each in all. Of
    ``guesses`` the first of each name, with what came out: later ones know the answer.
    """
    found: dict = {f"{kind}s": {} for kind in KINDS} | {"guesses": {}}
    for one in _tries():
        if one["kind"] == "guess":
            parts = ("asked", "guess", "value", "right", "on")
            found["guesses"].setdefault(one["name"], {part: one[part] for part in parts})
            continue
        known = found[f"{one['kind']}s"].setdefault(
            one["name"], {"tries": 0, "right": False, "at first": one["right"]}
        )
        known["tries"] += 1
        known["right"] |= one["right"]
        known["last"] = one["on"]
    questions = sum(len(load_questions(path)) for path in FOLDER.glob("[0-9]*.yaml"))
    return found | {"of": {"exercises": len(all_exercises()), "questions": questions}}


def save_progress(folder: Path) -> list[Path]:
    """Write ``progress.json`` and ``certificate.html``; returns their paths.

    Raises:
        InputError: nothing was tried yet.
    """
    found = progress()
    if not any(found[kind] for kind in ("exercises", "questions", "guesses")):
        raise InputError(
            f"nothing to show yet: {progress_file()} fills as you run exercises and questions"
        )
    folder.mkdir(parents=True, exist_ok=True)
    page = render(_PAGE, found=found, today=f"{date.today()}")
    texts = {"progress.json": json.dumps(found, indent=2) + "\n", "certificate.html": page}
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
    return [folder / name for name in texts]
