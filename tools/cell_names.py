"""What the code of a notebook's cells binds and reads, and the cells that others rest on."""

from __future__ import annotations

import ast
import builtins
import copy
import re
import symtable
from collections.abc import Iterable, Sequence

from tools.builder import tags_of

# of Python, of a kernel, and of the parameters cell
KNOWN = {*dir(builtins), "get_ipython", "PROFILE", "DATASET", "LM", "SEED"}


def _changed(node: ast.stmt) -> set[str]:
    """Names whose value a statement changes in its place: ``a += 1``, ``a["b"] = 1``."""
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    into = {
        target.value.id
        for target in targets
        if isinstance(target, (ast.Subscript, ast.Attribute)) and isinstance(target.value, ast.Name)
    }
    return into | (names if isinstance(node, ast.AugAssign) else set())


def _names(node: ast.stmt) -> tuple[set[str], set[str]]:
    """Names that one statement binds, and those that it reads from outside itself."""
    top = symtable.symtable(ast.unparse(node), "cell", "exec")
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    read, tables = set(), [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        read |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and s.is_global()}
    changed = _changed(node)
    bound, read = bound | changed, read | changed
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        read.discard(node.name)  # it may call itself
    return bound, read


def _statements(nodes: Iterable[ast.stmt]) -> Iterable[ast.stmt]:
    """Statements in the order in which they run; of a loop or a branch its head, then its body."""
    for node in nodes:
        if isinstance(node, ast.Try):
            handlers = [statement for handler in node.handlers for statement in handler.body]
            yield from _statements([*node.body, *handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, (ast.For, ast.While, ast.If, ast.With)):
            head = copy.copy(node)
            head.body = [ast.Pass()]
            if not isinstance(head, ast.With):
                head.orelse = []
            yield head
            yield from _statements([*node.body, *getattr(node, "orelse", [])])
        else:
            yield node


def _without_magics(source: str) -> str:
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.M)


def bound_and_needed(source: str) -> tuple[set[str], set[str]]:
    """Names that the code of a cell binds, and those that it reads before it binds them.

    >>> bound, needed = bound_and_needed("a = b + len(a)\\nfor c in a:\\n    d = c")
    >>> sorted(bound), sorted(needed)
    (['a', 'c', 'd'], ['a', 'b'])
    """
    tree = ast.parse(_without_magics(source))
    bound: set[str] = set()
    needed: set[str] = set()
    for node in _statements(tree.body):
        new, read = _names(node)
        needed |= read - bound - KNOWN
        bound |= new
    return bound, needed


def _only_imports(source: str, wanted: set[str]) -> str:
    """The import statements of a cell that bind a wanted name."""
    kept = []
    for node in ast.parse(_without_magics(source)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _names(node)[0] & wanted:
            kept.append(ast.get_source_segment(_without_magics(source), node) or "")
    return "\n".join(kept)


def with_what_they_need(cells: Sequence, tag: str) -> list:
    """The cells that bear a tag, and before each the nearest ones that bind what its code reads.

    What comes along is a copy with its input folded; of a cell that is needed for its imports
    alone, only these.
    """
    wanted: set[str] = set()
    chosen = []
    for cell in reversed(cells):
        shown = tag in tags_of(cell)
        if cell.cell_type == "markdown" or "parameters" in tags_of(cell):
            chosen += [cell] if shown else []
            continue
        if not shown:
            cell = copy.deepcopy(cell)
            cell.metadata["tags"] = [*tags_of(cell), "hide-input"]
            cell.metadata["jupyter"] = {"source_hidden": True}
            asked_for = bound_and_needed(cell.source)[0] & wanted
            imports = _only_imports(cell.source, wanted)
            if asked_for <= bound_and_needed(imports)[0]:
                cell.source = imports
        bound, needed = bound_and_needed(cell.source)
        if shown or bound & wanted:
            wanted = (wanted - bound) | needed
            chosen.append(cell)
    return chosen[::-1]


def undefined(cells: Sequence) -> set[str]:
    """Names that the code cells of a notebook read and no earlier one binds."""
    there, missing = set(KNOWN), set()
    for cell in cells:
        if cell.cell_type == "code":
            bound, needed = bound_and_needed(cell.source)
            missing |= needed - there
            there |= bound
    return missing
