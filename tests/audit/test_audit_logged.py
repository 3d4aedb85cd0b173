"""Audits from a log: who is judged, whose ids are meant, and what a log must not pass over."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.evidence import UserMetric, collect
from tutorial_lib.audit.harms.quality import group_gaps
from tutorial_lib.audit.logs.coverage import coverage_lines
from tutorial_lib.audit.logs.logged import CUT_ITEM, UNKNOWN_ITEM, LoggedLists
from tutorial_lib.audit.logs.reading import read_log
from tutorial_lib.audit.report.tables import log_table
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.models import EASE, Popularity, Random
from tutorial_workshop.proof.injectors import OutOfCatalogue


@pytest.fixture(scope="module")
def ds():
    return load_dataset("world-movies").subset_users(range(1_000))


@pytest.fixture(scope="module")
def split(ds):
    return hold_out_k(ds, 5)


@pytest.fixture(scope="module")
def lists(split):
    """User code -> list, of a system that knows what it does; of the users with targets."""
    shown = EASE().fit(split).recommend(split.test_history, 10, users=split.users).tolist()
    return {int(split.users[i]): row for i, row in enumerate(shown) if len(split.test_target[i])}


def text(items) -> str:
    return " ".join(map(str, items))


def test_a_log_is_audited_as_the_system_itself(ds, split):
    """The same lists, called or logged, must give the same findings."""
    model = Popularity().fit(split)
    lists = model.recommend(split.test_history, 10, users=split.users)
    frame = pd.DataFrame({"user": split.users, "items": [text(row) for row in lists]})
    logged = audit(LoggedLists.from_frame(frame, name="shop"), ds, split)
    assert logged.findings == audit(model, ds, split).findings
    assert logged.system == "LoggedLists(name='shop')"


def test_only_logged_users_are_judged(ds, split, lists):
    """Who is not in the log was not looked at; who is in it with nothing was shown nothing."""
    part = {user: lists[user] for user in list(lists)[:150]} | {list(lists)[0]: []}
    evidence = collect(LoggedLists(part), ds, split)
    assert evidence.users.tolist() == list(part)
    assert evidence.faults["too_few"].tolist() == [1.0] + [0.0] * 149
    assert f"150 of the {len(lists)} users" in evidence.scope["users logged"]
    assert "fewer than 10 with an empty list" in evidence.scope["users logged"]
    many = part | {user: [] for user in list(lists)[:12]}
    assert ", 12 with an empty list" in collect(LoggedLists(many), ds, split).scope["users logged"]


def test_a_partial_log_has_the_gap_of_the_full_one(ds, split, lists):
    """32 % of women and 67 % of men logged: with the others at 0, women would look worse."""
    women = ds.users["gender"].to_numpy()[list(lists)] == "F"
    kept = np.random.default_rng(0).random(len(women)) < np.where(women, 0.32, 0.67)
    part = {user: lists[user] for user, keep in zip(lists, kept, strict=True) if keep}

    def gap(log):
        evidence = collect(LoggedLists(log), ds, split)
        values = evidence.metrics["ndcg@10"].to_numpy()
        rng = np.random.default_rng(0)
        return group_gaps(evidence, "gender", UserMetric("ndcg@10", values, 0.02), rng=rng)[
            0
        ], evidence

    (found, evidence), (full, whole) = gap(part), gap(lists)
    assert found.ci[0] < full.estimate < found.ci[1] and found.verdict != "MATERIAL"
    (line,) = [line for line in evidence.problems if "gender F" in line]
    assert "gender M" in line and "logged users" in line
    shares = evidence.log_coverage.set_index(["attribute", "group"])["share"]
    assert shares["gender", "F"] == pytest.approx(kept[women].mean())
    assert not whole.problems and (whole.log_coverage["share"] == 1).all()


def test_small_groups_of_a_log_are_not_counted_out(ds, split, lists):
    """Fewer than ten logged users of a group must not be told apart."""
    women = ds.users["gender"].to_numpy()[list(lists)] == "F"
    few = np.flatnonzero(women)[:5]
    part = {
        user: row
        for place, (user, row) in enumerate(lists.items())
        if place in few or not women[place]
    }
    table = collect(LoggedLists(part), ds, split).log_coverage
    table = table[table["attribute"] == "gender"].set_index("group")
    assert table.loc["F", ["logged", "users", "share"]].isna().all()
    men = table.loc["M", ["logged", "users"]]
    assert (men % 10 == 0).all() and men["logged"] == pytest.approx((~women).sum(), abs=5)
    assert table.loc["M", "share"] == 1
    told = log_table(collect(LoggedLists(part), ds, split, attributes=["gender"]).log_coverage)
    assert told["logged"].str.startswith("about").sum() == 1


@pytest.mark.parametrize("few", [0, 1, 9])
def test_a_group_that_is_all_but_absent_is_named(ds, split, lists, few):
    """The most extreme partial log must not be the one that nothing is said about."""
    women = ds.users["gender"].to_numpy()[list(lists)] == "F"
    kept = ~women
    kept[np.flatnonzero(women)[:few]] = True
    part = {user: row for (user, row), keep in zip(lists.items(), kept, strict=True) if keep}
    lines = collect(LoggedLists(part), ds, split, attributes=["gender"]).problems
    assert len(lines) == 1 and "fewer than 10 users of gender F" in lines[0]


def test_a_group_that_is_small_by_chance_is_not_named():
    """A log of one user in twenty holds few of a small group, and nobody left them out."""
    groups = np.repeat(["big", "small"], [2_000, 60])
    told = 0
    for seed in range(100):
        logged = np.random.default_rng(seed).random(len(groups)) < 0.05
        told += len(coverage_lines({"group": groups}, logged, 10))
    assert told <= 2
    assert coverage_lines({"group": groups[:30]}, np.ones(30, bool), 10) == []


def test_lists_that_are_shorter_than_k_are_told(ds, split, lists):
    """Half of all places would be empty, and no fault of the system."""
    log = LoggedLists({user: row[:5] for user, row in lists.items()})
    assert any("longest list has 5 items" in line for line in collect(log, ds, split).problems)
    assert not collect(log, ds, split, k=5).problems


def test_a_log_under_an_injector_is_still_a_log(ds, split, lists):
    part = {user: lists[user] for user in list(lists)[:100]}
    evidence = collect(OutOfCatalogue(LoggedLists(part), 0.2, ds.n_items), ds, split)
    assert len(evidence.users) == 100 and evidence.faults["unknown"].mean() > 0.1


# whose ids


def test_ids_of_the_data_set_are_taken_by_their_column_names(ds, split, lists):
    """One row a user or one row an item, in any order: the same lists as in codes."""
    users, items = ds.users["user_id"].to_numpy(), ds.items["item_id"].to_numpy()
    wide = pd.DataFrame(
        {
            "user_id": [users[user] for user in lists],
            "item_ids": [text(items[row]) for row in lists.values()],
        }
    )
    long = pd.DataFrame(
        [
            (users[user], items[item], place + 1)
            for user, row in lists.items()
            for place, item in enumerate(row)
        ],
        columns=["user_id", "item_id", "rank"],
    )
    shuffled = long.sample(frac=1, random_state=0)
    for frame in (wide, long.drop(columns="rank"), shuffled):
        assert LoggedLists.from_frame(frame, dataset=ds).lists == lists
    assert "own ids" in collect(LoggedLists.from_frame(wide, dataset=ds), ds, split).scope["log"]
    with pytest.raises(InputError, match="pass dataset="):
        LoggedLists.from_frame(wide)


def test_strange_users_and_items_are_counted_and_named(ds, split, lists):
    users, items = ds.users["user_id"].to_numpy(), ds.items["item_id"].to_numpy()
    rows = [(users[user], text(items[row])) for user, row in lists.items()]
    rows[0] = (rows[0][0], "nobody-knows " + rows[0][1])
    rows.append(("stranger", rows[1][1]))
    log = LoggedLists.from_frame(pd.DataFrame(rows, columns=["user_id", "item_ids"]), dataset=ds)
    evidence = collect(log, ds, split)
    assert any("stranger" in line and "users not in" in line for line in evidence.problems)
    assert any("nobody-knows" in line and "items not in" in line for line in evidence.problems)
    assert evidence.raw[0, 0] == UNKNOWN_ITEM and evidence.faults["unknown"].iloc[0] == 0.1
    codes = collect(LoggedLists(lists | {ds.n_users + 7: [1]}), ds, split)
    assert any(str(ds.n_users + 7) in line for line in codes.problems)


def test_items_that_the_kit_itself_cut_are_no_inventions(ds, lists):
    """A shop's log knows nothing of a 5-core: what it cut is neither a hit nor a fault."""
    core = ds.k_core(20)
    split = hold_out_k(core, 5)
    cut = sorted(set(ds.items["item_id"]) - set(core.items["item_id"]))[0]
    judged = split.users[[len(target) > 0 for target in split.test_target]]
    user = core.users["user_id"].iloc[judged[0]]
    kept = core.items["item_id"].iloc[:9]
    frame = pd.DataFrame({"user_id": [user], "item_ids": [text([cut, *kept])]})
    evidence = collect(LoggedLists.from_frame(frame, dataset=core, whole=ds), core, split)
    assert evidence.raw[0, 0] == CUT_ITEM and evidence.lists[0, 0] == -1
    assert evidence.faults[["unknown", "repeated", "too_few"]].to_numpy().sum() == 0
    assert any("cut from" in line and cut in line for line in evidence.problems)


