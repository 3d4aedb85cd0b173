"""MovieLens files, mutated: the kit's own error or a sound data set, and nothing else."""

import pytest
from fuzzing import CASES, fuzz_loader

GENRES = 19


def film(number: int, title: str) -> str:
    return f"{number}|{title}|01-Jan-1995||http://x|" + "|".join(
        str(int(g == number)) for g in range(GENRES)
    )


USERS, FILMS = range(1, 7), range(1, 6)
TITLES = ["Misérables, Les (1995)", "Plain (1999)", '"Q" (1982)', "no year", "Twelve (2012)"]
RATED = [
    (u, i, (u * i) % 5 + 1, 880_000_000 + 10 * ((u * 3 + i * 7) % 5))
    for u in USERS
    for i in FILMS
    if (u + i) % 5
]
VALID = {
    "ml-100k": {
        "u.data": "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in RATED).encode(),
        "u.item": (
            "".join(film(i, title) + "\n" for i, title in zip(FILMS, TITLES)).encode("latin-1")
        ),
        "u.user": "".join(f"{u}|{20 + u}|{'FM'[u % 2]}|other|0000{u}\n" for u in USERS).encode(),
    },
    "ml-1m": {
        "ratings.dat": "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in RATED).encode(),
        "movies.dat": (
            "".join(f"{i}::{title}::Crime|Drama\n" for i, title in zip(FILMS, TITLES)).encode(
                "latin-1"
            )
        ),
        "users.dat": (
            "".join(
                f"{u}::{'FM'[u % 2]}::{(1, 18, 56)[u % 3]}::{u}::4806{u}\n" for u in USERS
            ).encode()
        ),
    },
    "ml-latest-small": {
        "ratings.csv": (
            b"userId,movieId,rating,timestamp\r\n"
            + "".join(f"{u},{i},{r}.0,{t}\r\n" for u, i, r, t in RATED).encode()
        ),
        "movies.csv": (
            b"movieId,title,genres\r\n"
            + "".join(
                '{},"{}",Drama|War\r\n'.format(i, title.replace('"', '""'))
                for i, title in zip(FILMS, TITLES)
            ).encode()
        ),
        "tags.csv": (
            b"userId,movieId,tag,timestamp\r\n"
            + b'2,1,"funny, ""really""",1445714994\r\n3,2,sad,1445714996\r\n'
        ),
    },
}


@pytest.mark.parametrize("name", VALID)
def test_mutated_files_are_refused_or_load_soundly(name):
    outcomes = fuzz_loader(name, VALID[name])
    assert min(outcomes["loaded"], outcomes["refused"]) > CASES / 20  # both ends are reached
