#!/usr/bin/env python3
"""Does the time of an answer tell which accounts exist?

    PYTHONPATH=src:. python benchmarks/oracle_login.py --tries 200

Logs in with wrong passwords at accounts of every kind, in an order that is drawn anew in each
round, and prints the median and the middle half of the times of each kind. Kinds that differ by
less than the middle half cannot be told apart by one try; the last column says by how many medians
of the known account they differ.
"""

import argparse
import logging
import os
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import median, quantiles

import django

DEFAULT_HASHER = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
GUESSED = ["known", "unknown", "inactive", "unusable"]
THROTTLED = ["throttled known", "throttled unknown"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200, help="of each kind")
    parser.add_argument("--hasher", default=DEFAULT_HASHER)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    logging.disable()

    from django.db import connection
    from django.test.utils import override_settings, setup_test_environment

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0)
    try:
        with override_settings(PASSWORD_HASHERS=[options.hasher]):
            report(measure(options.tries))
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def measure(tries: int) -> dict[str, list[float]]:
    """Return the seconds that each try took, by kind."""
    from django.contrib.auth.models import User

    from session_auth.models import GuessCount
    from tests.api_client import PASSWORD, ApiClient

    User.objects.create_user("known", password=PASSWORD)
    User.objects.create_user("throttled known", password=PASSWORD)
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)
    User.objects.create_user("unusable")
    browser = ApiClient(REMOTE_ADDR="9.9.9.9")
    browser.get("/api/auth/csrf/")
    for kind in THROTTLED:
        for number in range(5):
            browser.log_in(kind, f"wrong-{number}")
    # For as long as this runs.
    GuessCount.objects.filter(next_at__gt=0).update(next_at=2**40)
    throttled = set(GuessCount.objects.filter(next_at=2**40).values_list("id", flat=True))

    times: dict[str, list[float]] = {kind: [] for kind in GUESSED + THROTTLED}
    for _ in range(tries):
        for kind in random.sample(GUESSED + THROTTLED, len(times)):
            GuessCount.objects.exclude(id__in=throttled).delete()
            times[kind].append(timed(partial(browser.log_in, kind, "wrong")))
    return times


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def report(times: dict[str, list[float]]) -> None:
    print(f"{'account':<20}{'median':>12}{'middle half':>26}{'to known':>12}")
    for kinds in (GUESSED, THROTTLED):
        known = median(times[kinds[0]])
        for kind in kinds:
            low, middle, high = (1000 * value for value in quantiles(times[kind], n=4))
            apart = 100 * (middle / 1000 - known) / known
            half = f"{low:.3f} to {high:.3f} ms"
            print(f"{kind:<20}{middle:>9.3f} ms{half:>26}{apart:>+11.2f}%")


if __name__ == "__main__":
    main()