@pytest.mark.parametrize(
    "log, wrong",
    [
        ({}, "none of the log's 0 users"),
        ({100_000 + user: [1, 2] for user in range(50)}, "none of the log's 50 users.*100000"),
        ({user + 1: [1, 2] for user in range(1_000)}, "user 1000 is not in .* counted from 1"),
    ],
)
def test_a_log_of_nobody_is_refused(ds, split, log, wrong):
    with pytest.raises(InputError, match=wrong):
        collect(LoggedLists(log), ds, split)


def problems(log, ds, split) -> str:
    return "\n".join(collect(LoggedLists(log), ds, split).problems)


def test_a_right_log_is_not_doubted(ds, split, lists):
    """False alarms would teach people to ignore the lines."""
    assert problems(lists, ds, split) == ""
    shown = Popularity().fit(split).recommend(split.test_history, 10)
    assert problems(dict(zip(split.users.tolist(), shown.tolist(), strict=True)), ds, split) == ""


def test_a_part_of_a_log_that_is_counted_from_1_is_noticed(ds, split, lists):
    """Without the last user nothing is out of range: the lists would hit far more read in time."""
    shifted = {user + 1: [item + 1 for item in row] for user, row in lists.items() if user < 990}
    assert "users as counted from 1 and items as counted from 1" in problems(shifted, ds, split)
    last = {user: [min(item + 1, ds.n_items) for item in row] for user, row in lists.items()}
    last[0] = [ds.n_items]
    assert "items look counted from 1" in problems(last, ds, split)


