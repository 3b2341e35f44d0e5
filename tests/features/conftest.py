"""Logs that are rich in what goes wrong: ties, boundaries, clock changes, days before 1970, holes and heavy customers."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.datasets import simulate

ZONE = "Europe/London"
D = pd.Timedelta
AT = pd.to_datetime(
    ["2023-03-27 00:00", "2023-07-01 09:30:00.25", "2023-10-29 01:30", "2024-01-01", "2024-06-30 12:00"], format="mixed"
)
"""The morning after the spring change, a tied event, the repeated hour of the autumn change, a new year, an open day."""


def read(frame, **options):
    """The frame as a log, without remarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return InteractionLog.read(frame, **options)


@dataclass(frozen=True)
class World:
    """A log, the frame it came from, its zone and the instants at which to look."""

    frame: pd.DataFrame
    log: InteractionLog
    zone: str
    at: list[pd.Timestamp]

    def again(self, frame, **options):
        """Another frame, read in the same way."""
        return read(frame, timezone=self.zone, keep=[c for c in ("store", "mark") if c in frame], **options)


def made(frame, zone, at):
    """A world of a frame."""
    keep = [c for c in ("store", "mark") if c in frame]
    return World(frame, read(frame, timezone=zone, keep=keep), zone, list(at))


def nasty_frame():
    """Customers who each break something."""
    rng = np.random.default_rng(5)
    at = AT.tz_localize(ZONE, ambiguous=True).tz_convert("UTC")
    micro = D("1us")
    edges = [
        a - D(days=w) + step
        for a in at
        for w in (0, 1, 7, 30, 60, 90, 180, 364, 365, 394)
        for step in (-micro, 0 * micro, micro)
    ]
    clock = [f"{day} {hour}" for day in ("2023-03-25", "2023-03-26", "2023-10-28", "2023-10-29") for hour in
             ("00:30", "01:00", "01:30", "02:30", "22:30", "22:59:59.6", "23:00", "23:30", "23:59:59.999999")]  # fmt: skip
    old = [
        "1965-02-28 12:00",
        "1969-12-30 23:59:59.4",
        "1969-12-31 00:00",
        "1969-12-31 22:59:59.999999",
        "1971-03-01 05:00",
    ]
    times = {
        "boundary": edges, "boundary two": edges[::2], "clock": clock, "before 1970": old,
        "tied": ["2023-07-01 08:30:00.25"] * 9 + ["2023-06-30 12:00"] * 9, "single": ["2023-02-01 10:00"],
        "on the instant": [at[1]], "only returns": ["2023-02-01", "2023-02-01 00:00:01", "2023-06-01"],
        "only contacts": ["2023-03-01", "2023-05-01"], "holes": pd.date_range("2023-01-01", periods=40, freq="9D"),
        "steady": pd.date_range("2022-06-01 10:00", periods=100, freq="7D"), "close": pd.date_range("2023-01-01 10:00", periods=100, freq="D"),
        "late": ["2024-06-29 10:00", "2024-06-30 13:00"], "heavy": pd.to_datetime("2022-01-01") + pd.to_timedelta(rng.integers(0, 900 * 24, 3000), "h"),
    }  # fmt: skip
    for i in range(40):
        times[f"crowd {i:02d}"] = pd.to_datetime("2022-03-01") + pd.to_timedelta(
            rng.integers(0, 850 * 8, rng.integers(1, 60)) * 3, "h"
        )
    parts = [
        pd.DataFrame({"customer_id": who, "timestamp": pd.to_datetime(list(t), format="mixed", utc=True).as_unit("us")})
        for who, t in times.items()
    ]
    frame = pd.concat(parts, ignore_index=True)
    n, who = len(frame), frame["customer_id"]
    kind = rng.choice(["purchase", "return", "contact", "visit"], n, p=[0.6, 0.1, 0.1, 0.2])
    kind = np.select(
        [who == "only returns", who == "only contacts", who.isin(["single", "steady", "close"])],
        ["return", "contact", "purchase"],
        kind,
    )
    amount = np.round(rng.lognormal(3, 1, n), 2)
    amount = np.select([who == "steady", who == "close"], [0.1, 2e4 + np.round(rng.uniform(-0.01, 0.01, n), 4)], amount)
    frame["kind"], money = kind, np.isin(kind, ["purchase", "return"])
    frame["amount"] = np.where(money, np.where(kind == "return", -amount, amount), np.nan)
    frame["item_id"] = np.where(money, rng.integers(1, 30, n).astype(str), None)
    frame["order_id"] = np.where(
        money & (rng.random(n) < 0.9), who + " " + frame["timestamp"].dt.floor("12h").astype(str), None
    )
    for name, values, p in (
        ("category", ["tea", "cup", "pot"], 0.8),
        ("channel", ["web", "shop", "app"], 0.9),
        ("store", ["north", "south"], 0.7),
    ):
        frame[name] = np.where((rng.random(n) < p) & (who != "holes"), rng.choice(values, n), None)
    frame["rating"] = np.where((rng.random(n) < 0.3) & (who != "holes"), rng.integers(1, 6, n).astype(float), np.nan)
    frame["mark"] = np.where(rng.random(n) < 0.8, rng.normal(0, 1, n), np.nan)
    return pd.concat([frame, frame[frame["customer_id"] == "tied"].head(3)], ignore_index=True).sample(
        frac=1, random_state=1
    )


def late_frame(frame):
    """The same rows, a third of which became known only later: by microseconds, days or months."""
    rng = np.random.default_rng(6)
    delay = pd.to_timedelta(rng.choice([0, 1, 86_400_000_000, 40 * 86_400_000_000], len(frame)), "us")
    known = frame["timestamp"] + delay
    return frame.assign(known_at=known.where(rng.random(len(frame)) < 0.8))  # missing: known at once


@pytest.fixture(scope="session")
def nasty():
    return made(nasty_frame(), ZONE, AT)


@pytest.fixture(scope="session")
def late():
    """As `nasty`, with rows known later than they happened."""
    return made(late_frame(nasty_frame()), ZONE, AT)


@pytest.fixture(scope="session")
def simulated():
    """A few hundred simulated customers, with ratings added; one instant is the very time of an event."""
    frame = simulate(300, days=500, seed=4).interactions
    rng = np.random.default_rng(7)
    frame["rating"] = np.where(rng.random(len(frame)) < 0.2, rng.integers(1, 6, len(frame)).astype(float), np.nan)
    busy = frame["timestamp"].iloc[len(frame) // 2]
    return made(frame, "America/New_York", [pd.Timestamp("2023-06-01"), busy, pd.Timestamp("2024-02-01 17:00")])


@pytest.fixture(params=["late", *(pytest.param(name, marks=pytest.mark.slow) for name in ("nasty", "simulated"))])
def world(request):
    """Each of the worlds; the one that holds every trap of the others is looked at first."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def make():
    """A log of a few rows: ``make({"customer_id": [...], ...})``."""

    def build(rows, **options):
        frame = pd.DataFrame(rows)
        if not pd.api.types.is_datetime64_any_dtype(frame["timestamp"]):
            frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="mixed")
        return read(frame, **options)

    return build
