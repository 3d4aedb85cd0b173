"""The half-day path: six short notebooks from tagged cells of the long ones, and its minutes.

A cell of ``notebooks/src/NN_name.py`` that is tagged ``half-day-2`` is shown in the second of the
six. What its code needs comes along by itself, with its input folded (``tools/cell_names.py``).
Titles, objectives and recaps stand in ``notebooks/src/half_day.yaml``, so nothing is written twice.

``python -m tools.builder`` writes the notebooks and their README; ``python -m tools.half_day``
executes the six and records the processor seconds in ``notebooks/half_day/seconds.json``.
"""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.builder import notebook_text, read_source, tags_of
from tools.cell_names import with_what_they_need
from tutorial_lib.data.shipped import read_yaml, write_whole
from tutorial_lib.errors import InputError
from tutorial_lib.templating import render

README = Path(__file__).with_name("templates") / "half_day.md.jinja"
SECONDS = "seconds.json"  # in the folder of the six notebooks
# the model of minutes: words that are read in one, and minutes for one of each
WORDS = 200
EACH = {"exercise": 6.0, "question": 1.0, "guess": 0.5, "result": 0.75}
NO_RESULT = re.compile(r"attempt\(|^(quiz|hint|guess|my_guesses)\(", re.M)
PARAMETERS = """\
PROFILE = "quick"  # smoke | quick | full: how many users and steps
DATASET = "world-movies"  # a planted world; notebook 00 lists others
LM = "kit-gpt"  # the kit's small language model
SEED = 0  # any whole number from 0"""


@dataclass(frozen=True)
class Part:
    """One of the six notebooks, as ``half_day.yaml`` describes it.

    Args:
        number: its place, from 1.
        name: of its file, after the number.
        minutes: what the workshop gives it.
        title: heading of the notebook.
        question: the one line below it.
        objectives: what a learner can do afterwards, each a verb first.
        sources: names of source notebooks, in the order in which their cells stand.
        recap: what to take away.
    """

    number: int
    name: str
    minutes: int
    title: str
    question: str
    objectives: list[str]
    sources: list[str]
    recap: str

    @property
    def stem(self) -> str:
        return f"{self.number}_{self.name}"

    @property
    def tag(self) -> str:
        return f"half-day-{self.number}"


def parts(folder: Path) -> list[Part]:
    """The parts that ``folder / "src"`` describes; none where it describes no path."""
    described = folder / "src" / "half_day.yaml"
    raw = read_yaml(described)["parts"] if described.is_file() else []
    return [Part(number, **part) for number, part in enumerate(raw, start=1)]


# --- the notebooks ---


def _section(match: re.Match, here: dict[str, int], number: str) -> str:
    """How another section is named: by its number here, else with the notebook that has it."""
    if match["number"] in here:
        return f"{match['word']} {here[match['number']]}"
    return f"{match['word']} {match['number']} of notebook {number}"


def _fitted(cells: Sequence, number: str, first: int) -> list:
    """The cells of one source with their headings numbered from ``first``, other sections named as
    they are found from here, and links that lead one folder up.
    """
    old = re.findall(r"^## (\d+)\. ", "\n".join(c.source for c in _texts(cells)), re.M)
    here = {name: first + place for place, name in enumerate(old)}
    fitted = []
    for cell in copy.deepcopy(list(cells)):
        if cell.cell_type == "markdown":
            source = re.sub(
                r"^## (\d+)\. ", lambda found: f"## {here[found[1]]}. ", cell.source, flags=re.M
            )
            named = r"(?<!notebook \d\d, )\b(?P<word>sections?) (?P<number>\d+)(?! of notebook)"
            source = re.sub(named, partial(_section, here=here, number=number), source)
            cell.source = re.sub(r"\]\((?!\w+:|#)", "](../", source)
        fitted.append(cell)
    return fitted


def _without_empty_sections(cells: Sequence) -> list:
    """The cells, without a heading in the midst of a text whose section has no cell after it."""
    kept = []
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        begun = re.search(r"(?s)\n+## (?!.*\n## ).*", cell.source)
        empty = after is None or after.source.startswith("## ")
        if cell.cell_type == "markdown" and begun and empty:
            cell = copy.deepcopy(cell)
            cell.source = cell.source[: begun.start()]
        kept.append(cell)
    return kept


def _texts(cells: Sequence) -> list:
    return [cell for cell in cells if cell.cell_type == "markdown"]


