"""Contact limits, cool-down, consent and hours: answers by hand, and row 135 of the bad inputs as an invariant."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel.actions import (
    Action,
    ActionCatalog,
    Channel,
    ContactPolicy,
    Eligibility,
    Epsilon,
    allocate_catalog,
    explore,
    explore_plan,
    preferred_hours,
)
from crmintel.errors import DataContractError
from crmintel.interactions import InteractionLog

CATALOG = ActionCatalog(
    [Action("call", 1.0, channel="phone"), Action("mail", 0.1, channel="email"), Action("gift", 3.0)]
)
AT = "2024-03-31"
EVERYBODY = pd.Series(True, index=range(1, 9))


def history(*rows: tuple[Any, ...], **options: Any) -> InteractionLog:
    """Rows of customer, kind, channel and time; a fifth value is when the row became known."""
    frame = pd.DataFrame([r[:4] for r in rows], columns=["customer_id", "kind", "channel", "timestamp"])
    if any(len(r) > 4 for r in rows):
        frame["known_at"] = pd.to_datetime([r[4] if len(r) > 4 else r[3] for r in rows])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"])
    return InteractionLog.read(frame, quiet=True, **options)


LOG = history(
    (1, "contact", "phone", "2024-03-02"), (1, "contact", "email", "2024-03-20"),  # two within 30 days
    (2, "contact", "phone", "2024-02-29"), (2, "contact", "email", "2024-03-20"),  # the first is 31 days ago
    (3, "contact", "email", "2024-03-31"), (3, "contact", "email", "2024-03-20"),  # one is not past yet
    (4, "complaint", "phone", "2024-03-15"), (5, "complaint", "phone", "2024-03-01"), (6, "purchase", "web", "2024-03-30"),
)  # fmt: skip


def check(policy: ContactPolicy, customers: Any = range(1, 8), log: InteractionLog | None = LOG) -> Eligibility:
    return CATALOG.check(
        pd.DataFrame(index=pd.Index(list(customers), name="customer_id")), policy=policy, log=log, at=AT
    )


def test_contacts_are_counted_in_the_window_before_the_instant() -> None:
    told = check(ContactPolicy(consent=None, limits={"30d": 2}))
    assert told.mask["call"].tolist() == [False, True, True, True, True, True, True]
    assert told.why["mail"].tolist()[0] == "limit_30d"
    assert not check(ContactPolicy(consent=None, limits={"31d": 2})).mask.loc[2].any()


def test_a_window_begins_with_its_first_instant_and_ends_before_the_decision() -> None:
    log = history((1, "contact", "phone", "2024-03-01"), (2, "contact", "phone", "2024-03-31"))
    told = check(ContactPolicy(consent=None, limits={"30d": 1}), [1, 2], log)
    assert told.mask["call"].tolist() == [False, True]


def test_a_contact_that_was_not_known_yet_does_not_count() -> None:
    log = history(
        (1, "contact", "phone", "2024-03-20", "2024-04-02"), (2, "contact", "phone", "2024-03-20", "2024-03-21")
    )
    assert check(ContactPolicy(consent=None, limits={"30d": 1}), [1, 2], log).mask["call"].tolist() == [True, False]


def test_the_limit_of_a_channel_counts_and_closes_that_channel_only() -> None:
    told = check(ContactPolicy(consent=None, per_channel={"phone": {"90d": 1}}))
    assert told.mask["call"].tolist() == [False, False, True, True, True, True, True]
    assert told.why["call"].tolist()[:2] == ["limit_phone_90d"] * 2
    assert told.mask[["mail", "gift"]].to_numpy().all()


def test_a_cool_down_closes_all_channels_until_it_is_over() -> None:
    told = check(ContactPolicy(consent=None, cool_down={"complaint": "30d"}))
    assert (~told.mask).all(axis=1).tolist() == [False, False, False, True, True, False, False]  # 30 days ago counts
    assert (~check(ContactPolicy(consent=None, cool_down={"complaint": "29d"})).mask.loc[5]).sum() == 0
    assert told.why.loc[4].tolist() == ["cool_down_complaint"] * 3


def test_other_kinds_can_be_contacts() -> None:
    told = check(ContactPolicy(consent=None, limits={"30d": 1}, kinds=("purchase", "complaint")))
    assert told.mask["call"].tolist() == [True, True, True, False, False, False, True]


def test_missing_consent_means_no_and_so_does_a_customer_who_is_not_asked_for() -> None:
    consent = pd.Series({1: True, 2: False, 3: None}, dtype=object)
    told = check(ContactPolicy(consent=consent), [1, 2, 3, 4], log=None)
    assert told.mask["gift"].tolist() == [True, False, False, False]
    assert told.why["gift"].tolist()[1:] == ["no_consent"] * 3
    for kind in ("boolean", "Float64", "float64"):
        assert check(ContactPolicy(consent=consent.astype(kind)), [1, 2, 3, 4], log=None).mask.equals(told.mask)


def test_consent_by_channel_opens_that_channel_and_all_of_them_open_an_action_without_one() -> None:
    consent = pd.DataFrame({"phone": [True, True, False], "email": [True, False, None]}, index=[1, 2, 3])
    told = check(ContactPolicy(consent=consent), [1, 2, 3, 4], log=None)
    assert told.mask.to_numpy().tolist() == [[True, True, True], [True, False, False], [False] * 3, [False] * 3]
    with pytest.raises(DataContractError, match=r"consent has no column for channel 'email'. It has \['phone'\]"):
        check(ContactPolicy(consent=consent[["phone"]]), [1], log=None)


def test_an_opt_out_closes_and_an_unknown_one_too_but_not_for_customers_who_are_not_in_the_list() -> None:
    out = pd.Series({1: True, 2: False, 3: None}, dtype=object)
    told = check(ContactPolicy(consent=EVERYBODY, opt_out=out), [1, 2, 3, 4], log=None)
    assert told.mask["mail"].tolist() == [False, True, False, True]
    assert told.why["mail"].tolist()[0] == "opted_out"
    by = check(ContactPolicy(consent=EVERYBODY, opt_out=pd.DataFrame({"phone": [True]}, index=[1])), [1, 2], log=None)
    assert by.mask.to_numpy().tolist() == [[False, True, False], [True, True, True]]


def test_contact_rules_are_the_last_reason() -> None:
    from crmintel.actions import Rule

    poor = Rule("poor", "Too little.", lambda t: t["spend"] > 1, "spend", "suitability")
    both = ActionCatalog([Action("call", 1.0, rules=(poor,))])
    told = both.check(
        pd.DataFrame({"spend": [0.0, 5.0]}, index=[1, 2]), policy=ContactPolicy(consent=pd.Series(dtype=bool))
    )
    assert told.why["call"].tolist() == ["poor", "no_consent"]
    assert told.counts()[["kind", "blocked", "first"]].to_numpy().tolist() == [["suitability", 1, 1], ["contact", 2, 1]]


def test_the_order_of_customers_does_not_matter_and_nobody_is_fine() -> None:
    policy = ContactPolicy(consent=EVERYBODY[:6], limits={"30d": 2}, cool_down={"complaint": "30d"})
    one, other = check(policy), check(policy, [7, 3, 1, 2, 6, 5, 4])
    pd.testing.assert_frame_equal(one.why, other.why.sort_index())
    assert check(policy, []).mask.shape == (0, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ContactPolicy(consent=[1, 2]), "consent is list"),
        (lambda: ContactPolicy(consent=pd.Series([True, True], index=[1, 1])), "1 customers occur twice in consent"),
        (lambda: ContactPolicy(consent=pd.Series(["yes", "no"], index=[1, 2])), "2 values other than true and false"),
        (lambda: ContactPolicy(consent=None, limits={"30d": 0}), "0 contacts in 30d"),
        (lambda: ContactPolicy(consent=None, limits={"30d": True}), "True contacts"),
        (lambda: ContactPolicy(consent=None, limits={"soon": 1}), "duration"),
        (lambda: ContactPolicy(consent=None, cool_down={"complaint": "never"}), "duration"),
        (lambda: ContactPolicy(consent=None, kinds=()), "no kind"),
        (lambda: check(ContactPolicy(consent=None, limits={"30d": 1}), log=None), "Give log and at"),
        (lambda: check(ContactPolicy(consent=pd.Series({"1": True}))), "differ in kind"),
        (lambda: check(ContactPolicy(consent=None, per_channel={"phone": {"30d": 1}}), [1], log=InteractionLog.read(
            pd.DataFrame({"customer_id": [1], "timestamp": pd.to_datetime(["2024-01-01"])}), quiet=True)), "counts by channel"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make: Any, words: str) -> None:
    with pytest.raises(DataContractError, match=words):
        make()


flags = st.lists(st.sampled_from([True, False, None]), min_size=0, max_size=20)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(flags, flags, flags, st.integers(0, 10**6))
def test_row_135_no_list_ever_holds_a_customer_without_consent_or_who_opted_out(
    phone: list[Any], email: list[Any], out: list[Any], seed: int
) -> None:
    n = 20
    consent = pd.DataFrame({"phone": pd.Series(phone, dtype=object), "email": pd.Series(email, dtype=object)}).iloc[:n]
    opted = pd.Series(out, dtype=object)
    ids = pd.Index(np.random.default_rng(seed).permutation(n), name="customer_id")
    gain = pd.DataFrame(np.random.default_rng(seed).uniform(-1, 9, (n, 3)), ids, ["call", "mail", "gift"])
    told = CATALOG.check(pd.DataFrame(index=ids), policy=ContactPolicy(consent=consent, opt_out=opted))
    both = ActionCatalog(CATALOG.actions, [Channel("phone", capacity=3), Channel("email", capacity=5)])
    plan = allocate_catalog(gain, both, eligible=told, quota=None)
    lists = [
        plan.table[["customer_id", "action"]],
        explore_plan(plan, share=0.5, eligible=told, seed=seed)[["customer_id", "action"]],
        explore(gain, Epsilon(0.5), eligible=told, seed=seed)[["customer_id", "action"]],
    ]
    for who, action in pd.concat([x.astype({"action": str}) for x in lists]).to_numpy().tolist():
        if action == "no action":
            continue
        needed = {"call": [phone], "mail": [email], "gift": [phone, email]}[action]
        assert all(who < len(flag) and flag[who] is True for flag in needed)
        assert who >= len(out) or out[who] is False


def clock(hours: dict[int, list[int]], timezone: str = "UTC") -> InteractionLog:
    rows = [
        (c, "purchase", "web", f"2024-01-{1 + i % 28:02d} {h:02d}:30")
        for c, told in hours.items()
        for i, h in enumerate(told)
    ]
    return history(*rows, timezone=timezone)


def test_who_did_much_gets_their_own_hour_and_who_did_little_everybodys() -> None:
    log = clock({1: [20] * 40, 2: [7] * 40, 3: [20] * 40, 4: [7]})
    told = preferred_hours(log, AT, customers=[1, 2, 3, 4, 5], strength=10.0)
    assert told["hour"].tolist() == [20, 7, 20, 7, 7]
    assert told["interactions"].tolist() == [40, 40, 40, 1, 0]
    # Everybody: half of the customers at 20, half at 7; each hour keeps half of its own.
    assert told["share"].tolist() == pytest.approx(
        [(20 + 10 * 0.25) / 50, (20 + 10 * 0.25) / 50, (20 + 10 * 0.25) / 50, (0.5 + 10 * 0.25) / 11, 0.25]
    )


def test_midnight_is_no_border() -> None:
    before = clock({1: [22] * 5 + [23] * 5 + [0] * 6 + [12] * 7})
    assert preferred_hours(before, AT)["hour"].tolist() == [23]
    log = clock({1: [23] * 6 + [0] * 5 + [1] * 5 + [12] * 7})
    assert preferred_hours(log, AT)["hour"].tolist() == [
        0
    ]  # 12 alone is the most frequent, but its neighbours are empty


def test_hours_are_told_by_the_business_clock_before_the_instant_and_within_the_channels() -> None:
    log = clock({1: [20] * 30 + [10] * 9})
    assert preferred_hours(log, AT)["hour"].tolist() == [20]
    assert preferred_hours(log, AT, hours=(9, 18))["hour"].tolist() == [10]
    assert preferred_hours(log, AT, hours=(21, 6))["hour"].tolist() == [21]  # next to 20
    frame = pd.DataFrame({"customer_id": 1, "timestamp": pd.to_datetime(["2024-07-01 18:30"] * 5).tz_localize("UTC")})
    frame["timestamp"] += pd.to_timedelta(range(5), unit="D")
    assert preferred_hours(InteractionLog.read(frame, timezone="Europe/London", quiet=True), "2024-08-01")[
        "hour"
    ].tolist() == [19]
    early = history(*[(1, "purchase", "web", f"2024-01-0{d} 08:00") for d in range(1, 5)], *[(1, "purchase", "web", f"2024-05-0{d} 15:00") for d in range(1, 9)])  # fmt: skip
    assert preferred_hours(early, AT)["hour"].tolist() == [8]


def test_our_own_contacts_are_not_the_customers_doing() -> None:
    rows = [(1, "contact", "phone", f"2024-01-0{d} 09:00") for d in range(1, 9)] + [
        (1, "purchase", "web", "2024-01-05 19:00")
    ]
    assert preferred_hours(history(*rows), AT)["hour"].tolist() == [19]
    assert preferred_hours(history(*rows), AT, without=())["hour"].tolist() == [9]


def test_hours_of_dates_without_hours_or_of_nothing_are_refused() -> None:
    with pytest.raises(DataContractError, match="dates, not hours"):
        preferred_hours(LOG, AT)
    with pytest.raises(DataContractError, match="Nobody did anything"):
        preferred_hours(LOG, "2020-01-01")
    with pytest.raises(DataContractError, match="strength"):
        preferred_hours(LOG, AT, strength=0)
    with pytest.raises(DataContractError, match="whole hours"):
        preferred_hours(LOG, AT, hours=(9, 25))