def test_ids_that_are_given_as_codes_are_noticed(ds, split, lists):
    """As in MovieLens, whose ids are numbers: here, ids are the codes in another order."""
    rng = np.random.default_rng(5)
    users = ds.users.assign(user_id=rng.permutation(ds.n_users).astype(str))
    items = ds.items.assign(item_id=rng.permutation(ds.n_items).astype(str))
    own = type(ds)("shop", ds.interactions, items, users, ds.card)
    split = hold_out_k(own, 5)
    user_id, item_id = (
        users["user_id"].astype(int).tolist(),
        items["item_id"].astype(int).to_numpy(),
    )
    ids = {user_id[user]: item_id[row].tolist() for user, row in lists.items()}
    told = problems(ids, own, split)
    assert "users as the data set's own ids and items as the data set's own ids" in told
    assert "random's level" in told or "mixed up" in told
    codes = pd.DataFrame(
        {"user_id": list(lists), "item_ids": [text(row) for row in lists.values()]}
    )
    log = LoggedLists.from_frame(codes, dataset=own)
    assert "read users as codes and items as codes" in problems_of(log, own, split)
    right = {
        "user_id": [user_id[u] for u in lists],
        "item_ids": [text(item_id[r]) for r in lists.values()],
    }
    assert problems_of(LoggedLists.from_frame(pd.DataFrame(right), dataset=own), own, split) == ""


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_a_log_that_is_off_by_one_downwards_is_noticed(ds, split, lists, keep):
    """Every shift puts lists beside other users, and one step back is as likely as one step on."""
    users = [user for user in lists if 0 < user < keep * ds.n_users]
    off = {user - 1: lists[user] for user in users}
    told = problems(off, ds, split)
    assert "may be mixed up" in told and "read users as one too low" in told
    off = {user: [item - 1 for item in lists[user] if item] for user in users}
    assert "read items as one too low" in problems(off, ds, split)
    off = {user - 1: [item - 1 for item in lists[user] if item] for user in users}
    assert "users as one too low and items as one too low" in problems(off, ds, split)


