"""``tutorial capstone``: your own log, from files to a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from tutorial_lib.errors import InputError
from tutorial_workshop.capstone.run import parsed_columns, run_capstone


def capstone(args: argparse.Namespace) -> int:
    """Run it as the command line asks; returns the exit status, 0."""
    for path in filter(None, (args.log, args.items, args.users)):
        if not path.is_file():
            raise InputError(f"{path}: no such file here; give the path of a log or table")
    out = args.out or Path("runs", f"capstone-{args.log.name.split('.')[0][:80] or 'log'}")
    page = run_capstone(
        args.log,
        out,
        items=args.items,
        users=args.users,
        columns=parsed_columns(args.column),
        minutes=args.minutes,
        seed=args.seed,
        tell=lambda line: print(line, flush=True),
    )
    print(f"page: {page} (also model_card.md, leaderboard.csv and audit/report.html)")
    return 0
