"""What goes together: counts by pencil, intervals that cover, sequences, bundles and partners."""

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog
from crmintel.errors import DataContractError
from crmintel.recommend import bought_together


def baskets(rows: list[tuple[int, str, str]]) -> InteractionLog:
    """Customer, day, and the items of the basket, a letter each."""
    flat = [(c, day, f"{c}/{day}", i) for c, day, items in rows for i in items]
    frame = pd.DataFrame(flat, columns=["customer_id", "timestamp", "order_id", "item_id"])
    return InteractionLog.read(frame.astype({"timestamp": "datetime64[us]"}), quiet=True)


DAYS = [f"2024-01-{d:02d}" for d in range(1, 29)]


def test_five_baskets_by_pencil() -> None:
    log = baskets([(1, DAYS[0], "ab"), (1, DAYS[1], "abc"), (2, DAYS[0], "a"), (2, DAYS[3], "bc"), (3, DAYS[2], "aab")])
    row = bought_together(log, least=1).to_frame().set_index(["item_a", "item_b"]).loc[("a", "b")]
    assert row["baskets"] == 3
    assert row["support"] == 3 / 5
    assert row["confidence"] == row["confidence_back"] == 3 / 4
    assert row["lift"] == pytest.approx((3 / 5) / (4 / 5 * 4 / 5))
    spread = 1.959964 * np.sqrt(1 / 3 - 1 / 4 - 1 / 4 + 2 * 3 / 16 - 1 / 5)
    assert row["lift_low"] == pytest.approx(row["lift"] * np.exp(-spread), rel=1e-6)


def test_triples_are_made_of_pairs() -> None:
    log = baskets([(c, DAYS[d], "abc" if d % 2 else "de") for c in (1, 2, 3) for d in range(6)])
    told = bought_together(log, least=3, triples=True)
    assert told.triples[["item_a", "item_b", "item_c"]].to_numpy().tolist() == [["a", "b", "c"]]
    assert told.triples["baskets"].tolist() == [9]
    assert told.triples["lift"].tolist() == pytest.approx([(9 / 18) / (9 / 18) ** 3])


def test_what_follows_what_has_a_direction_and_a_limit() -> None:
    log = baskets(
        [(c, DAYS[0], "p") for c in range(8)]
        + [(c, DAYS[5 if c < 6 else 25], "i") for c in range(8)]
        + [(9, DAYS[0], "i"), (9, DAYS[9], "x")]
    )
    told = bought_together(log, least=1, follow="10d")
    row = told.to_frame().set_index(["item_a", "item_b"])
    assert row.loc[("p", "i"), "baskets"] == 6
    assert ("i", "p") not in row.index
    assert told.baskets == 7
    assert row.loc[("p", "i"), "confidence"] == 1.0


@pytest.mark.slow
def test_the_interval_of_lift_covers() -> None:
    """300 worlds of 400 baskets with a true lift of 1.5: 95 % of the intervals hold it."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        a = rng.random(400) < 0.4
        b = rng.random(400) < np.where(a, 0.45, 0.2)
        text = ["z" + "a" * int(x) + "b" * int(y) for x, y in zip(a, b, strict=True)]
        found = bought_together(baskets([(i, DAYS[0], t) for i, t in enumerate(text)]), least=1).to_frame()
        row = found.set_index(["item_a", "item_b"]).loc[("a", "b")]
        inside += row["lift_low"] <= 0.45 / (0.4 * 0.45 + 0.6 * 0.2) <= row["lift_high"]
    assert 0.92 <= inside / 300 <= 0.98


def test_bundles_hold_no_item_twice_and_partners_go_beyond_chance() -> None:
    rng = np.random.default_rng(1)
    rows = [
        (c, DAYS[c % 28], ("ab" if c % 3 == 0 else "cd" if c % 3 == 1 else "e") + rng.choice(["", "f"]))
        for c in range(300)
    ]
    told = bought_together(baskets(rows), least=10)
    names = [set(i) for i in told.bundles()["items"]]
    assert names[:2] in ([{"a", "b"}, {"c", "d"}], [{"c", "d"}, {"a", "b"}])
    assert told.partners("a")["item_id"].tolist() == ["b"]
    assert not len(told.partners("no such item"))
    assert "beyond chance" in repr(told)


def test_large_baskets_are_left_out_and_counted() -> None:
    log = baskets([(1, DAYS[0], "abcdefgh"), (1, DAYS[1], "ab"), (2, DAYS[1], "ab")])
    told = bought_together(log, least=1, largest=3)
    assert told.cut == 1
    assert len(told.pairs) == 1


@pytest.mark.parametrize("options", [{"least": 0}, {"level": 1.0}, {"largest": 1}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataContractError, match="give numbers"):
        bought_together(baskets([(1, DAYS[0], "ab"), (2, DAYS[0], "ab")]), **options)