@pytest.mark.parametrize("step", [-3, -2, 2, 7])
def test_a_log_that_is_off_by_several_users_is_noticed(ds, split, lists, step):
    off = {(user + step) % ds.n_users: row for user, row in lists.items()}
    assert "may be mixed up" in problems(off, ds, split)


@pytest.mark.parametrize("fresh", [0, 1, 5])
def test_lists_of_consumed_items_suggest_no_other_reading(ds, split, lists, fresh):
    """They cannot hit their own user's targets, and others' only by chance."""
    histories = dict(zip(split.users.tolist(), split.test_history, strict=True))
    log = {
        user: [*row[:fresh], *histories[user][fresh - 10 :].tolist()] for user, row in lists.items()
    }
    told = problems(log, ds, split)
    assert "had consumed before" in told and "read " not in told and "random's" not in told


def test_of_a_few_users_nothing_is_said_that_chance_explains(ds, split, lists):
    """A dozen right lists may hit as little as random ones; 200 wrong ones are told."""
    rng, users = np.random.default_rng(3), list(lists)
    for n in (2, 3, 5, 8, 12) * 8:
        some = {user: lists[user][:5] for user in rng.choice(users, n, replace=False).tolist()}
        assert not collect(LoggedLists(some), ds, split, k=5).problems
    wrong = {user: rng.choice(ds.n_items, 10, replace=False).tolist() for user in users[:200]}
    assert "random's level" in problems(wrong, ds, split)


def problems_of(log, ds, split) -> str:
    return "\n".join(collect(log, ds, split).problems)


def test_users_that_are_mixed_up_are_noticed(ds, split, lists):
    mixed = dict(
        zip(lists, np.random.default_rng(1).permutation(list(lists.values())).tolist(), strict=True)
    )
    assert "users or items may be mixed up" in problems(mixed, ds, split)


def test_items_that_are_mixed_up_are_noticed(ds, split, lists):
    order = np.random.default_rng(2).permutation(ds.n_items)
    told = problems({user: order[row].tolist() for user, row in lists.items()}, ds, split)
    assert "random's level" in told and "mixed up" in told


