"""What MLflow is told: figures and files, never a customer."""

from pathlib import Path

import pytest

from crmintel.errors import DataContractError
from crmintel.tracking import record, sqlite_uri

pytestmark = pytest.mark.filterwarnings("ignore")  # third-party warnings of the store's first contact


@pytest.mark.slow
def test_a_run_can_be_read_back_and_a_second_joins_the_same_experiment(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    page = tmp_path / "page.html"
    page.write_text("<p>aggregates</p>")
    uri = sqlite_uri(tmp_path)
    options = {
        "experiment": "crmintel",
        "parameters": {"seed": 1, "horizon_days": 90},
        "tags": {"data_fingerprint": "ab12"},
    }
    runs = [
        record(uri, metrics={"churn.auc": x, "a, <b>": 1.0}, files=[page], artifacts=tmp_path / "files", **options)
        for x in (0.7, 0.8)
    ]  # type: ignore[arg-type]
    client = MlflowClient(tracking_uri=uri)
    found = [client.get_run(r) for r in runs]
    assert [r.data.metrics for r in found] == [{"churn.auc": x, "a_ _b_": 1.0} for x in (0.7, 0.8)]
    assert found[0].data.params == {"seed": "1", "horizon_days": "90"}
    assert found[0].data.tags["data_fingerprint"] == "ab12"
    assert found[0].info.status == "FINISHED"
    assert found[0].info.experiment_id == found[1].info.experiment_id
    assert [f.path for f in client.list_artifacts(runs[0])] == ["page.html"]
    assert (tmp_path / "mlflow.db").is_file()


@pytest.mark.slow
def test_a_server_that_is_down_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(DataContractError, match=r"record the run in 'http://127.0.0.1:9' failed.* Check the address"):
        record("http://127.0.0.1:9", experiment="crmintel", parameters={}, metrics={}, tags={})
