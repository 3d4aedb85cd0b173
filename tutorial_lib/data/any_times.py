"""Times as people write them, as seconds since 1970; what could be read in two ways is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np
import pandas as pd

from tutorial_lib.errors import InputError, short_repr

UNITS = {  # name -> how many make a second; plausible from 1973 to 2103
    "seconds": 1,
    "milliseconds": 10**3,
    "microseconds": 10**6,
    "nanoseconds": 10**9,
}
EARLY, LATE = 1e8, 4.2e9  # seconds
COMPACT = {"%Y%m%d": (19000101, 21001231), "%Y%m%d%H%M%S": (19000101000000, 21001231235959)}
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})((?:[T ].*)?)")
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d{2})((?:[ T,].*)?)")
AMAZON = re.compile(r"(\d{1,2}) (\d{1,2}), (\d{4})()")  # 09 13, 2009: month, day, year
MONTH = re.compile(r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", re.IGNORECASE)
MEND = "write all as seconds since 1970, or as 2019-04-30 12:00:00"


def seconds_of(texts: Sequence[str], where: Callable[[int], str]) -> tuple[np.ndarray, bool, str]:
    """What a column of times says.

    Args:
        texts: without spaces around them; "" where a time is missing.
        where: gives file, column and line of a place in ``texts``, for messages.

    Returns:
        float64 [n], NaN where missing: seconds since 1970, or ranks where numbers are an order and
        no times; True if they are times; how they were read, one sentence.

    Raises:
        InputError: a text is no time, is of another kind than the others, or all could be read in
            two ways.

    >>> seconds_of(["2024-05-01", "2024-05-01 00:00:07"], str)[0].tolist()
    [1714521600.0, 1714521607.0]
    >>> seconds_of(["3", "1", "2"], str)[:2]
    (array([2., 0., 1.]), False)
    """
    codes, unique = pd.factorize(np.array(texts, dtype=object))
    first = np.unique(codes, return_index=True)[1]  # place of each different text

    def refuse(bad: int, why: str) -> NoReturn:
        place = int(first[bad])
        raise InputError(f"{where(place)}: {short_repr(texts[place], 40)} {why}; {MEND}")

    given = np.array([text != "" for text in unique], dtype=bool)
    if not given.any():
        return np.full(len(texts), np.nan), False, "no time is given"
    series = pd.Series(unique, dtype=object)
    values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.isfinite(values)
    if (numbers & given).sum() * 2 > given.sum():
        odd = np.flatnonzero(given & ~numbers)
        if len(odd):
            refuse(odd[0], "is no number, as the other times are")
        seconds, are_times, how = _numbers(np.where(given, values, np.nan), refuse)
    else:
        seconds, how = _dates(series.where(given, None), refuse)
        are_times = True
    seconds = np.where(given, seconds, np.nan)
    least = np.nanmin(seconds)
    if least < 0:
        seconds = seconds - least
        how = f"{how}; some lie before 1970, so seconds are counted from the earliest"
    return seconds[codes], are_times, how


def _numbers(values: np.ndarray, refuse: Callable) -> tuple[np.ndarray, bool, str]:
    """Numbers as seconds since 1970, dates without signs, or nothing but an order."""
    size = np.abs(values)
    known = ~np.isnan(values)
    for form, (low, high) in COMPACT.items():
        if ((size >= low) & (size <= high))[known].all():
            texts = pd.Series([None if np.isnan(value) else f"{value:.0f}" for value in values])
            times = pd.to_datetime(texts, format=form, errors="coerce")
            if times.notna()[known].all():
                return _since_1970(times), True, f"times are dates, as {texts[known].iloc[0]}"
    best = max(UNITS, key=lambda name: (_within(size, UNITS[name]) & known).sum())
    fits = _within(size, UNITS[best])
    if not fits[known].any():
        large = np.flatnonzero(known & (size >= EARLY))
        if len(large):
            refuse(large[0], "is neither a time since 1970 nor a place in an order")
        ranks = pd.Series(values).rank(method="dense").to_numpy() - 1
        return ranks, False, "the numbers are too small for times since 1970: read as an order"
    odd = np.flatnonzero(known & ~fits)
    if len(odd):
        refuse(odd[0], f"is no time in {best} since 1970, as the others are")
    return values / UNITS[best], True, f"times are {best} since 1970"


def _within(size: np.ndarray, per_second: int) -> np.ndarray:
    return (size >= EARLY * per_second) & (size < LATE * per_second)


def _dates(series: pd.Series, refuse: Callable) -> tuple[np.ndarray, str]:
    """Dates in words or digits as seconds since 1970."""
    given = series.notna()
    texts = series[given].str.replace(r"\s*(UTC|GMT)$", "", regex=True)
    if texts.str.fullmatch(YEAR_FIRST).all():
        parts = texts.str.extract(YEAR_FIRST)
        how = "times are dates, year first"
    elif texts.str.fullmatch(YEAR_LAST).all():
        parts, how = _year_last(texts, refuse)
    elif texts.str.fullmatch(AMAZON).all():
        parts = texts.str.extract(AMAZON)[[2, 0, 1, 3]]
        how = "times are dates, month first, year last"
    elif texts.str.contains(MONTH).all():
        times = pd.to_datetime(texts, format="mixed", utc=True, errors="coerce")
        return _checked(times, series, refuse), "times are dates with the month's name"
    else:
        forms = (YEAR_FIRST, YEAR_LAST, AMAZON)
        form = max(forms, key=lambda form: texts.str.fullmatch(form).sum())
        refuse(texts.index[~texts.str.fullmatch(form)][0], "is no time that could be read")
    year, month, day, rest = (parts.iloc[:, place].fillna("") for place in range(4))
    iso = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)
    rest = rest.str.strip(" T,")
    iso = iso.where(rest == "", iso + " " + rest)
    times = pd.to_datetime(iso, format="ISO8601", utc=True, errors="coerce")
    other = times.isna()  # such as 5:30 PM
    if other.any():
        times[other] = pd.to_datetime(iso[other], format="mixed", utc=True, errors="coerce")
    return _checked(times, series, refuse), f"{how}; without a zone they are read as UTC"


def _year_last(texts: pd.Series, refuse: Callable) -> tuple[pd.DataFrame, str]:
    """Year, month, day and rest of dates such as 30.4.2019 or 4/30/19."""
    parts = texts.str.extract(YEAR_LAST)
    one, two = (parts[place].astype(int) for place in (0, 2))
    dots = (parts[1] == ".").all()  # in no country with dots does the month come first
    if (one > 12).any() and (two > 12).any():
        day_first = int((one > 12).sum()) >= int((two > 12).sum())
        refuse(parts.index[(two if day_first else one) > 12][0], "has day and month the other way")
    if not dots and not (one > 12).any() and not (two > 12).any():
        refuse(parts.index[0], "may be day or month first, and no other date tells which")
    day_first = dots or bool((one > 12).any())
    short = parts[3].str.len() == 2
    century = np.where(parts[3].astype(int) < 70, "20", "19")
    year = parts[3].where(~short, pd.Series(century, index=parts.index) + parts[3])
    month, day = (2, 0) if day_first else (0, 2)
    order = "day" if day_first else "month"
    found = pd.DataFrame({0: year, 1: parts[month], 2: parts[day], 3: parts[4]})
    return found, f"times are dates, {order} first"


def _checked(times: pd.Series, series: pd.Series, refuse: Callable) -> np.ndarray:
    """Seconds since 1970 in the order of ``series``; refuses what is no date."""
    bad = times.isna() | ~times.dt.year.between(1900, 2100)
    if bad.any():
        refuse(times.index[bad][0], "is no date that exists between 1900 and 2100")
    return _since_1970(times.reindex(series.index))


def _since_1970(times: pd.Series) -> np.ndarray:
    times = times.dt.tz_localize(None) if times.dt.tz is not None else times
    return ((times - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(dtype=np.float64)