def test_a_log_of_another_time_is_noticed(ds, split):
    """Made when the targets were known, none of them is shown; made long before, many were seen."""
    model = EASE().fit(split)

    def log(histories):
        shown = model.recommend(histories, 10).tolist()
        return dict(zip(split.users.tolist(), shown, strict=True))

    pairs = zip(split.test_history, split.test_target, strict=True)
    after = problems(log([np.concatenate(pair) for pair in pairs]), ds, split)
    assert "after the targets were consumed" in after and "read " not in after
    before = problems(
        log([history[: len(history) // 3] for history in split.test_history]), ds, split
    )
    assert "had consumed before" in before


def test_a_system_at_randoms_level_is_told(ds, split):
    shown = Random().fit(split).recommend(split.test_history, 10, users=split.users)
    assert "random's level" in problems(
        dict(zip(split.users.tolist(), shown.tolist(), strict=True)), ds, split
    )


# what is no log


@pytest.mark.parametrize(
    "frame, wrong",
    [
        (pd.DataFrame({"user": [1]}), "lack the column 'items'"),
        (pd.DataFrame({"items": ["1"]}), "lack the column 'user'"),
        (pd.DataFrame({"item_ids": ["1"]}), "lack the column 'user_id'"),
        (pd.DataFrame({"user": [1, 1], "items": ["1", "2"]}), "two logged lists"),
        (pd.DataFrame({"user": ["1", "01"], "items": ["1", "2"]}), "two logged lists"),
        (pd.DataFrame({"user": [1], "items": ["1 x"]}), "whole numbers"),
        (pd.DataFrame({"user": [1.2, 1.7], "items": ["1", "2"]}), "'1.2' is no code"),
        (pd.DataFrame({"user": [np.inf], "items": ["1"]}), "'inf' is no code"),
        (pd.DataFrame({"user": [None], "items": ["1"]}), "is no code"),
        (pd.DataFrame({"user": [-3], "items": ["1"]}), "'-3' is no code"),
        (pd.DataFrame({"user": [1], "items": [f"1 {10**20}"]}), "'100000000000000000000' is no"),
        (pd.DataFrame({"user": [1], "items": ["1 -7"]}), "'-7' is no code"),
        (pd.DataFrame({"user": [1], "items": ["1_000"]}), "'1_000' is no code"),
        (pd.DataFrame({"user": [1], "items": ["²"]}), "is no code"),
        (pd.DataFrame({"user": [1], "item_ids": ["1"]}), "mix codes and ids"),
        (pd.DataFrame({"user": [1], "user_id": ["a"], "items": ["1"]}), "keep one of them"),
        (pd.DataFrame([[1, 2, 3]], columns=["user", "items", "items"]), "keep one of them"),
        (pd.DataFrame({"user": [1, 1], "item": [1, 2], "rank": [1, 1]}), "two items of one rank"),
        (pd.DataFrame({"user": [1, 1], "item": [1, 2], "rank": [1, "x"]}), "rank 'x'"),
    ],
)
def test_a_broken_log_is_one_line(frame, wrong):
    with pytest.raises(InputError, match=wrong):
        LoggedLists.from_frame(frame)


LONG = pd.DataFrame({"user": [1, 1, 1, 2], "item": [5, 6, 7, 8]})


@pytest.mark.parametrize("name", ["Rank", "RANK", " rank"])
def test_ranks_are_read_however_they_are_spelt(name):
    frame = LONG.assign(**{name: [3, 1, 2, 1]})
    assert LoggedLists.from_frame(frame).lists == {1: [6, 7, 5], 2: [8]}
    with pytest.raises(InputError, match="keep one of them"):
        LoggedLists.from_frame(frame.assign(rank=1))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("score", [0.1, 0.9, 0.5, 0.2]),
        ("Score", ["0.1", "0.9", "0.5", "0.2"]),
        ("model_score", [1, 2, 3, 9]),
        ("pred", [0.9, np.nan, np.inf, 0.2]),
        ("position", [3, 2, 1, 1]),
        ("item_rank", [1, 3, 2, 1]),
    ],
)
def test_a_column_that_says_another_order_is_not_ignored(name, values):
    """A log in no order has another NDCG, and nothing would show it."""
    shuffled = LONG.assign(**{name: values})
    if name == "pred":
        shuffled = shuffled.iloc[[0, 2, 1, 3]]
    with pytest.raises(InputError, match=f"not in the order of the column '{name}'.*rank"):
        LoggedLists.from_frame(shuffled)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("score", [0.9, 0.5, 0.5, 2]),
        ("position", [1, 2, 3, 1]),
        ("slot", ["top", "left", "foot", "top"]),
        ("score", ["", "", "0.3", ""]),
        ("price", [3, 1, 2, 1]),
        ("rating", [3, 1, 5, 1]),
    ],
)
def test_a_column_that_agrees_or_says_no_order_is_ignored(name, values):
    frame = LONG.assign(**{name: values})
    assert LoggedLists.from_frame(frame).lists == {1: [5, 6, 7], 2: [8]}
    ranked = frame.assign(score=[1, 2, 3, 4], rank=[1, 2, 3, 1])
    assert LoggedLists.from_frame(ranked).lists == {1: [5, 6, 7], 2: [8]}


@pytest.mark.parametrize("form", ["v{}.0", "{}.0", "{}"])
def test_ids_are_taken_as_they_are_written(ds, form):
    """Only a number that pandas has made a fraction of loses its .0, and only if nobody has it."""
    users = ds.users.assign(user_id=[form.format(user) for user in range(ds.n_users)])
    items = ds.items.assign(item_id=[form.format(item) for item in range(ds.n_items)])
    own = type(ds)("shop", ds.interactions, items, users, ds.card)
    wide = pd.DataFrame(
        {"user_id": users["user_id"].iloc[:3], "item_ids": [text(items["item_id"][:4])] * 3}
    )
    long = pd.DataFrame({"user_id": users["user_id"].iloc[0], "item_id": items["item_id"][:4]})
    log = LoggedLists.from_frame(wide, dataset=own)
    assert log.lists == {user: [0, 1, 2, 3] for user in range(3)}
    assert LoggedLists.from_frame(long, dataset=own).lists == {0: [0, 1, 2, 3]}


