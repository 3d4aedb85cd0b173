"""One small data set, its split, evidence and report for all tests of the audit's core."""

from __future__ import annotations

import pytest
from audit_town import Fixed, K, town

from tutorial_lib.audit import audit
from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.data import random_hold_out


@pytest.fixture(scope="session")
def split():
    return random_hold_out(town(), 3)


@pytest.fixture(scope="session")
def evidence(split):
    return collect(Fixed(), split.dataset, split, k=K)


@pytest.fixture(scope="session")
def report(split):
    return audit(Fixed(), split.dataset, split)
