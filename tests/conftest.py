"""Fixtures of all test modules, and how many examples hypothesis tries: a share that is always the same one, or
(by hand) a long run of new ones."""

from hypothesis import HealthCheck, settings

from tests.browser import browser

__all__ = ["browser"]

EASY = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
settings.register_profile("share", max_examples=400, derandomize=True, deadline=None, suppress_health_check=EASY)
settings.register_profile("long", max_examples=50_000, deadline=None, suppress_health_check=EASY)
settings.load_profile("share")