def test_numbers_that_pandas_made_fractions_are_whole(ds):
    numbers = ds.users.assign(user_id=range(ds.n_users)), ds.items.assign(item_id=range(ds.n_items))
    own = type(ds)("shop", ds.interactions, numbers[1], numbers[0], ds.card)
    floats = pd.DataFrame({"user_id": [1.0, 1.0, 2.0], "item_id": [3.0, 4.0, np.nan]})
    assert LoggedLists.from_frame(floats, dataset=own).lists == {1: [3, 4], 2: []}
    codes = floats.set_axis(["user", "item"], axis=1)
    assert LoggedLists.from_frame(codes).lists == {1: [3, 4], 2: []}


@pytest.mark.parametrize(
    "lists",
    [
        {1.5: [1]},
        {-1: [1]},
        {"1": [1]},
        {True: [1]},
        {1: "12"},
        {1: [1.5]},
        {1: ["a"]},
        {1: 5},
        {1: [10**20]},
    ],
)
def test_lists_of_anything_but_codes_are_refused(lists):
    with pytest.raises(InputError, match="expected a"):
        LoggedLists(lists)


def test_lists_are_kept_by_user():
    with pytest.raises(InputError, match="users="):
        LoggedLists({0: [1]}).recommend([[0]])
    assert LoggedLists({3: [5, 6, 7]}).recommend([[]], 2, users=[3]).tolist() == [[5, 6]]
    assert LoggedLists({3: np.array([5, -1])}).lists == {3: [5]}
    masked = np.ma.masked_array([5, 6, 7], mask=[True, False, True])
    assert LoggedLists({3: masked}).lists == {3: [6]}


@pytest.mark.parametrize(
    "content, wrong",
    [
        (b"", "the first line is empty"),
        (b"user,items\n1,2\n2\n", "line 3: 1 fields under a header of 2"),
        (b"user,items\n1,2,3\n", "line 2: 3 fields under a header of 2"),
        (b'user,items\n1,"2\n', "line 2: unexpected end of data"),
        (b"user,items\n1,\xff\n", "byte 14 is not UTF-8"),
        ("user,items\n1,2\n".encode("utf-16"), "is not UTF-8"),
        (b"user,items\n1,\x002\n", "NUL byte"),
        (b"user,items\n1," + b"2 " * 100_000, "field larger"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_no_table_is_one_line(content, wrong, packed, tmp_path):
    path = tmp_path / ("log.csv.gz" if packed else "log.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=wrong) as error:
        read_log(path)
    assert "log.csv" in str(error.value)


def test_a_damaged_or_bottomless_archive_is_one_line(tmp_path, monkeypatch):
    """Cut, flipped, no gzip at all, and one that unpacks to more than fits."""
    path = tmp_path / "log.csv.gz"
    whole = gzip.compress(b"user,items\n" + b"".join(b"%d,1 2 3\n" % user for user in range(5_000)))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    for content in (whole[:200], bytes(flipped), b"user,items\n1,2\n", whole[:5]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            read_log(path)
    monkeypatch.setattr("tutorial_lib.data.any_table.MOST_BYTES", 1_000)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="unpacked"):
        read_log(path)


def test_a_table_is_read_whatever_wrote_it(tmp_path):
    """BOM, Windows and old Mac line ends, quotes, blank lines, spaces in the header, 1.0 for 1."""
    path = tmp_path / "log.csv"
    for content in (
        b"\xef\xbb\xbfuser,items\r\n1,2 3\r\n2,\r\n",
        b"user,items\r1,2 3\r2,\r",
        b'when, user ,"items"\nx,1,"2 3"\n\ny,2,""\n',
        b"user,items\n1.0,2 3 -1\n2.0,-1 -1\n",
    ):
        path.write_bytes(content)
        assert LoggedLists.from_frame(read_log(path)).lists == {1: [2, 3], 2: []}
