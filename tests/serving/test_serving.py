"""The server: the bits of the batch, typed refusals, and nothing that comes back."""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.errors import DataTypeError
from crmintel.scoring import CustomerModel
from crmintel.serving import Application, Limits, Served
from tests.scoring.conftest import buyers_model, customer_model, fitted, left, says, world

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
CANARY = "canary-7f3a9"


@cache
def app(name: str = "CustomerModel", **limits: Any) -> Application:
    return Application(Served(fitted(name), "f" * 64, Limits(**limits)))


def ask(path: str, body: Any, *, to: Application | None = None, method: str = "POST", kind: str = "application/json", parts: int = 1) -> tuple[int, Any, str]:  # fmt: skip
    """One request in process: status, answer, text of the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = max(len(raw) // parts, 1)
    pieces = [raw[i : i + size] for i in range(0, len(raw), size)] or [b""]
    messages = [{"type": "http.request", "body": p, "more_body": i + 1 < len(pieces)} for i, p in enumerate(pieces)]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", kind.encode())]}
    asyncio.run((to or app())(scope, receive, send))
    text = sent[1]["body"].decode()
    return sent[0]["status"], json.loads(text) if text.startswith(("{", "[")) else None, text


def rows_of(X: pd.DataFrame) -> list[dict[str, Any]]:
    return [{k: None if v != v else v for k, v in row.items()} for row in X.to_dict("records")]


def events_of(n: int = 3) -> tuple[list[Any], list[dict[str, Any]]]:
    frame = world()[0].to_pandas()
    who = frame["customer_id"].drop_duplicates().tolist()[:n]
    some = frame[frame["customer_id"].isin(who)].copy()
    some["timestamp"] = some["timestamp"].astype(str)
    return list(dict.fromkeys(some["customer_id"])), rows_of(some.astype(object))


@pytest.mark.slow
def test_rows_give_the_bits_of_the_batch() -> None:
    X = world()[2]
    status, told, _ = ask("/predict", {"rows": rows_of(X)})
    scores = customer_model().score_table(X)
    assert status == 200
    assert [p["churn_probability"] for p in told["predictions"]] == scores["churn_probability"].tolist()
    assert [p["known"] for p in told["predictions"]] == scores["known"].tolist()


@pytest.mark.parametrize("name", ["ChurnClassifier", "ChurnClassifier of light trees", "ChurnClassifier of splines"])
def test_categories_and_holes_give_the_bits_of_the_batch(name: str) -> None:
    from tests.scoring.conftest import _mixed

    X = _mixed()[0]
    told = ask("/predict", {"rows": rows_of(X.astype(object))}, to=app(name))[1]
    assert [p["churn_probability"] for p in told["predictions"]] == says(name, fitted(name))[:, 1].tolist()


def test_raw_interactions_give_the_bits_of_the_batch_in_the_order_of_customers() -> None:
    log, at, _ = world()
    who, events = events_of()
    status, told, text = ask("/predict", {"events": events, "at": at.isoformat()})
    scores = customer_model().score(log, at=at).reindex(who)
    assert status == 200, text
    assert [p["churn_probability"] for p in told["predictions"]] == scores["churn_probability"].tolist()
    back = ask("/predict", {"events": events[::-1], "at": at.isoformat()})[1]
    seen = list(dict.fromkeys(e["customer_id"] for e in events[::-1]))
    assert seen != who
    assert [p["churn_probability"] for p in back["predictions"]] == scores["churn_probability"].reindex(seen).tolist()


@pytest.mark.parametrize("told_at", [True, False])
def test_who_never_bought_gets_null_from_a_model_of_buyers(told_at: bool) -> None:
    (model, log), at = buyers_model(), world()[1]
    frame = log.to_pandas()
    some = frame[frame["customer_id"].isin(log.customers[:9])].copy()
    some["timestamp"] = some["timestamp"].astype(str)
    body = {"events": rows_of(some.astype(object))} | ({"at": at.isoformat()} if told_at else {})
    status, told, text = ask("/predict", body, to=Application(Served(model, "f" * 64, Limits())))
    assert status == 200, text
    scores = model.score(log, at=at)["churn_probability"].reindex(some["customer_id"].unique())
    answers = [None if p is None else p["churn_probability"] for p in told["predictions"]]
    assert [a is None for a in answers] == scores.isna().tolist()
    if told_at:
        assert answers == [None if s != s else s for s in scores.tolist()]


def test_row_113_a_category_that_was_never_learned_is_missing_and_counted() -> None:
    from tests.scoring.conftest import _mixed

    to, row = app("ChurnClassifier"), rows_of(_mixed()[0].head(1).astype(object))[0]
    before = to.metrics.unseen
    new, none = (ask("/predict", {"rows": [row | {"plan": v}]}, to=to)[1] for v in (CANARY, None))
    assert new["predictions"] == none["predictions"]
    assert to.metrics.unseen == before + 1


def test_a_complaint_that_quotes_what_was_sent_is_kept_back() -> None:
    from crmintel.errors import DataContractError
    from crmintel.serving.refusals import refusal

    for body, said in (
        ({"a": [CANARY]}, CANARY),
        ({CANARY: 1}, CANARY),
        ([123456], "123,456"),
        (["a\\nb"], repr("a\\nb")),
    ):
        assert said not in refusal(DataContractError(f"It is {said}."), body, frozenset()).message
    assert refusal(DataContractError("orders is odd"), {"orders": 1}, frozenset({"orders"})).message == "orders is odd"


def test_what_is_unusual_goes_through_the_door_with_the_same_bits() -> None:
    at = world()[1].isoformat()
    events = events_of()[1]
    plain = ask("/predict", {"events": events, "at": at})[1]
    odd = [{**e, "timestamp": e["timestamp"].replace("-", "")[:8] + "T" + e["timestamp"][11:]} for e in events]
    assert ask("/predict", {"events": odd, "at": at})[1] == plain


def test_reasons_are_told_with_the_same_score() -> None:
    rows = rows_of(world()[2].head(5))
    plain, told = ask("/predict", {"rows": rows})[1], ask("/predict", {"rows": rows, "reasons": 2})[1]
    assert [p["churn_probability"] for p in plain["predictions"]] == [p["churn_probability"] for p in told["predictions"]]  # fmt: skip
    assert all(len(p["reasons"]) <= 2 for p in told["predictions"])


def test_recommenders_answer_in_the_order_of_customers() -> None:
    model = fitted("Popularity")
    who = [
        *model.customers_[:2].tolist(),
        "nobody",
        model.customers_[0].item() if hasattr(model.customers_[0], "item") else model.customers_[0],
    ]
    told = ask("/recommend", {"customers": who, "k": 3}, to=app("Popularity"))[1]
    assert [len(r) for r in told["recommendations"]] == [3, 3, 3, 3]
    assert told["recommendations"][0] == told["recommendations"][3]


@pytest.mark.slow
def test_deciders_decide_as_in_process() -> None:
    from tests.scoring.conftest import _trial

    rows = rows_of(_trial()[0].head(20).astype(object))
    told = ask("/decide", {"rows": rows}, to=app("Decider"))[1]
    assert [tuple(d["actions"]) for d in told["decisions"]] == says("Decider", fitted("Decider"))
    none = ask("/decide", {"rows": rows, "eligible": []}, to=app("Decider"))[1]
    assert all(d["actions"] == [] for d in none["decisions"])


@pytest.mark.parametrize(
    ("status", "kind", "options"),
    [
        (404, "not_found", {"path": f"/{CANARY}"}),
        (405, "method_not_allowed", {"method": "GET"}),
        (409, "cannot", {"path": "/recommend"}),
        (415, "unsupported_media_type", {"kind": f"text/{CANARY}"}),
        (400, "bad_json", {"body": b'{"rows": [{"a": NaN}]}'}),
        (400, "bad_json", {"body": b'{"rows": 1, "rows": 2}'}),
        (400, "bad_json", {"body": b"[" * 10_000}),
        (400, "bad_json", {"body": b'{"rows": [{"a": "\\ud800"}]}'}),
        (422, "no_rows", {"body": {"rows": []}}),
        (422, "bad_values", {"body": {"rows": [{CANARY: 1}]}}),
        (422, "bad_request", {"body": {CANARY: 1}}),
        (422, "bad_request", {"body": {"rows": [{}], CANARY: 1}}),
        (422, "bad_request", {"body": {"events": [{"customer_id": CANARY}], "at": CANARY}}),
        (422, "bad_columns", {"body": {"events": [{"customer_id": CANARY}]}}),
        (422, "bad_columns", {"body": {"events": [{"customer_id": {CANARY: 1}, "timestamp": CANARY}]}}),
    ],
)  # fmt: skip
def test_rows_125_and_128_bad_requests_are_refused_by_type(status: int, kind: str, options: dict[str, Any]) -> None:
    options = {"path": "/predict", "body": {"rows": []}} | options
    got, told, text = ask(options.pop("path"), options.pop("body"), **options)
    assert (got, told["error"]["type"]) == (status, kind)
    assert CANARY not in text


def test_row_112_a_bad_cell_is_named_by_its_column_alone() -> None:
    row = rows_of(world()[2].head(1))[0]
    for bad in (CANARY, [CANARY], {CANARY: 1}, 10**350, 1e300):
        status, told, text = ask("/predict", {"rows": [row | {"recency_days_purchase": bad}]})
        assert status == 422
        assert "recency_days_purchase" in told["error"]["message"]
        assert CANARY not in text


def test_limits_are_kept() -> None:
    small = app(bytes=1000, rows=2)
    assert ask("/predict", b" " * 5000, to=small, parts=50)[0] == 413
    assert ask("/predict", {"rows": [{}] * 3}, to=small)[1]["error"]["type"] == "too_many_rows"


def test_an_error_of_ours_has_a_number_and_no_value(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError(CANARY)

    monkeypatch.setattr(Served, "tell", broken)
    status, told, text = ask("/predict", {"rows": [{}]})
    assert (status, told["error"]["type"]) == (500, "internal")
    assert told["id"] in caplog.text
    assert CANARY not in text + caplog.text


def test_row_129_threads_do_not_disturb_each_other() -> None:
    served, X = app().served, world()[2].head(40)
    bodies = [json.dumps({"rows": [row]}).encode() for row in rows_of(X)]
    alone = [served.tell("/predict", b) for b in bodies]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(lambda b: served.tell("/predict", b), bodies)) == alone


@pytest.mark.slow
def test_other_kinds_answer_or_are_refused_at_the_start() -> None:
    X = rows_of(world()[2].head(2).astype(object))
    for name in ("TimeToChurn", "CustomerGroups", "EffectModel", "Policy"):
        served = app(name).served
        rows = [{n: r.get(n, "month") for n in served.columns} for r in X]
        status, _, text = ask("/predict", {"rows": rows}, to=app(name))
        assert status == 200, (name, text)
    with pytest.raises(DataTypeError, match="cannot be served"):
        Served(fitted("BetaGeoModel"), "")


def test_what_is_looked_at_names_the_model_and_nobody() -> None:
    assert ask("/ready", b"", method="GET")[0] == 200
    assert "crmintel_requests_total" in ask("/metrics", b"", method="GET")[2]
    page = ask("/openapi.json", b"", method="GET")[1]
    assert set(page["components"]["schemas"]["Row"]["required"]) == set(world()[2].columns)
    assert "/predict" in page["paths"]


@pytest.mark.slow
def test_the_server_process_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys, crmintel.cli, crmintel.serving.run; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert not {m for m in loaded if m.split(".")[0] in ("mlflow", "matplotlib", "duckdb")}
    assert not {m for m in loaded if m.startswith(("crmintel.job", "crmintel.reports", "crmintel.tracking"))}


def test_numbers_are_equal_in_every_bit_at_the_knots_of_splines() -> None:
    from crmintel.churn.online import Online

    model = fitted("ChurnClassifier of splines")
    online = Online.of(model)
    assert len(online.sums) == 1, "the quick way gives other bits and is not used"
    table = model.read(world()[2].assign(plan="month").head(50))
    assert np.array_equal(online.log_odds(table), model.log_odds(table))


def test_several_customers_are_told_in_the_order_in_which_they_came() -> None:
    log, at, _ = world()
    features = f.FeatureSet([f.recency(), f.count().over("90d", "all"), f.active_days()])
    model = CustomerModel(features, ChurnClassifier(SMALL, folds=2)).fit(log, left, at=at)
    small = Application(Served(model, ""))
    rows = log.before(at).to_pandas()[
        ["customer_id", "timestamp", "kind"]
    ]  # an order of several customers is for the door
    people = rows["customer_id"].unique()[[7, 2, 11, 4]]
    mine = pd.concat([rows[rows["customer_id"] == c].tail(5) for c in people])
    events = json.loads(mine.assign(timestamp=mine["timestamp"].astype(str)).to_json(orient="records"))
    told = ask("/predict", {"events": events, "at": str(at)}, to=small)[1]["predictions"]
    alone = [
        ask("/predict", {"events": [e for e in events if e["customer_id"] == c], "at": str(at)}, to=small)[1][
            "predictions"
        ][0]
        for c in people
    ]
    assert told == alone
    assert len({p["churn_probability"] for p in told}) > 1
