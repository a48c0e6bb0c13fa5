"""Fixtures of all test modules, and how many examples hypothesis tries: a share that is always the same one, or
(by hand) a long run of new ones."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import browser

__all__ = ["browser"]

EASY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
settings.register_profile("share", max_examples=400, derandomize=True, deadline=None, suppress_health_check=EASY)
settings.register_profile("long", max_examples=50_000, deadline=None, suppress_health_check=EASY)
settings.load_profile("share")

# A shell that runs the tests in the background has them ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def patience() -> Iterator[None]:
    """A diagnosis may take longer than a user would wait: what it finds is tested, on machines of any speed."""
    from rowcol.bridge.diagnose import engine, search  # pytest alone, without its tests, loads nothing of ours

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "BUDGET", 3 * engine.BUDGET)
        patch.setattr(search, "EXPLAINING", 3 * search.EXPLAINING)
        yield


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A diagnosis gets little time, which is enough for one plain fault: what cannot be found is given up soon."""
    monkeypatch.setattr("rowcol.bridge.diagnose.engine.BUDGET", 1.0)
