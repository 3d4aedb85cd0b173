"""A notebook kernel for tests: run cells as a learner would, and look at what they leave on the
page.
"""

from __future__ import annotations

import contextlib

import nbformat
from nbclient import NotebookClient


@contextlib.contextmanager
def kernel(**environment: str):
    """A function that runs a cell and returns its outputs; the kernel gets ``environment``."""
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    with client.setup_kernel():

        def run(source: str) -> list:
            notebook.cells.append(nbformat.v4.new_code_cell(source))
            return client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1).outputs

        run("import os\nos.environ.update(" + repr(environment) + ")")
        yield run


def shown(outputs: list) -> list:
    """The outputs that a reader sees as more than a stream of text."""
    return [
        output for output in outputs if output.output_type in ("display_data", "execute_result")
    ]


def printed(outputs: list) -> str:
    """What a cell printed."""
    return "".join(
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stdout"
    )
