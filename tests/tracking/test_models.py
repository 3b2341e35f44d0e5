"""Models in the registry: recorded without a customer, found by alias, proven when loaded, promoted when better."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crmintel import InteractionLog, tracking
from crmintel import features as f
from crmintel.churn import SMALL, ChurnClassifier
from crmintel.errors import BundleError, DataContractError, DataContractWarning, LeakageError
from crmintel.evaluation.intervals import Estimate
from crmintel.scoring import CustomerModel, verify_bundle
from crmintel.scoring.card import ModelCard, membership_inference
from tests.scoring.conftest import customer_model, fitted, left, world

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # third-party warnings of MLflow
CANARY = "canary-7f3a"


def test_a_model_is_recorded_registered_and_loaded_by_alias(store: str) -> None:
    model, (log, at, _) = customer_model(), world()
    made = tracking.log(
        model, uri=store, metrics={"auc": Estimate(0.7, 0.6, 0.8), "odd <name>": 1.0}, at=at, horizon="60d", log=log,
        figures={"gain": "<svg/>", "a b": "<svg/>", "a-b": "<svg/>"}, tables={"lift": pd.DataFrame({"decile": [1, 2], "=lift": [2.0, 1.0]})},
        register_as="churn", alias="champion",
    )  # fmt: skip
    back = tracking.load("models:/churn@champion", uri=store)
    pd.testing.assert_frame_equal(back.score(log, at=at), model.score(log, at=at), check_exact=True)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    run = client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"auc": 0.7, "auc.low": 0.6, "auc.high": 0.8, "odd _name_": 1.0}
    assert run.data.params["model"] == "ChurnClassifier"
    assert run.data.params["horizon"] == "60d"
    assert run.data.tags["data_fingerprint"] == log.fingerprint
    assert run.data.tags["features_fingerprint"] == model.fingerprint
    held = {p.path for p in client.list_artifacts(made.run_id)} | {
        p.path for p in client.list_artifacts(made.run_id, "tables")
    }
    assert {"model_card.md", "figures", "tables/lift.csv"} <= held
    assert len(client.list_artifacts(made.run_id, "figures")) == 3
    assert tracking.aliases("churn", uri=store) == {"champion": "1"}
    assert made.version == "1"


@pytest.mark.parametrize("name", ["RFM", "LifetimeValue", "CoOccurrence", "EffectModel", "ChurnClassifier"])
def test_other_models_go_the_same_way(store: str, name: str) -> None:
    made = tracking.log(fitted(name), uri=store)
    assert type(tracking.load(made.uri, uri=store)) is type(fitted(name))
    assert type(tracking.load(f"runs:/{made.run_id}/model", uri=store)) is type(fitted(name))


def test_row_126_an_absent_alias_is_never_the_latest(store: str) -> None:
    tracking.log(customer_model(), uri=store, register_as="churn", alias="challenger")
    with pytest.raises(BundleError, match="aliases are challenger"):
        tracking.load("models:/churn@champion", uri=store)
    with pytest.raises(BundleError, match="Name an alias"):
        tracking.load("models:/churn/latest", uri=store)
    with pytest.raises(BundleError, match="no registered model 'other'"):
        tracking.load("models:/other@champion", uri=store)
    with pytest.raises(BundleError, match="no such version"):
        tracking.load("models:/churn/7", uri=store)


def test_a_bundle_that_was_exchanged_in_the_store_is_refused(store: str, tmp_path: Path) -> None:
    tracking.log(customer_model(), uri=store, register_as="churn", alias="champion")
    bundle = next(p.parent for p in (tmp_path / "mlruns").rglob("manifest.sha256"))
    shutil.rmtree(bundle)
    from crmintel.scoring import save_bundle

    save_bundle(fitted("RFM"), bundle)
    with pytest.raises(BundleError, match="another bundle"):
        tracking.load("models:/churn@champion", uri=store)


def test_a_row_a_customer_never_goes_to_the_store(store: str) -> None:
    for table in (pd.DataFrame({"customer_id": [1]}), pd.DataFrame({"x": [1]}, pd.Index([1], name="customer_id"))):
        with pytest.raises(DataContractError, match="row a customer"):
            tracking.log(customer_model(), uri=store, tables={"scores": table})
    with pytest.raises(DataContractError, match="register_as"):
        tracking.log(customer_model(), uri=store, alias="champion")


def test_row_132_a_model_that_keeps_addresses_is_warned_of(store: str) -> None:
    rows = world()[0].to_pandas()
    mails = rows["customer_id"].map(lambda c: f"shop{c % 5}@example.org")
    log = InteractionLog.read(rows.assign(channel=mails), quiet=True)
    at = log.end - pd.Timedelta(days=60)
    model = CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2)).fit(log, left, at=at)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tracking.log(model, uri=store)
    told = [str(w.message) for w in said if issubclass(w.category, DataContractWarning)]
    assert any("channel" in t and "e-mail" in t for t in told)
    assert "example.org" not in "".join(told)


def test_the_callers_own_settings_of_mlflow_stay(store: str, tmp_path: Path) -> None:
    import mlflow

    other = f"sqlite:///{tmp_path / 'other.db'}"
    mlflow.set_tracking_uri(other)
    tracking.log(customer_model(), uri=store)
    assert mlflow.get_tracking_uri() == other
    assert mlflow.active_run() is None
    mlflow.set_tracking_uri(None)


def test_a_store_that_is_down_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(DataContractError) as told:
        tracking.log(customer_model(), uri="http://user:secret@127.0.0.1:9")
    assert "secret" not in str(told.value)
    assert "127.0.0.1:9" in str(told.value)


def test_row_127_records_wait_for_a_server_that_is_down(store: str, tmp_path: Path) -> None:
    for i in range(3):
        tracking.spool(
            tmp_path / "spool",
            experiment="jobs",
            name=f"score {i}",
            parameters={"i": i},
            metrics={"rows": 5.0},
            tags={},
        )
    begin, spooled = time.monotonic(), time.time()
    assert tracking.send(tmp_path / "spool", "http://127.0.0.1:9", patience=1) == (0, 3)
    assert time.monotonic() - begin < 20
    (tmp_path / "spool" / "zz.json").write_text("{")
    assert tracking.send(tmp_path / "spool", store) == (3, 0)
    assert tracking.send(tmp_path / "spool", store) == (0, 0)
    assert [p.name for p in (tmp_path / "spool").iterdir()] == ["zz.damaged"]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    runs = client.search_runs([client.get_experiment_by_name("jobs").experiment_id])
    assert len(runs) == 3
    assert all(r.info.start_time <= spooled * 1000 for r in runs)  # when the job ran, not when its record was sent


def models_of_two_instants() -> tuple[CustomerModel, CustomerModel, Any, pd.Timestamp]:
    """A model of real features, one of a feature that says nothing, and a later instant."""
    log, at, _ = world()
    before = at - pd.Timedelta(days=65)
    good = CustomerModel(f.standard(log, at=before), ChurnClassifier(SMALL, folds=2)).fit(
        log, left, at=before, horizon="60d"
    )
    poor = CustomerModel(f.FeatureSet([f.joined()]), ChurnClassifier(SMALL, folds=2)).fit(
        log, left, at=before, horizon="60d"
    )
    return good, poor, log, at


def test_only_a_proven_challenger_is_promoted(store: str) -> None:
    good, poor, log, at = models_of_two_instants()
    tracking.log(poor, uri=store, register_as="churn", alias="challenger")
    with pytest.raises(BundleError, match="no alias"):
        tracking.promote("churn", log, left, at=at, challenger="absent", uri=store)
    first = tracking.promote("churn", log, left, at=at, uri=store)
    assert first.promoted
    assert first.champion is None
    tracking.log(good, uri=store, register_as="churn", alias="challenger")
    dry = tracking.promote("churn", log, left, at=at, uri=store, apply=False)
    assert dry.promoted
    assert tracking.aliases("churn", uri=store)["champion"] == "1"
    second = tracking.promote("churn", log, left, at=at, uri=store)
    assert second.promoted
    assert tracking.aliases("churn", uri=store) == {"champion": "2", "challenger": "2", "previous": "1"}
    tracking.set_alias("churn", "challenger", "1", uri=store)
    third = tracking.promote("churn", log, left, at=at, uri=store)
    assert not third.promoted
    assert "worse" in third.reason
    tracking.set_alias("churn", "challenger", "2", uri=store)
    same = tracking.promote("churn", log, left, at=at, uri=store)
    assert not same.promoted
    assert "not proven" in same.reason
    assert "champion" in same._repr_html_()


def test_a_model_is_not_judged_by_what_it_learned(store: str) -> None:
    tracking.log(customer_model(), uri=store, register_as="churn", alias="challenger")
    log, at, _ = world()
    with pytest.raises(LeakageError, match="learned from what happened up to"):
        tracking.promote("churn", log, left, at=at, uri=store)


def canary_rows() -> pd.DataFrame:
    """Interactions in which every customer carries a mark that must be seen nowhere else."""
    rows = world()[0].to_pandas()
    return rows.assign(customer_id=[f"{CANARY}-{c}" for c in rows["customer_id"]])


def test_no_customer_is_found_in_the_store(store: str, tmp_path: Path) -> None:
    log = InteractionLog.read(canary_rows(), quiet=True)
    at = log.end - pd.Timedelta(days=60)
    model = CustomerModel(f.standard(log, at=at), ChurnClassifier(SMALL, folds=2)).fit(log, left, at=at)
    y, p = (
        left(log, pd.MultiIndex.from_product([log.before(at).customers, [at]], names=["customer_id", "at"])),
        model.score(log, at=at),
    )
    card = ModelCard(
        name="x",
        purpose="y",
        membership=membership_inference(y[::2], p["churn_probability"][::2], y[1::2], p["churn_probability"][1::2]),
    )
    tracking.log(model, uri=store, log=log, card=card, register_as="churn", alias="champion")
    seen = [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert seen == []
    assert len(list(tmp_path.rglob("*"))) > 20


def test_the_pyfunc_answers_both_kinds_of_input_and_shows_no_cell(store: str) -> None:
    import mlflow

    made = tracking.log(customer_model(), uri=store)
    mlflow.set_tracking_uri(store)
    served = mlflow.pyfunc.load_model(made.uri)
    mlflow.set_tracking_uri(None)
    log, at, X = world()
    want = customer_model().score(log, at=at).reset_index()
    pd.testing.assert_frame_equal(served.predict(X.reset_index()), want, check_exact=True)
    rows = log.to_pandas()
    rows = rows.assign(timestamp=rows["timestamp"].astype(str))
    pd.testing.assert_frame_equal(served.predict(rows, params={"at": str(at)}), want, check_exact=True)
    for frame in (X.reset_index().astype(object).assign(tenure_days=CANARY), rows.assign(timestamp=CANARY), rows.assign(amount=CANARY), X.iloc[:, :3], X.head(0)):  # fmt: skip
        with pytest.raises(Exception) as told:  # whatever MLflow makes of it
            served.predict(frame)
        assert CANARY not in repr(told.value)
        error: BaseException | None = told.value
        while error is not None:
            assert CANARY not in str(error)
            error = error.__context__


def postgres() -> Path | None:
    """The programs of a PostgreSQL server, where it is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if Path("/usr/lib/postgresql").is_dir() else []
    return found[-1].parent if found else None


