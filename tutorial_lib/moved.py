"""Imports of modules that were renamed or moved end in one line that names the new place; to be
removed after release 0.2.
"""

from __future__ import annotations

import sys
from pathlib import Path

_MOVED = {
    "tutorial_lib.teaching": "tutorial_workshop.page, .figures and .exercises",
    "tutorial_lib.experiments": "tutorial_workshop.experiments",
    "tutorial_lib.cli": "tutorial_workshop.cli.main",
    "tutorial_lib.runner": "tutorial_workshop.cli.run",
    "tutorial_lib.audit_command": "tutorial_workshop.cli.audit",
    "tutorial_lib.comparison": "tutorial_workshop.cli.compare",
    "tutorial_lib.notebooks": "tutorial_workshop.page.notebooks",
    "tutorial_lib.checkpoints": "tutorial_lib.training.checkpoints",
    "tutorial_lib.batching": "tutorial_lib.objectives.batch",
    "tutorial_lib.training.batching": "tutorial_lib.objectives.batch",
    "tutorial_lib.models.beams": "tutorial_lib.models.generation",
    "tutorial_lib.models.writing": "tutorial_lib.models.generation",
    "tutorial_lib.models.instructed": "tutorial_lib.models.instruction_following",
    "tutorial_lib.models.next_number": "tutorial_lib.models.baselines",
    "tutorial_lib.models.loaded": "tutorial_lib.models.model_checks",
    "tutorial_lib.language.item_ids": "tutorial_lib.language.id_schemes",
    "tutorial_lib.language.instructions": "tutorial_lib.language.instruct",
    "tutorial_lib.strategies.liking": "tutorial_lib.strategies.like_prediction",
    "tutorial_lib.models.pretraining": "tutorial_recipes.pretraining",
    "tutorial_lib.language.corpus": "tutorial_recipes.corpus",
    "tutorial_lib.audit.glassbox": "tutorial_workshop.proof.glassbox",
    "tutorial_lib.audit.validation": "tutorial_workshop.proof.validation",
    "tutorial_lib.audit.auditing": "tutorial_lib.audit",
    "tutorial_lib.audit.categories": "tutorial_lib.audit.core.lists",
    "tutorial_lib.audit.calibration": "tutorial_lib.audit.core.evidence",
    "tutorial_lib.audit.harmful": "tutorial_lib.audit.core.margins",
    "tutorial_lib.audit.levels": "tutorial_lib.audit.inference.statistics",
    "tutorial_lib.audit.sizes": "tutorial_lib.audit.core.groups",
}
_AUDIT = Path(__file__).with_name("audit")


class _Finder:
    """Stands last on sys.meta_path: it is asked only for what nobody else finds."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name in _MOVED:
            raise ImportError(f"{name} has moved: import {_MOVED[name]} instead", name=name)
        module = name.removeprefix("tutorial_lib.audit.")
        if module != name and module.isidentifier():
            for file in _AUDIT.glob(f"*/{module}.py"):
                new = f"tutorial_lib.audit.{file.parent.name}.{module}"
                raise ImportError(f"{name} has moved: import {new} instead", name=name)


def announce_moves() -> None:
    """Install the finder, once."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)