def cells_of(part: Part, folder: Path) -> list:
    """The cells of one of the six notebooks, before the builder puts in its own.

    Raises:
        InputError: a source that is named and has no cell for this part.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    verbs = "\n".join(f"> - {objective}" for objective in part.objectives)
    box = (
        f"> **You will be able to**\n{verbs}\n>\n> **Time:** {part.minutes} minutes. Folded cells "
        "only prepare: run them, no need to read them.\n"
        f"> The long way: {', '.join(f'[{name}](../{name}.ipynb)' for name in part.sources)}. "
        "**Terms:** see the [glossary](../../GLOSSARY.md)."
    )
    title = f"# Half day, {part.number} of 6 · {part.title}\n**{part.question}**"
    cells = [
        new_markdown_cell(title, metadata={"tags": ["title"]}),
        new_markdown_cell(box, metadata={"tags": ["objectives"]}),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
    ]
    headings = 1
    for name in part.sources:
        chosen = with_what_they_need(read_source(folder / "src" / f"{name}.py"), part.tag)
        if not any(part.tag in tags_of(cell) for cell in chosen):
            raise InputError(f"half_day.yaml names {name}, where no cell is tagged {part.tag!r}")
        fitted = _fitted(_without_empty_sections(chosen), name[:2], headings)
        headings += sum(len(re.findall(r"^## \d+\. ", c.source, re.M)) for c in _texts(fitted))
        cells += fitted
    recap = f"## To take away\n{part.recap}"
    if any(re.search(r"^guess\(", cell.source, re.M) for cell in cells):
        source = "from tutorial_workshop.page import my_guesses\n\nmy_guesses()"
        cells.append(new_code_cell(source))
    return [*cells, new_markdown_cell(recap, metadata={"tags": ["recap"]})]


def built(folder: Path) -> dict[Path, str]:
    """Every file of the half-day path: path -> what should be in it."""
    root, found, rows = folder.resolve().parent, {}, []
    out = folder / "half_day"
    seconds = json.loads((out / SECONDS).read_text()) if (out / SECONDS).is_file() else {}
    for part in parts(folder):
        cells = cells_of(part, folder)
        for below, solution in (
            (f"{part.stem}.ipynb", False),
            (f"solutions/{part.stem}.ipynb", True),
        ):
            path = f"notebooks/half_day/{below}"
            found[out / below] = notebook_text(cells, root, path, solution)
        rows.append((part, minutes(cells, seconds.get(part.stem, {}).get("seconds", 0))))
    if rows:
        found[out / "README.md"] = readme(folder, rows, seconds)
    return found


# --- minutes ---


def minutes(cells: Sequence, seconds: float = 0) -> dict[str, float]:
    """What a notebook takes, by kind, and their sum as ``all``.

    Args:
        cells: of the notebook, without folded texts.
        seconds: processor seconds that its cells were measured to take.
    """
    words = sum(len(cell.source.split()) for cell in _texts(cells))
    shown = [c for c in cells if c.cell_type == "code" and "hide-input" not in tags_of(c)]
    code = "\n".join(cell.source for cell in shown)
    count = {
        "exercise": code.count("attempt("),
        "question": len(re.findall(r"^quiz\(", code, re.M)),
        "guess": sum(cell.source.count("**Guess first:**") for cell in _texts(cells)),
        "result": len([cell for cell in shown if not NO_RESULT.search(cell.source)]),
    }
    found = {"reading": words / WORDS, "waiting": seconds / 60}
    found |= {kind: number * EACH[kind] for kind, number in count.items()}
    return found | {"all": sum(found.values())}


def _named_minutes(folder: Path, number: str, of: str) -> int:
    """The minutes that a long notebook names in its box: to ``follow``, or with its exercises."""
    (path,) = (folder / "src").glob(f"{number}_*.py")
    box = path.read_text(encoding="utf-8").split("**Time:**")[1]
    follow, exercises = re.findall(r"\d+", box)[:2]
    return int(follow if of == "follow" else exercises)


def readme(folder: Path, rows: list, seconds: dict) -> str:
    """The page beside the six notebooks: three paths with their minutes."""
    longer = []
    for path in read_yaml(folder / "src" / "half_day.yaml")["paths"]:
        parts_of_it = [
            [
                (name, numbers, sum(_named_minutes(folder, n, path["of"]) for n in numbers))
                for name, numbers in path[where]
            ]
            for where in ("blocks", "home")
        ]
        longer.append((path, *parts_of_it))
    page = render(README, rows=rows, seconds=seconds, longer=longer, words=WORDS, each=EACH)
    return page.strip() + "\n"


# --- how long the cells take ---


def cell_seconds(notebook: Path) -> list[float]:
    """Processor seconds of each code cell, executed in a kernel of this interpreter."""
    import nbformat
    import psutil
    from nbclient import NotebookClient

    used, client = [], NotebookClient(nbformat.read(notebook, 4), kernel_name="python3")

    def now() -> float:
        return sum(psutil.Process(client.km.provisioner.pid).cpu_times()[:2])

    client.on_cell_execute = lambda cell, cell_index: used.append(-now())
    client.on_cell_executed = lambda **_: used.append(used.pop() + now())
    client.execute()
    return used


def main(folder: Path = Path("notebooks")) -> int:
    """Execute the six solutions and record their seconds."""
    found = {}
    for part in parts(folder):
        used = cell_seconds(folder / "half_day" / "solutions" / f"{part.stem}.ipynb")
        found[part.stem] = {"seconds": round(sum(used), 1), "longest": round(max(used), 1)}
        print(part.stem, found[part.stem], flush=True)
    text = json.dumps(found, indent=2) + "\n"
    write_whole(folder / "half_day" / SECONDS, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
