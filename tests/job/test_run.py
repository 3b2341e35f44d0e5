"""The main job: what it writes, what it says, and that the same input gives the same bytes."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from crmintel import InteractionLog
from crmintel.cli import app
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, LeakageError
from crmintel.job import Settings, analyse, answer_offers, choose, prepare, read_settings, score_customers
from crmintel.job.answers import attempt, worse
from crmintel.reports import outcome
from tests.job.conftest import Run, done

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::crmintel.errors.DataContractWarning")]
FILES = ("customers.parquet", "recommendations.parquet", "plan.parquet", "features.json", "report.html")


def test_one_row_a_customer_with_every_answer(run: Run) -> None:
    table = run.table("customers")
    assert table["customer_id"].tolist() == sorted(run.rows["customer_id"].unique())
    assert table.columns.tolist() == [
        "customer_id", "segment", "tier", "stage", "churn_probability", "churn_reasons", "value", "value_low", "value_high",
        "next_items", "action", "action_why",
    ]  # fmt: skip
    bought = table[table["segment"] != "prospects"]
    assert bought["churn_probability"].between(0, 1).all()
    assert (bought["value_low"] <= bought["value"]).all()
    assert (bought["value"] <= bought["value_high"]).all()
    assert bought["next_items"].map(len).min() > 0
    assert table[["segment", "tier", "stage", "action", "action_why"]].notna().all().all()


def test_the_lists_hold_new_items_and_repeats(run: Run) -> None:
    table = run.table("recommendations")
    bought = set(map(tuple, run.rows.query("kind == 'purchase'")[["customer_id", "item_id"]].to_numpy()))
    for kind, known in (("new", False), ("again", True)):
        pairs = table.loc[table["list"] == kind, ["customer_id", "item_id"]].to_numpy()
        assert len(pairs)
        assert all((tuple(p) in bought) == known for p in pairs)


def test_the_plan_claims_nothing_and_holds_some_out(run: Run) -> None:
    plan = run.table("plan")
    assert set(plan["arm"]) == {"treated", "held out", "outside"}
    assert plan.loc[plan["arm"] == "held out", "action"].unique().tolist() == ["no action"]
    assert plan.loc[plan["arm"] == "treated", "propensity"].between(0.5, 0.95).all()
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "no effect of an action is known and none is claimed" in page


def test_every_figure_has_an_interval_and_stands_beside_a_rule(run: Run) -> None:
    for name, estimate in run.results.metrics.items():
        assert estimate.low <= estimate.value <= estimate.high, name
    assert run.results.churn is not None
    assert set(run.results.churn.report.rules["name"]) >= {"model", "days since the last purchase", "few past orders"}


def test_no_label_window_reaches_into_the_test(run: Run) -> None:
    split = run.results.ground.split
    assert max(split.train) + split.horizon <= split.test
    assert split.test + split.horizon <= run.results.ground.log.end


@pytest.mark.slow
@pytest.mark.parametrize("change", ["shuffled", "other column order"])
def test_the_same_data_give_the_same_bytes(run: Run, tmp_path: Path, change: str) -> None:
    rows = run.rows.sample(frac=1, random_state=8) if change == "shuffled" else run.rows[run.rows.columns[::-1]]
    again = done(rows, tmp_path, run.settings)
    for name in FILES:
        assert (run.folder / name).read_bytes() == (again.folder / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"},
        {"TZ": "America/New_York", "PYTHONHASHSEED": "77", "LC_ALL": "C", "OMP_NUM_THREADS": "2"},
    ],
    ids=["Kolkata", "New York"],
)
def test_row_131_zone_locale_hash_seed_and_threads_of_the_machine_change_no_byte(
    run: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    source = tmp_path / "rows.parquet"
    run.rows.to_parquet(source)
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from crmintel.job import Settings, analyse, write\n"
        "s = Settings(title='Simulated', seed=3)\n"
        "write(analyse(s.read(sys.argv[1]), s, source='simulated'), sys.argv[2])\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, source, tmp_path / "out"], check=True, env={**os.environ, **environment}
    )
    for name in FILES:
        assert (run.folder / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


def test_the_future_changes_no_score_of_the_past(run: Run) -> None:
    """Everything told at the test instant is the same when the history goes on and when it ends there."""
    split, fs = run.results.ground.split, run.results.ground.features
    log = InteractionLog.read(run.rows)
    pd.testing.assert_frame_equal(
        fs.build(log, at=split.test), fs.build(log.before(split.test), at=split.test), check_exact=True
    )


@pytest.mark.slow
def test_without_amounts_and_items_the_rest_works(tmp_path: Path, run: Run) -> None:
    bare = done(run.rows.query("kind == 'purchase'")[["customer_id", "timestamp"]], tmp_path, Settings())
    table = bare.table("customers")
    assert table["value"].isna().all()
    assert table["tier"].isna().all()
    assert table["churn_probability"].notna().all()
    assert any("No customer values" in n and "unit_price" in n for n in bare.results.notes)
    assert any("No recommendations" in n for n in bare.results.notes)
    assert "orders at risk" in (bare.results.scores.plan.statement if bare.results.scores.plan else "")


@pytest.mark.slow
def test_when_everybody_left_the_job_says_so_and_goes_on(tmp_path: Path) -> None:
    days = pd.date_range("2023-01-01", "2023-03-01", freq=pd.Timedelta(days=1))
    rows = pd.DataFrame({"customer_id": np.arange(len(days) * 5) % 40, "timestamp": np.repeat(days, 5), "amount": 5.0})
    late = pd.DataFrame({"customer_id": [99], "timestamp": [pd.Timestamp("2024-01-31")], "amount": [1.0]})
    quiet = done(pd.concat([rows, late]), tmp_path, Settings(horizon="30d"))
    assert any(n.startswith("No churn probabilities") for n in quiet.results.notes)
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_row_58_a_single_day_cannot_be_split() -> None:
    rows = pd.DataFrame({"customer_id": [1, 2, 3], "timestamp": pd.to_datetime(["2024-01-01 10:00"] * 3)})
    with pytest.raises(DataContractError, match="one day"):
        analyse(InteractionLog.read(rows))


def test_row_11_an_empty_history_is_refused() -> None:
    rows = pd.DataFrame(
        {"customer_id": pd.Series([], dtype="int64"), "timestamp": pd.Series([], dtype="datetime64[us]")}
    )
    with pytest.raises(DataContractError, match="no interactions"):
        analyse(InteractionLog.read(rows))


MAPPING = """
title = "A shop"
timezone = "Europe/London"
horizon = "30d"

