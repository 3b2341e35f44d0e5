"""The commands of models in use: from a registry or a folder, with a server that is up or down."""

import json
import secrets
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from crmintel import tracking
from crmintel.cli import app
from crmintel.errors import DataContractError
from crmintel.privacy import Pseudonymizer
from tests.scoring.conftest import customer_model, world
from tests.scoring.test_model import judged

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of interactions, and a cache of one's own."""
    monkeypatch.setenv("CRMINTEL_HOME", str(tmp_path / "home"))
    world()[0].to_pandas().to_parquet(tmp_path / "rows.parquet")
    return str(tmp_path / "rows.parquet")


def said(args: list[str]) -> dict[str, object]:
    told = CliRunner().invoke(app, args)
    assert told.exit_code == 0, told.output
    found: dict[str, object] = json.loads(told.stdout.splitlines()[-1])
    return found


def test_row_127_a_batch_from_the_registry_goes_on_when_the_server_is_down(
    store: str, rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking.log(customer_model(), uri=store, register_as="churn", alias="champion")
    args = ["score", "--model", "models:/churn@champion", "--input", rows, "--out"]
    first = said([*args, str(tmp_path / "a.csv"), "--tracking-uri", store])
    assert first["version"] == "1"
    assert first["record"] == "sent"

    def down(*_: object, **__: object) -> None:
        raise DataContractError("The store is down.")

    monkeypatch.setattr("crmintel.tracking.cache.fetch", down)
    monkeypatch.setattr("crmintel.tracking.waiting.record", down)
    second = CliRunner().invoke(app, [*args, str(tmp_path / "b.csv"), "--tracking-uri", store])
    assert second.exit_code == 0, second.output
    assert "as it was the last time" in second.stderr
    assert json.loads(second.stdout.splitlines()[-1])["record"] == "1 waiting"
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    monkeypatch.undo()
    monkeypatch.setenv("CRMINTEL_HOME", str(tmp_path / "home"))
    third = said([*args, str(tmp_path / "c.csv"), "--tracking-uri", store])
    assert third["record"] == "sent"
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    jobs = client.search_runs([client.get_experiment_by_name("crmintel jobs").experiment_id])
    assert len(jobs) == 3
    assert all(j.data.metrics["rows"] == len(world()[0].customers) for j in jobs)


def test_row_126_an_alias_that_is_gone_is_no_reason_to_take_an_older_model(
    store: str, rows: str, tmp_path: Path
) -> None:
    tracking.log(customer_model(), uri=store, register_as="churn", alias="champion")
    args = [
        "score",
        "--model",
        "models:/churn@champion",
        "--input",
        rows,
        "--out",
        str(tmp_path / "a.csv"),
        "--tracking-uri",
        store,
    ]
    said(args)
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=store, registry_uri=store).delete_registered_model_alias("churn", "champion")
    told = CliRunner().invoke(app, args)
    assert told.exit_code == 2
    assert "no alias 'champion'" in told.stderr


def test_monitoring_says_what_to_do(rows: str, tmp_path: Path) -> None:
    model, log, at = judged()
    from tests.scoring.conftest import left

    model.judge(log, left, at=at, horizon="60d")
    model.save(tmp_path / "m")
    args = ["monitor", "--model", str(tmp_path / "m"), "--input", rows, "--at", str(at)]
    assert said(args)["verdict"] == "hold"
    assert "churn" in str(said([*args, "--horizon", "60d"])["metrics"]) or said([*args, "--horizon", "60d"])["metrics"]
    broken = pd.read_parquet(rows)
    broken.assign(amount=broken["amount"] * 100).to_parquet(tmp_path / "broken.parquet")
    args = ["monitor", "--model", str(tmp_path / "m"), "--input", str(tmp_path / "broken.parquet"), "--at", str(at)]
    assert said(args)["verdict"] == "look"
    assert CliRunner().invoke(app, [*args, "--strict"]).exit_code == 5
    customer_model().save(tmp_path / "unjudged")
    assert CliRunner().invoke(app, ["monitor", "--model", str(tmp_path / "unjudged"), "--input", rows]).exit_code == 2


def test_row_133_erasing_from_the_command_line(rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRMINTEL_PSEUDONYM_KEY", secrets.token_hex(32))
    names, folder = Pseudonymizer.from_environment(), tmp_path / "tables"
    folder.mkdir()
    table = pd.read_parquet(rows)
    table.to_parquet(folder / "plain.parquet")
    names.table(table).to_csv(folder / "coded.csv", index=False)
    who = int(table["customer_id"].iloc[0])
    (tmp_path / "ids.txt").write_text(f"{who}\n")
    args = ["erase", str(folder), "--ids", str(tmp_path / "ids.txt")]
    before = (folder / "plain.parquet").read_bytes()
    assert CliRunner().invoke(app, [*args, "--dry-run"]).exit_code == 0
    assert (folder / "plain.parquet").read_bytes() == before
    told = CliRunner().invoke(app, args)
    assert told.exit_code == 0, told.output
    assert who not in pd.read_parquet(folder / "plain.parquet")["customer_id"].tolist()
    assert names.of([who])[0] not in (folder / "coded.csv").read_text()
    assert len(pd.read_csv(folder / "coded.csv")) == (table["customer_id"] != who).sum()
    assert CliRunner().invoke(app, ["erase", str(folder), "--ids", str(tmp_path / "none.txt")]).exit_code == 2


def test_monitoring_with_a_horizon_looks_at_the_last_instant_that_is_mature(rows: str, tmp_path: Path) -> None:
    model, log, at = judged()
    from tests.scoring.conftest import left

    model.judge(log, left, at=at, horizon="60d")
    model.save(tmp_path / "m")
    args = ["monitor", "--model", str(tmp_path / "m"), "--input", rows, "--horizon", "60d"]
    last = log.end - pd.Timedelta(days=60)
    assert said(args) == said([*args, "--at", str(last)])


def test_row_127_a_record_that_cannot_be_kept_fails_no_job(
    rows: str, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer_model().save(tmp_path / "m")
    monkeypatch.setenv("CRMINTEL_HOME", str(Path(rows) / "below a file"))
    args = [
        "score",
        "--model",
        str(tmp_path / "m"),
        "--input",
        rows,
        "--out",
        str(tmp_path / "out"),
        "--tracking-uri",
        store,
    ]
    assert "cannot be written" in str(said(args)["record"])
