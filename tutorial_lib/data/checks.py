"""What `Dataset` asks of its tables: codes that are codes, times that sort as time, one row per id.

A row number in a message counts from 0, as ``frame.iloc`` does.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from pandas.api import types

from tutorial_lib.errors import InputError, is_number, short_repr

LATEST = 10**11  # seconds: the year 5138, or 1973 where somebody counts milliseconds
EXACT = 2**24  # largest whole number up to which float32 holds every one
CODES = "turn ids into codes with codes, ids = pd.factorize(log[{0!r}])"
TIMES = (
    "turn dates into times with pd.to_datetime(log[{0!r}]), "
    "numbers kept as text into numbers with pd.to_numeric(log[{0!r}])"
)
RATINGS = "turn it into numbers with pd.to_numeric(log[{0!r}], errors='coerce')"


def check_columns(where: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """InputError unless ``frame`` is a DataFrame that has each of these columns once."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{where}: expected a pandas DataFrame, found {type(frame).__name__}")
    for column in columns:
        number = int((frame.columns == column).sum())
        if number == 0:
            raise InputError(f"{where} lack column {column!r}; expected {', '.join(columns)}")
        if number > 1:
            raise InputError(f"{where} have {number} columns {column!r}; expected one")


def checked_interactions(
    where: str, frame: pd.DataFrame, n_users: int, n_items: int
) -> pd.DataFrame:
    """The interactions with rows numbered from 0, codes and seconds as int64, ratings as float64.

    Columns may be of any numeric dtype; ``timestamp`` may also be datetime64, with a time zone or
    without. Raises InputError naming the column and the first row that takes a guess to read.
    """
    check_columns(where, frame, ("user", "item", "rating", "timestamp"))
    user = checked_codes(where, frame["user"], n_users)
    columns = {
        "user": user,
        "item": checked_codes(where, frame["item"], n_items),
        "rating": _ratings(where, frame["rating"]),
        "timestamp": _seconds(where, frame["timestamp"], user),
    }
    changed = {name: array for name, array in columns.items() if frame[name].dtype != array.dtype}
    if not _numbered(frame):
        frame = frame.reset_index(drop=True)
    return frame.assign(**changed) if changed else frame


def check_ids(where: str, frame: pd.DataFrame, column: str) -> None:
    """InputError unless each row of users or items can be found by its number and by its id."""
    check_columns(where, frame, (column,))
    if not _numbered(frame):
        raise InputError(
            f"{where}: row labels must be 0..{len(frame) - 1} in order, because a code is a row's "
            "number; bring the rows into the order of the codes, then reset_index(drop=True)"
        )
    ids = frame[column]
    _refuse(where, ids, ids.isna(), "is missing", "an id in every row")
    unhashable = [not isinstance(value, Hashable) for value in ids]
    _refuse(where, ids, unhashable, "is no id", "ids must be text or numbers")
    once = "each id once, drop_duplicates removes others"
    _refuse(where, ids, ids.duplicated(), "is there already", once)


def check_texts(where: str, items: pd.DataFrame) -> None:
    """InputError for titles that are no text, and for categories that would be read by letters."""
    if "title" in items:
        check_columns(where, items, ("title",))
        wrong = [not isinstance(title, str) for title in items["title"]]
        expected = "text in every row: items['title'].fillna('').astype(str)"
        _refuse(where, items["title"], wrong, "is no text", expected)
    if "categories" in items:
        check_columns(where, items, ("categories",))
        wrong = [isinstance(names, str) for names in items["categories"]]
        expected = "a tuple of names, as items['categories'].str.split('|').map(tuple) gives"
        _refuse(where, items["categories"], wrong, "is one text", expected)


def checked_codes(where: str, column: pd.Series, size: int) -> np.ndarray:
    """The column as int64 codes in 0..size-1, shape [rows]."""
    mend = CODES.format(column.name)
    expected = f"codes 0..{size - 1}; {mend}"
    values = _numbers(where, column, expected)
    _refuse(where, column, np.isnan(values), "is missing", expected)
    with np.errstate(invalid="ignore"):  # inf % 1 is NaN
        _refuse(where, column, values % 1 != 0, "is not a whole number", expected)
    outside = (values < 0) | (values >= size)
    if outside.any():
        raise InputError(
            f"{where}, row {int(np.argmax(outside))}: {column.name} codes must lie in "
            f"0..{size - 1}, found {values.min():.0f}..{values.max():.0f}; a code is a row number "
            f"of {column.name}s, so either rows are missing there or these are ids: {mend}"
        )
    return values.astype(np.int64, copy=False)


