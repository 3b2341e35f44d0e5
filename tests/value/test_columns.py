"""What the trees look at, by hand."""

import numpy as np
import pytest

from crmintel.value.columns import LEVELS, columns
from crmintel.value.purchases import PurchaseDays
from tests.value.conftest import log_of

ROWS = [
    (1, "2024-01-01", 10.0), (1, "2024-01-11", 20.0), (1, "2024-01-11", 2.0), (1, "2024-01-31", 30.0), (2, "2024-01-20", 7.0),
]  # fmt: skip


def test_five_rows_by_pencil() -> None:
    told = columns(PurchaseDays.of(log_of(ROWS), "2024-02-10"))
    first, second = told.loc[1], told.loc[2]
    assert (first["since"], first["repeats"], first["age"], first["t_x"]) == (9.0, 2.0, 39.0, 30.0)
    assert (first["gap_mean"], first["gap_max"], first["gap_last"]) == (15.0, 20.0, 20.0)
    assert first["gap_sd"] == pytest.approx(np.std([10, 20], ddof=1))
    assert first["since_by_gap"] == pytest.approx(9 / 15)
    assert (first["since_by_age"], first["t_x_by_age"], first["rate"]) == (9 / 40, 30 / 40, 3 / 40)
    assert (first["total"], first["largest"], first["last"], first["spend"]) == (62.0, 30.0, 30.0, 62 / 40)
    assert first["mean"] == pytest.approx(62 / 3)
    assert first["sd"] == pytest.approx(np.std([10, 22, 30], ddof=1))
    assert first[["count_14", "count_30", "count_60"]].tolist() == [1.0, 2.0, 3.0]  # the 11th is the 30th day back
    assert first[["spend_30", "spend_91"]].tolist() == [52.0, 62.0]
    assert np.isnan(second[["gap_mean", "gap_sd", "gap_max", "gap_last", "sd", "since_by_gap"]]).all()
    assert (second["since"], second["last"], second["count_30"]) == (20.0, 7.0, 1.0)


def test_without_amounts_there_are_no_columns_of_money() -> None:
    told = columns(PurchaseDays.of(log_of([r[:2] for r in ROWS], "customer_id timestamp"), "2024-02-10"))
    assert not {"mean", "largest", "last", "sd", "spend", "total"} & set(told)


def test_everything_that_grows_with_age_is_known_as_such() -> None:
    old = columns(PurchaseDays.of(log_of([(1, "2020-01-01", 10.0), *ROWS[1:]]), "2024-02-10"))
    assert set(LEVELS) <= set(old)
    young = columns(PurchaseDays.of(log_of(ROWS), "2024-02-10"))
    same = [
        c
        for c in ("since", "repeats", "gap_last", "mean", "last", "count_91", "spend_91")
        if old.at[1, c] != young.at[1, c]
    ]
    assert same in ([], ["count_91", "spend_91"])


def test_a_return_is_taken_off_the_purchase_before_it() -> None:
    told = columns(PurchaseDays.of(log_of([*ROWS, (1, "2024-02-05", -30.0)]), "2024-02-10"))
    assert (told.at[1, "last"], told.at[1, "since"], told.at[1, "total"]) == (0.0, 9.0, 32.0)


def test_so_many_days_back_are_so_many_whole_days() -> None:
    """The instant is the midnight after February 9: the last 14 days begin on January 27."""
    rows = [(1, "2024-01-26", 4.0), (1, "2024-01-27", 8.0), (2, "2024-01-10", 1.0), (2, "2024-01-11", 2.0)]
    told = columns(PurchaseDays.of(log_of(rows), "2024-02-10"))
    assert told.loc[1, ["count_14", "count_30"]].tolist() == [1.0, 2.0]
    assert told.loc[2, ["count_14", "count_30", "count_60"]].tolist() == [0.0, 1.0, 2.0]
    assert told["spend_30"].tolist() == [12.0, 2.0]


def test_the_gap_between_two_customers_is_nobodys() -> None:
    rows = [(1, "2024-01-01", 4.0), (2, "2024-02-01", 8.0), (2, "2024-02-03", 1.0), (2, "2024-02-08", 1.0)]
    told = columns(PurchaseDays.of(log_of(rows), "2024-02-10"))
    assert told.loc[2, ["gap_max", "gap_mean", "gap_last"]].tolist() == [5.0, 3.5, 5.0]
