"""``python -m tutorial_lib`` is the ``tutorial`` command, found by its entry point: the library
itself knows no command line.
"""

import sys
from importlib.metadata import entry_points


def main() -> int:
    found = entry_points(group="console_scripts", name="tutorial")
    if not found:
        print(
            "python -m tutorial_lib: the kit is not installed; run: pip install -e .",
            file=sys.stderr,
        )
        return 2
    return next(iter(found)).load()()


if __name__ == "__main__":
    sys.exit(main())
