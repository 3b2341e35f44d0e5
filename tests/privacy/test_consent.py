import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.actions import Action, ContactPolicy, allocate, next_best_actions, plan_actions
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, DataTypeError
from crmintel.privacy import agreed, consenting

AT = pd.Timestamp("2024-03-01")


def statements(rows):
    return pd.DataFrame(rows, columns=["customer_id", "purpose", "granted", "timestamp"]).assign(
        timestamp=lambda t: pd.to_datetime(t["timestamp"])
    )


HAND = statements([
    (1, "email", True, "2024-01-01"),
    (2, "email", True, "2024-01-01"), (2, "email", False, "2024-02-01"),
    (3, "email", False, "2024-01-01"), (3, "email", True, "2024-02-01"),
    (4, "email", True, "2024-01-01"), (4, "email", False, "2024-01-01"),
    (5, "phone", True, "2024-01-01"),
    (6, "email", True, "2024-03-01"),
    (7, "email", False, "2024-03-01"), (7, "email", True, "2024-02-29"),
    (8, "email", None, "2024-02-29"), (8, "email", True, "2024-01-29"),
])  # fmt: skip
TABLE = pd.DataFrame({"customer_id": [9, 8, 7, 6, 5, 4, 3, 2, 1], "score": range(9)}, index=list("abcdefghi"))


def test_row_135_the_last_statement_before_the_instant_counts_by_hand():
    out = consenting(TABLE, HAND, purpose="email", at=AT)
    assert out["customer_id"].tolist() == [7, 3, 1]
    assert out.index.tolist() == ["c", "g", "i"]
    assert consenting(TABLE, HAND, purpose="email", at=AT, default="in")["customer_id"].tolist() == [9, 7, 6, 5, 3, 1]
    assert agreed(HAND, purpose="email", at=AT).to_dict() == {1: True, 2: False, 3: True, 4: False, 7: True, 8: False}
    assert consenting(TABLE, HAND, purpose="email", at=AT + pd.Timedelta("1us"))["customer_id"].tolist() == [6, 3, 1]


def test_series_indexes_and_categories_are_filtered_alike():
    expected = [7, 3, 1]
    series = TABLE.set_index("customer_id")["score"]
    assert consenting(series, HAND, purpose="email", at=AT).index.tolist() == expected
    assert consenting(series.rename_axis(None), HAND, purpose="email", at=AT).index.tolist() == expected
    both = TABLE.assign(at=AT).set_index(["customer_id", "at"])
    assert consenting(both, HAND, purpose="email", at=AT).index.get_level_values(0).tolist() == expected
    coded = TABLE.astype({"customer_id": "category"})
    assert (
        consenting(coded, HAND.astype({"customer_id": "category"}), purpose="email", at=AT)["customer_id"].tolist()
        == expected
    )
    twice = pd.concat([TABLE, TABLE])
    assert consenting(twice, HAND, purpose="email", at=AT)["customer_id"].tolist() == expected * 2
    text = consenting(TABLE.astype({"customer_id": str}), HAND.astype({"customer_id": str}), purpose="email", at=AT)
    assert text["customer_id"].tolist() == ["7", "3", "1"]


def test_times_are_told_by_the_zone():
    said = statements([(1, "email", True, "2024-02-29 23:30")])
    assert len(consenting(TABLE, said, purpose="email", at="2024-03-01", timezone="America/New_York")) == 1
    utc = said.assign(timestamp=said["timestamp"].dt.tz_localize("UTC"))
    assert len(consenting(TABLE, utc, purpose="email", at="2024-02-29 18:30", timezone="America/New_York")) == 0
    assert len(consenting(TABLE, utc, purpose="email", at="2024-02-29 18:31", timezone="America/New_York")) == 1


