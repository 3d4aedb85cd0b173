"""MIND files, mutated: the kit's own error or a sound data set, and nothing else."""

from fuzzing import CASES, fuzz_loader

ARTICLES = range(1, 9)
HISTORY = "N1 N2 N1"  # an article read twice
VALID = {
    "news.tsv": (
        "".join(
            f"N{n}\tsports\tgolf\tTitle {n} é\tAbstract\thttps://x\t[]\t[]\n" for n in ARTICLES
        ).encode()
    ),
    "behaviors.tsv": (
        "".join(
            f"{n}\tU{n % 4}\t11/{10 + n}/2019 {1 + n}:0{n}:59"
            f" {'AP'[n % 2]}M\t{HISTORY if n % 4 else ''}\tN{n}-1 N{(n + 3) % 8 + 1}-0\n"
            for n in ARTICLES
        ).encode()
    ),
}


def test_mutated_files_are_refused_or_load_soundly():
    outcomes = fuzz_loader("mind-small", VALID)
    assert min(outcomes["loaded"], outcomes["refused"]) > CASES / 20
