"""Amazon files, mutated: the kit's own error or a sound data set, and nothing else."""

from fuzzing import CASES, fuzz_loader

ITEMS = range(1, 8)
VALID = {
    "Games-6k.item": (
        b"item_id:token\ttitle:token_seq\n"
        + "".join(f"{i}\tGame {i} &amp; é\n" for i in ITEMS).encode()
    ),
    "Games-6k.test.inter": (
        b"user_id:token\titem_id_list:token_seq\titem_id:token\n"
        + b"".join(
            b"%d\t%d %d %d\t%d\n"
            % (u, u % 7 + 1, (u + 2) % 7 + 1, (u + 4) % 7 + 1, (u + 5) % 7 + 1)
            for u in range(1, 8)
        )
    ),
}


def test_mutated_files_are_refused_or_load_soundly():
    outcomes = fuzz_loader("amazon-games", VALID)
    assert min(outcomes["loaded"], outcomes["refused"]) > CASES / 20