@pytest.mark.parametrize(
    ("consents", "options", "match"),
    [
        (HAND.drop(columns="granted"), {}, "no column 'granted'"),
        (HAND.assign(customer_id=HAND["customer_id"].astype("Int64").mask(HAND.index == 0)), {}, "customer_id is missing in 1 of 13"),
        (HAND.assign(timestamp=HAND["timestamp"].mask(HAND.index < 2)), {}, "timestamp is missing in 2"),
        (HAND.assign(granted="yes"), {}, "13 values other than true and false"),
        (HAND, {"purpose": "e-mail"}, "No consent is about 'e-mail'. Choose one of 'email', 'phone'"),
        (HAND, {"default": "maybe"}, "default is 'maybe'"),
        (HAND.astype({"customer_id": str}), {}, "numbers in the table and text in the consents"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(consents, options, match):
    with pytest.raises(DataContractError, match=match):
        consenting(TABLE, consents, **({"purpose": "email", "at": AT} | options))


def test_tables_without_customers_are_refused():
    with pytest.raises(DataContractError, match="neither a column nor an index"):
        consenting(TABLE[["score"]], HAND, purpose="email", at=AT)
    with pytest.raises(DataContractError, match="1 of 9 rows name no customer"):
        consenting(
            TABLE.assign(customer_id=TABLE["customer_id"].astype("Int64").mask(TABLE["score"] == 0)),
            HAND,
            purpose="email",
            at=AT,
        )
    with pytest.raises(DataTypeError):
        consenting([1], HAND, purpose="email", at=AT)
    with pytest.raises(DataTypeError):
        consenting(TABLE, [1], purpose="email", at=AT)
    with pytest.raises(DataTypeError, match="Times"):
        consenting(TABLE, HAND.assign(timestamp=[["x"]] * 13), purpose="email", at=AT)


def test_nobody_said_anything():
    nothing = HAND.iloc[:0]
    assert consenting(TABLE, nothing, purpose="email", at=AT).empty
    assert consenting(TABLE, nothing, purpose="email", at=AT, default="in").equals(TABLE)
    assert consenting(TABLE.iloc[:0], HAND, purpose="email", at=AT).empty


HISTORIES = st.lists(
    st.tuples(
        st.integers(0, 15),
        st.sampled_from(["email", "phone"]),
        st.sampled_from([True, False, None]),
        st.integers(-5, 5),
    ),
    min_size=1,
    max_size=60,
)


def withdrawn(consents):
    """A plain second reading: whose last statement on e-mail before the instant is a withdrawal, or who said nothing."""
    last = {}
    for row in consents.itertuples():
        if row.purpose == "email" and row.timestamp < AT:
            before = last.get(row.customer_id)
            yes = row.granted is True
            if before is None or row.timestamp > before[0]:
                last[row.customer_id] = (row.timestamp, yes)
            elif row.timestamp == before[0]:
                last[row.customer_id] = (row.timestamp, yes and before[1])
    no = {c for c, (_, yes) in last.items() if not yes}
    return no, set(range(20)) - last.keys()


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(HISTORIES, st.integers(0, 1_000))
def test_row_135_nobody_who_withdrew_is_in_any_target_list(rows, seed):
    consents = statements([(c, p, g, AT + pd.Timedelta(d, "D")) for c, p, g, d in rows])
    if not (consents["purpose"] == "email").any():
        return
    no, silent = withdrawn(consents)
    rng = np.random.default_rng(seed)
    worth = pd.Series(rng.gamma(2, 50, 20), index=pd.Index(range(20), name="customer_id"))
    for default, banned in (("out", no | silent), ("in", no)):
        may = consenting(worth, consents, purpose="email", at=AT, default=default)
        assert not banned & set(may.index)
        assert set(may.index) == set(range(20)) - banned
        plan = plan_actions(may, may * 0 + 0.5, [Action("mail", cost=1.0)], budget=1_000, horizon_days=30)
        assert not banned & set(plan.table["customer_id"])
        if may.empty:  # there is nothing to allocate
            continue
        gains = may.to_frame("mail").assign(call=may * 0.9)
        chosen = allocate(gains, cost={"mail": 1.0, "call": 2.0}, budget=500.0)
        table = chosen.to_frame()
        assert not banned & set(table.loc[table["action"] != "no action", "customer_id"])
        ranked = consenting(worth.sort_values(ascending=False), consents, purpose="email", at=AT, default=default)
        assert not banned & set(ranked.head(5).index)


@pytest.mark.parametrize("seed", [1, 2])
def test_row_135_next_best_actions_leave_out_who_withdrew(seed):
    log = simulate(150, days=300, seed=seed).log(quiet=True)
    rng, at = np.random.default_rng(seed), log.end.normalize()
    who = log.customers.to_numpy()
    consents = pd.DataFrame({
        "customer_id": rng.choice(who, 300), "purpose": "email", "granted": rng.random(300) < 0.6,
        "timestamp": at - pd.to_timedelta(rng.integers(-20, 200, 300), unit="D"),
    })  # fmt: skip
    answers = agreed(consents, purpose="email", at=at)
    policy = ContactPolicy(consent=answers)
    risk = pd.Series(rng.gamma(2, 20, len(who)), index=log.customers)
    plan = next_best_actions(
        log,
        [Action("mail", cost=1.0)],
        at=at,
        horizon="30d",
        contact=policy,
        at_risk=risk,
        probability=risk * 0 + 0.4,
        budget=10_000.0,
    )
    targets = set(plan.table.loc[plan.table["arm"] != "outside", "customer_id"])
    assert targets
    assert targets <= set(answers.index[answers])
    assert targets <= set(consenting(risk, consents, purpose="email", at=at).index)