[columns]
customer_id = "who"
timestamp = "when"
amount = "money"

[policies]
on_missing = "drop"
ranges = { rating = [1, 5] }

[[actions]]
name = "call"
cost = 2.5
capacity = 10
"""


def test_a_mapping_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING, encoding="utf-8")
    settings = read_settings(path)
    assert settings.columns == {"customer_id": "who", "timestamp": "when", "amount": "money"}
    assert settings.policies.on_missing == "drop"
    assert settings.policies.ranges == {"rating": (1, 5)}
    assert (settings.actions[0].name, settings.actions[0].cost, settings.actions[0].capacity) == ("call", 2.5, 10)
    assert (settings.title, settings.timezone, settings.horizon) == ("A shop", "Europe/London", "30d")


def test_a_mapping_joins_items(tmp_path: Path) -> None:
    pd.DataFrame({"sku": ["a", "b"], "group": ["x", "y"], "label": ["Apple", "Bread"]}).to_csv(
        tmp_path / "items.csv", index=False
    )
    (tmp_path / "m.toml").write_text(
        '[items]\nsource = "items.csv"\nitem_id = "sku"\ncategory = "group"\nname = "label"\n'
    )
    settings = read_settings(tmp_path / "m.toml")
    rows = pd.DataFrame(
        {"customer_id": [1, 2], "timestamp": pd.to_datetime(["2024-01-01", "2024-01-02"]), "item_id": ["a", "b"]}
    )
    assert settings.read(rows).to_pandas()["category"].tolist() == ["x", "y"]
    assert settings.item_names == {"a": "Apple", "b": "Bread"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colums = 1", "Unknown settings in the mapping file: colums. Did you mean 'columns'"),
        ("[policies]\non_mising = 'drop'", "Unknown settings in [policies]: on_mising. Did you mean 'on_missing'"),
        ("[policies]\non_missing = 'ignore'", "Choose one of 'raise', 'drop'"),
        ("[columns]\ncustomer_id = 3", "[columns] must map"),
        ("a = = 1", "is not TOML"),
        ("[items]\ncategory = 'x'", "[items] needs source"),
        ("offer = 'old'", "Choose 'new' or 'again'"),
        ("[[actions]]\nname = 'call'\nprice = 2", "Unknown settings in [[actions]]: price"),
        ("[[actions]]\nname = 'call'", "has no cost"),
        ("[[actions]]\nname = 'call'\ncost = '1'", "The cost of an action is '1'"),
        ("actions = []", "at least one action"),
        ("budget = '100'", "budget is '100'. Give a number"),
        ("budget = -1", "budget is -1. Give money of at least 0"),
        ("seed = 'a'", "seed is 'a'. Give a whole number"),
        ("seed = -5", "seed is -5. Give at least 0"),
        ("k = 0", "k is 0. Give at least 1"),
        ("holdout = 2", "holdout is 2. Give a share"),
        ("keep = 'Country'", "keep is 'Country'. Give a list"),
        ("test = 'abc'", "An instant cannot be read"),
        ("horizon = 90", "horizon is 90. Give text"),
        ("[policies]\nduplicate_key = 'order_id'", "duplicate_key in [policies] must be a list"),
        ("[policies]\nranges = 5", "ranges in [policies] must give"),
        ("[items]\nsource = 5\nname = 'x'", "[items] must hold text"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(DataContractError) as caught:
        read_settings(path)
    assert said in str(caught.value)


@pytest.fixture
def source(tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "rows.csv"
    run.rows.head(4000).to_csv(path, index=False)
    return path


def test_check_prints_the_quality_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    result = CliRunner().invoke(app, ["check", str(source)])
    assert result.exit_code == 0
    assert "rows read" in result.stdout
    (empty := tmp_path / "empty.csv").write_text("customer_id,timestamp\n", encoding="utf-8")
    before.append(empty)
    nothing = CliRunner().invoke(app, ["check", str(empty)])
    assert (nothing.exit_code, "has no interactions" in nothing.stderr) == (2, True)
    assert "Nothing was found wrong" not in nothing.stdout
    assert sorted(tmp_path.iterdir()) == sorted(before)


def test_bad_input_ends_with_one_paragraph_and_code_2_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[columns]\ncustomer_id = "Customer"\n')
    result = CliRunner().invoke(app, ["run", str(source), "--map", str(mapping), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "Missing columns: 'Customer' for customer_id (did you mean 'customer_id'?)" in result.stderr
    assert result.stderr.count("\n\n") == 0
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [["run", "nowhere.parquet", "--out", "x"], ["check", "nowhere.parquet"], ["check", "x.csv", "--map", "no.toml"]],
)
def test_a_missing_file_is_bad_input(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "nowhere.parquet" in result.stderr or "no.toml" in result.stderr


@pytest.mark.slow
def test_the_command_line_writes_everything_and_records_it(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.parquet", tmp_path / "out"
    simulate(200, days=400, seed=4).interactions.to_parquet(rows)
    result = subprocess.run(
        [sys.executable, "-m", "crmintel", "run", rows, "--out", out, "--seed", "5"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for name in (*FILES, "mlflow.db"):
        assert (out / name).stat().st_size > 0
    assert "churn.auc" in result.stdout
    assert str(out / "report.html") in result.stdout


def test_a_horizon_of_hours_is_refused(run: Run) -> None:
    with pytest.raises(DataContractError, match="no whole number of days"):
        analyse(run.results.ground.log, Settings(horizon="36h"))


def test_a_folder_that_cannot_be_written_is_named_before_the_work(source: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = CliRunner().invoke(app, ["run", str(source), "--out", str(tmp_path / "taken")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_lists_are_popular_items_where_popularity_was_better() -> None:
    """Those who bought a and a rarity x later all buy p, which nobody bought beside either: co-occurrence points elsewhere."""
    months = pd.date_range("2023-01-05", "2023-12-05", freq="MS") + pd.Timedelta(days=4)
    rows = [(c, m, "p") for c in range(60) for m in months]
    rows += [(c, m, i) for c in range(60, 100) for m in months[:9] for i in ("a", f"x{c % 20}")]
    rows += [(c, pd.Timestamp("2023-11-15"), "p") for c in range(60, 100)] + [(0, pd.Timestamp("2023-12-31"), "p")]
    frame = pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]).astype({"timestamp": "datetime64[us]"})
    log = InteractionLog.read(frame)
    offers = answer_offers(prepare(log, choose(log)))
    assert worse(offers.new_report) == ["popularity"]
    assert offers.new.name == "popularity"
    assert offers.again.name == "repeat"


def test_things_show_themselves_in_a_line_and_in_a_notebook(run: Run) -> None:
    r = run.results
    for thing in (r, r.ground, r.churn, r.value, r.offers, r.scores, r.scores.plan, r.scores.reasons):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 400
    for thing in (r, r.churn, r.value, r.offers):
        assert "<table" in thing._repr_html_()


def test_version_and_help() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("crmintel ")
    assert "run" in CliRunner().invoke(app, ["--help"]).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "file", "columns"),
    [
        ("cdnow", "interactions.parquet", {}),
        ("foodmart", "interactions.parquet", {}),
        ("grocery_elog", "grocery_elog.parquet", {"customer_id": "cust", "timestamp": "date"}),
    ],
)
def test_other_histories_run_without_special_code(
    data: Path, tmp_path: Path, folder: str, file: str, columns: dict[str, str]
) -> None:
    settings = Settings(columns=columns)
    log = settings.read(data / folder / file)
    results = analyse(log, settings)
    assert results.churn is not None
    assert results.churn.report.metrics["auc"].low > 0.6
    assert (results.value is None) == (not log.has_amounts)


@pytest.mark.slow
def test_no_customer_is_named_on_the_page_in_the_record_or_on_the_screen(tmp_path: Path) -> None:
    rows = simulate(150, days=400, seed=6).interactions
    rows["customer_id"] = "CANARY-" + rows["customer_id"].astype(str)
    source, out = tmp_path / "rows.parquet", tmp_path / "out"
    rows.to_parquet(source)
    done = subprocess.run(
        [sys.executable, "-m", "crmintel", "run", source, "--out", out], capture_output=True, text=True, check=True
    )
    assert "CANARY" not in done.stdout + done.stderr
    for file in (out / "report.html", out / "features.json", out / "mlflow.db"):
        assert b"CANARY" not in file.read_bytes(), file.name
    assert pd.read_parquet(out / "customers.parquet")["customer_id"].str.startswith("CANARY-").all()


def test_the_what_if_of_the_page_says_what_the_plan_does(run: Run) -> None:
    plan, section = run.results.scores.plan, run.results.report.plan
    assert plan is not None
    assert section is not None
    assert section.what_if is not None
    reached, taken = outcome(section.what_if), plan.table[plan.table["arm"] != "outside"]
    assert (reached.chosen, reached.contacted, reached.left_alone) == (len(taken), section.treated, section.holdout)
    assert reached.spent == pytest.approx(plan.cost)
    assert reached.at_risk == pytest.approx(taken["at_risk"].sum())
    assert 'class="card wide whatif"' in (run.folder / "report.html").read_text(encoding="utf-8")


def test_the_moves_of_the_page_end_in_its_segments(run: Run) -> None:
    report = run.results.report
    assert report.moves is not None
    (start, end), ground = report.moves.periods[0], run.results.ground
    assert len(report.moves.periods) == 1
    assert start == ground.split.test
    assert end.floor("s") == report.at
    now = report.moves.counts.groupby("target")["customers"].sum()
    sizes = report.segments.set_index("segment")["customers"]
    assert now[sizes.index].tolist() == sizes.tolist()


def test_who_is_long_gone_puts_no_money_at_risk(run: Run) -> None:
    """The customer who brought most, sent far into the past, is worth no contact; and one purchase is taken for no pace."""
    customers, plan = run.table("customers").set_index("customer_id"), run.table("plan").set_index("customer_id")
    bought = run.rows[run.rows["kind"] == "purchase"]
    who = int(bought.groupby("customer_id")["amount"].sum().idxmax())
    gone = run.rows.assign(
        timestamp=run.rows["timestamp"].where(run.rows["customer_id"] != who, run.rows["timestamp"].min())
    )
    ground = run.results.ground
    log = InteractionLog.read(gone, quiet=True)
    scores = score_customers(replace(ground, log=log), run.results.churn, None, None, run.settings)
    assert scores.plan is not None
    after = scores.plan.table.set_index("customer_id")["at_risk"]
    assert after[who] < 0.02 * bought.loc[bought["customer_id"] == who, "amount"].sum()
    spent = run.rows[run.rows["kind"].isin(["purchase", "return"])].groupby("customer_id")["amount"].sum()
    most = (spent.clip(lower=0) * customers["churn_probability"]).reindex(plan.index).fillna(0)
    assert (plan["at_risk"] <= most + 1e-9).all()


def test_who_came_and_who_went_quiet_each_month(run: Run) -> None:
    """Against sets of customers."""
    bought = run.rows[run.rows["kind"] == "purchase"]
    active = {
        m: set(g) for m, g in bought.groupby(pd.to_datetime(bought["timestamp"]).dt.to_period("M"))["customer_id"]
    }
    months = sorted(active)
    told = run.results.report.base.monthly
    pairs = list(itertools.pairwise(months))
    assert told["came_customers"].tolist()[1:] == [len(active[b] - active[a]) for a, b in pairs]
    assert told["quiet_customers"].tolist()[1:] == [len(active[a] - active[b]) for a, b in pairs]
    assert told[["came_customers", "quiet_customers"]].iloc[0].isna().all()


def test_few_customers_are_remarked(run: Run) -> None:
    few = run.rows[run.rows["customer_id"].isin(run.rows["customer_id"].unique()[:60])]
    assert "only 60 customers" in analyse(InteractionLog.read(few), run.settings).notes[0]


def test_columns_that_know_too_much_leave_the_rest_of_the_page() -> None:
    notes: list[str] = []

    def leaks() -> None:
        raise LeakageError("Columns that seem to know too much: 'x'.")

    assert attempt(leaks, "No churn probabilities", notes) is None
    assert notes == ["No churn probabilities: Columns that seem to know too much: 'x'."]