@pytest.fixture
def server() -> Iterator[str]:
    """A tracking server on PostgreSQL."""
    programs = postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    import pwd
    import socket

    home = Path(tempfile.mkdtemp(prefix="crmintel-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(home, user.pw_uid, user.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    ports = []
    for _ in range(2):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            ports.append(s.getsockname()[1])
    data = home / "data"
    subprocess.run(
        [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "mlflow", "-A", "trust"],
        check=True,
        capture_output=True,
        cwd=home,
    )
    start = [
        *as_user,
        str(programs / "pg_ctl"),
        "-D",
        str(data),
        "-w",
        "-o",
        f"-p {ports[0]} -k {home} -h 127.0.0.1",
        "-l",
        str(home / "log"),
        "start",
    ]
    subprocess.run(start, check=True, capture_output=True, cwd=home)
    job = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(ports[1]), "--workers", "1",
         "--backend-store-uri", f"postgresql://mlflow@127.0.0.1:{ports[0]}/postgres", "--artifacts-destination", str(home / "artifacts")],
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, cwd=home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        import urllib.request

        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{ports[1]}"
    finally:
        os.killpg(job.pid, 15)
        subprocess.run(
            [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"],
            capture_output=True,
            cwd=home,
        )


def test_a_real_server_on_postgresql_keeps_models(server: str) -> None:
    log, at, _ = world()
    tracking.log(customer_model(), uri=server, metrics={"auc": 0.7}, register_as="churn", alias="champion")
    back = tracking.load("models:/churn@champion", uri=server)
    pd.testing.assert_frame_equal(back.score(log, at=at), customer_model().score(log, at=at), check_exact=True)
    with pytest.raises(BundleError, match="aliases are champion"):
        tracking.load("models:/churn@other", uri=server)


def test_a_card_says_what_is_known_and_what_is_not() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(400) < 0.3
    memory = membership_inference(y, np.where(y, 0.9, 0.1), y, np.full(400, 0.3))
    assert memory.low > 0.9
    nothing = membership_inference(y, np.full(400, 0.3), y, np.full(400, 0.3))
    assert nothing.value == pytest.approx(0.5)
    card = ModelCard(
        name="a # b",
        purpose="call <b>them</b>",
        quality={"auc": Estimate(0.7, 0.6, 0.8), "x": 1.0},
        membership=memory,
        limits=("few customers",),
    )
    text = card.markdown()
    assert "<b>" not in text
    assert "0.700 (0.600 to 0.800)" in text
    assert "no interval" in text
    assert "better than by chance" in text
    assert "few customers" in text
    assert re.search("Not looked at", text)
    with pytest.raises(DataContractError, match="two customers"):
        membership_inference([1], [0.5], [1], [0.5])


def test_a_damaged_copy_of_a_model_is_brought_anew(store: str, tmp_path: Path) -> None:
    made = tracking.log(customer_model(), uri=store, register_as="churn", alias="champion")
    found = tracking.fetch("models:/churn@champion", tmp_path / "cache", uri=store)
    (found.path / "model.json").write_bytes(b"{}")
    again = tracking.fetch("models:/churn@champion", tmp_path / "cache", uri=store)
    assert again == found
    assert verify_bundle(again.path).fingerprint == made.fingerprint
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_record_that_another_job_handed_on_is_no_failure(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crmintel.tracking import waiting

    for name in "ab":
        tracking.spool(tmp_path / "spool", experiment="jobs", name=name, parameters={}, metrics={}, tags={})

    def elsewhere(*_: Any, **__: Any) -> str:
        for path in (tmp_path / "spool").glob("*.json"):
            path.unlink()
        return "run"

    monkeypatch.setattr(waiting, "record", elsewhere)
    assert tracking.send(tmp_path / "spool", store) == (1, 0)
