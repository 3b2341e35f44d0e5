"""A thousand hostile texts as identifiers, items, channels, names of columns and of models: data, never more."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.errors import CrmIntelError
from crmintel.recommend import CoOccurrence
from crmintel.scoring import CustomerModel, load_bundle, save_bundle, score_batch
from crmintel.scoring.card import ModelCard
from tests.privacy.hostile import HOSTILE
from tests.scoring.conftest import left

pytestmark = pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")
FITTING = [t for t in HOSTILE if len(t) <= 500 and "\x00" not in t and t == t.strip()]
TEXTS = list(dict.fromkeys([*FITTING, *(f"{t}{i}" for i in range(4) for t in FITTING), *(f"{i}{t}" for i in range(2) for t in FITTING)]))[:1000]  # fmt: skip


def rows() -> pd.DataFrame:
    """Each hostile text is a customer, an item and a channel."""
    assert len(TEXTS) == 1000
    rng = np.random.default_rng(0)
    n = 12_000
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300 * 86_400, n), unit="s")
    texts = np.array(TEXTS, object)
    who = np.concatenate([np.arange(1000), rng.integers(0, 1000, n - 1000)])
    return pd.DataFrame({
        "customer_id": texts[who], "timestamp": day, "item_id": texts[rng.integers(0, 1000, n)], "amount": rng.lognormal(3, 1, n).round(2),
        "channel": texts[np.minimum(rng.geometric(0.2, n), 999)],
    })  # fmt: skip


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return InteractionLog.read(rows(), quiet=True)


@pytest.mark.slow
def test_identifiers_stay_what_they_are_through_model_bundle_and_batch(log: InteractionLog, tmp_path: Path) -> None:
    at = log.end - pd.Timedelta(days=61)
    model = CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2)).fit(log, left, at=at)
    model.save(tmp_path / "m")
    assert load_bundle(tmp_path / "m").features.names == model.features.names  # type: ignore[union-attr]  # it has features
    score_batch(tmp_path / "m", log, tmp_path / "out", reasons=2)
    assert set(pq.read_table(tmp_path / "out")["customer_id"].to_pylist()) == set(log.customers)
    score_batch(tmp_path / "m", log, tmp_path / "out.csv", reasons=2)
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        cells = list(csv.reader(file))
    assert len(cells) == len(log.customers) + 1
    assert {len(r) for r in cells} == {len(cells[0])}
    assert not [r[0] for r in cells if r[0][:1] in tuple("=+-@\t\r")]
    assert {p.name.split(".")[0] for p in tmp_path.iterdir()} == {"m", "out"}  # nothing was written elsewhere
    done = json.loads((tmp_path / "out.csv.done.json").read_bytes())
    assert done["rows"] == len(log.customers)


def test_items_stay_what_they_are(log: InteractionLog, tmp_path: Path) -> None:
    save_bundle(CoOccurrence().fit(log), tmp_path / "m")
    score_batch(tmp_path / "m", log, tmp_path / "out", k=3)
    told = pq.read_table(tmp_path / "out").to_pandas()
    assert set(told["item_id"]) <= set(TEXTS)
    assert set(told["customer_id"]) == set(log.customers)


@pytest.mark.slow
def test_names_of_columns_are_names(tmp_path: Path) -> None:
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(300, len(FITTING))), columns=FITTING)
    model = ChurnClassifier(SMALL, folds=2, allow="*").fit(X, X.iloc[:, 3] > 0)
    save_bundle(model, tmp_path / "m")
    back = load_bundle(tmp_path / "m")
    assert (back.predict_proba(X[FITTING[::-1]]) == model.predict_proba(X)).all()
    assert list(back.feature_names_in_) == FITTING


@pytest.mark.parametrize("text", [t for t in HOSTILE if 0 < len(t) < 200][:60])
def test_paths_are_paths_or_a_typed_error(text: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for call in (lambda: load_bundle(home / text.lstrip("/\\")), lambda: load_bundle(home, fingerprint=text)):
        with pytest.raises(CrmIntelError):
            call()


def test_a_card_shows_texts_as_they_are() -> None:
    for text in TEXTS:
        told = ModelCard(name=text, purpose=text, limits=(text,), trained={text: text}).markdown()
        assert "<script>" not in told
        assert "](" not in told
        assert told.count("\n# ") + told.startswith("# ") == 1