def _ratings(where: str, column: pd.Series) -> np.ndarray:
    """The column as float64, NaN where there is no rating."""
    expected = f"a finite number, or NaN where there is none; {RATINGS.format(column.name)}"
    values = _numbers(where, column, expected)
    _refuse(where, column, np.isinf(values), "is not finite", expected)
    return values


def _seconds(where: str, column: pd.Series, user: np.ndarray) -> np.ndarray:
    """The column as int64 seconds since 1970; fractions are dropped where each user's order stays
    as it is.
    """
    mend = f"seconds since 1970 or datetime64; {TIMES.format(column.name)}"
    missing = column.isna().to_numpy(dtype=bool)
    drop = f"a time in every row; leave such rows out with log.dropna(subset=[{column.name!r}])"
    _refuse(where, column, missing, "is missing", drop)
    if getattr(column.dtype, "kind", "") == "M":
        index = pd.DatetimeIndex(column)
        index = index.tz_convert(None) if index.tz is not None else index
        exact = index.asi8
        ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[index.unit]
        seconds = exact // ticks
        fraction = exact % ticks
    else:
        exact = _numbers(where, column, mend)
        _refuse(where, column, ~np.isfinite(exact), "is not finite", mend)
        if types.is_float_dtype(column.dtype) and column.dtype.itemsize < 8:
            narrow = "64 bits: float32 holds today's seconds only to the minute"
            _refuse(where, column, exact >= EXACT, "is rounded", narrow)
        seconds = np.floor(exact)
        fraction = exact - seconds
    early = f"a time from 1970 on, 0..{LATEST:,} seconds; subtract the least from relative times"
    _refuse(where, column, seconds < 0, "is negative", early)
    large = f"at most {LATEST:,}; are these milli-, micro- or nanoseconds? divide to get seconds"
    _refuse(where, column, seconds >= LATEST, "is too large for seconds", large)
    if fraction.any() and not _same_order(exact, seconds, user):
        raise InputError(
            f"{where}, column {column.name!r}: only fractions of a second tell which of a user's "
            "events came first, and whole seconds are kept; do "
            f"log.sort_values({column.name!r}, kind='stable') first: events of the same second "
            "keep the order of the rows"
        )
    return seconds.astype(np.int64, copy=False)


def _same_order(exact: np.ndarray, seconds: np.ndarray, user: np.ndarray) -> bool:
    return bool((np.lexsort((exact, user)) == np.lexsort((seconds, user))).all())


def _numbers(where: str, column: pd.Series, expected: str) -> np.ndarray:
    """The column as float64, NaN where a value is missing; only numbers are taken.

    Codes and seconds are far below 2^53, up to which float64 holds every whole number.
    """
    if not len(column):
        return np.empty(0)
    if column.dtype == object:
        missing = column.isna().to_numpy(dtype=bool)
        real = np.array([is_number(value) for value in column])
        _refuse(where, column, ~(real | missing), "is no number", expected)
        return np.array([_as_float(value) for value in column])
    plain = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    if not plain or types.is_complex_dtype(column.dtype):
        everywhere = np.ones(len(column), dtype=bool)
        _refuse(where, column, everywhere, f"is {column.dtype}, no number", expected)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _as_float(value) -> float:
    """A missing value as NaN, a number of more than 308 digits as infinity."""
    if pd.isna(value):  # float(pd.NA) is an error
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _numbered(frame: pd.DataFrame) -> bool:
    """Are the row labels 0, 1, 2, ...?"""
    return frame.index.equals(pd.RangeIndex(len(frame)))


def _refuse(where: str, column: pd.Series, bad, why: str, expected: str) -> None:
    """InputError that names the first row of ``bad`` (bool [rows]), if there is any."""
    bad = np.asarray(bad)
    if bad.any():
        row = int(np.argmax(bad))
        value = column.iloc[row]
        shown = short_repr(value.item() if isinstance(value, np.generic) else value, 40)
        place = f"{where}, column {column.name!r}, row {row}"
        raise InputError(f"{place}: {shown} {why}; expected {expected}")
