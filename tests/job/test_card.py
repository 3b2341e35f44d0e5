"""The card of a customer out of a run, and the commands that write pages alone."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from crmintel import InteractionLog
from crmintel.churn import reasons
from crmintel.cli import app
from crmintel.errors import DataContractError
from crmintel.job import customer_card, stored_card
from tests.job.conftest import Run

pytestmark = pytest.mark.slow


def chosen(run: Run) -> pd.Series:
    """A customer who bought several times and may leave."""
    table = run.results.scores.customers
    return table[table["value"].notna()].sort_values("churn_probability").iloc[-60]


def test_the_card_holds_what_the_tables_of_the_run_hold(run: Run) -> None:
    row = chosen(run)
    card = customer_card(run.results, row["customer_id"])
    assert (card.stage, card.segment, card.tier) == (row["stage"], row["segment"], row["tier"])
    assert (card.churn, card.action, card.why) == (row["churn_probability"], row["action"], row["action_why"])
    assert card.value is not None
    assert (card.value.value, card.value.low, card.value.high) == (row["value"], row["value_low"], row["value_high"])
    assert " | ".join(card.reasons) == row["churn_reasons"]
    new = card.offers[card.offers["list"] == "new"]
    assert new["item"].tolist() == [str(i) for i in row["next_items"]]
    others = run.results.scores.customers["churn_probability"].dropna()
    assert card.churn_rank == pytest.approx((others < card.churn).sum() / (len(others) - 1))


def test_the_history_is_the_customers_own_order_by_order(run: Run) -> None:
    row = chosen(run)
    card = customer_card(run.results, row["customer_id"])
    own = run.rows[run.rows["customer_id"] == row["customer_id"]]
    orders = own[own["kind"] == "purchase"].groupby("order_id")["amount"].sum()
    told = card.history[card.history["kind"] == "purchase"]
    assert sorted(told["amount"].round(6)) == sorted(orders.round(6))
    assert told["timestamp"].is_monotonic_increasing
    assert len(card.history) - len(told) == (own["kind"] != "purchase").sum()
    because = {b for found in card.offers["because"] if isinstance(found, list) for b in found}
    assert because
    assert because <= set(own["item_id"].dropna().astype(str))


def test_a_card_out_of_the_folder_is_the_card_out_of_the_run(run: Run) -> None:
    row = chosen(run)
    log = InteractionLog.read(run.rows)
    assert (
        stored_card(run.folder, log, str(row["customer_id"]), run.settings, source="simulated").html()
        == customer_card(run.results, row["customer_id"]).html()
    )


def test_reasons_are_told_in_the_language_of_the_card(run: Run) -> None:
    assert run.results.churn is not None
    row, log = chosen(run), run.results.ground.log
    card = customer_card(run.results, row["customer_id"], lang="zh")
    X = run.results.ground.features.build(log, run.results.scores.at, customers=[row["customer_id"]])
    told = reasons(run.results.churn.model, X, run.results.ground.features, language="zh").sentences.iloc[0]
    assert card.reasons == tuple(s for s in told if s)
    assert re.search("[\u4e00-\u9fff]", card.reasons[0])


@pytest.mark.parametrize("who", ["nobody-4711", "", "1.5"])
def test_an_unknown_customer_is_refused_without_being_named(run: Run, who: str) -> None:
    with pytest.raises(DataContractError, match="No such customer") as error:
        stored_card(run.folder, InteractionLog.read(run.rows), who, run.settings)
    assert not who or who not in str(error.value)


def test_a_folder_without_a_run_and_a_history_that_changed_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="holds no run"):
        stored_card(tmp_path, run.results.ground.log, "1")
    with pytest.raises(DataContractError, match="not those of the run"):
        stored_card(run.folder, InteractionLog.read(run.rows.iloc[:-1]), "1")


@pytest.fixture(scope="module")
def shop(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CSV of strange names, and a run of it."""
    folder = tmp_path_factory.mktemp("shop")
    named = run.rows.rename(columns={"customer_id": "Customer", "timestamp": "Date"})
    named.to_csv(folder / "orders.csv", index=False)
    return folder


COLUMNS = ["--column", "customer_id=Customer", "--column", "timestamp=Date"]


def test_columns_and_policies_are_asked_for_and_can_be_named_on_the_command_line(shop: Path, tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["check", str(shop / "orders.csv")])
    assert refused.exit_code == 2
    assert "Add --column customer_id=Customer --column timestamp=Date." in refused.stderr
    assert CliRunner().invoke(app, ["check", str(shop / "orders.csv"), *COLUMNS]).exit_code == 0
    rows = (shop / "orders.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "holes.csv").write_text("\n".join([*rows, "," + rows[1].partition(",")[2]]), encoding="utf-8")
    holes = ["check", str(tmp_path / "holes.csv"), *COLUMNS]
    refused = CliRunner().invoke(app, holes)
    assert (refused.exit_code, "Drop them with --policy on_missing=drop," in refused.stderr) == (2, True)
    dropped = CliRunner().invoke(
        app, [*holes, "--policy", "on_missing=drop", "--policy", "ranges={quantity=[-1000, 1000]}"]
    )
    assert "1 (0.0 %), dropped" in dropped.stdout
    for said, odd in (
        ("such as --policy", "on_missing"),
        ("more than once", "on_missing=drop on_missing=refuse"),
        ("Did you mean 'on_missing'?", "on_mising=drop"),
        ("on_missing", "on_missing=perhaps"),
    ):
        refused = CliRunner().invoke(app, [*holes, *(word for each in odd.split() for word in ("--policy", each))])
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr
    wrong = CliRunner().invoke(app, ["check", str(shop / "orders.csv"), "--column", "timestamp"])
    assert (wrong.exit_code, "--column timestamp=Date" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_a_run_that_cannot_print_still_says_what_it_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("crmintel.cli.history.typer.echo", broken)
    out = shop.parent / "unheard"
    CliRunner().invoke(app, ["run", str(shop / "orders.csv"), *COLUMNS, "--horizon", "30d", "--out", str(out)])
    about = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert [(out / s).resolve() for s in about["source"]] == [(shop / "orders.csv").resolve()]
    assert about["column"] == COLUMNS[1::2]


@pytest.mark.slow
def test_report_writes_one_page_and_card_finds_its_run_again(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    made = CliRunner().invoke(app, ["report", "orders.csv", *COLUMNS, "--horizon", "30d", "--lang", "zh"])
    assert made.exit_code == 0, made.output
    assert 'lang="zh-Hans"' in Path("report.html").read_text(encoding="utf-8")
    assert sorted(p.name for p in shop.iterdir()) == ["orders.csv", "report.html"]
    ran = CliRunner().invoke(app, ["run", "orders.csv", *COLUMNS, "--horizon", "30d", "--out", "out", "--lang", "zh"])
    assert ran.exit_code == 0, ran.output
    assert Path("out/report.html").read_bytes() == Path("report.html").read_bytes()
    monkeypatch.chdir(shop / "out")
    who = str(pd.read_parquet("customers.parquet")["customer_id"].iloc[7])
    told = CliRunner().invoke(app, ["card", who, "--run", ".", "--lang", "en"])
    assert told.exit_code == 0, told.output
    assert who not in told.output
    assert "Customer card" in Path("card.html").read_text(encoding="utf-8")
    about = json.loads(Path("run.json").read_text(encoding="utf-8"))
    assert about["source"] == ["../orders.csv"]
    scored = CliRunner().invoke(app, ["score", "--model", ".", "--input", "../orders.csv", "--out", "scores.csv"])
    assert (scored.exit_code, "such as models/churn" in scored.stderr) == (2, True)
    here = ["score", "--model", "models/churn", "--input", "../orders.csv"]
    for arguments, code, said in (
        (["--out", "scores.xlsx"], 4, "not written as .xlsx"),
        (["--out", "s.csv", "--column", "customer_id=Nobody"], 2, "Add --column customer_id=Customer"),
        (["--out", "s.csv", *COLUMNS, "--policy", "on_missing=drop"], 0, '"status": "done"'),
    ):
        scored = CliRunner().invoke(app, [*here, *arguments])
        assert (scored.exit_code, said in scored.output) == (code, True), scored.output
    Path("../orders.csv").rename("../moved.csv")
    for arguments, code, said in (
        ([], 2, "Name them with --source."),
        (["--source", "../moved.csv"], 0, "Card: card.html"),
        (["--source", "../moved.csv", "--lang", "de"], 2, "Choose 'en' or 'zh'"),
    ):
        told = CliRunner().invoke(app, ["card", who, "--run", ".", *arguments])
        assert (told.exit_code, said in told.output) == (code, True), told.output
    Path("../moved.csv").rename("../orders.csv")


@pytest.mark.parametrize(("arguments", "said"), [
    (["card", "7", "--run", "nowhere"], "There is no folder 'nowhere' of a run"),
    (["card", "7", "--run", "."], "holds no run that says what it read"),
    (["report", "nothing.csv"], "No file matches"),
    (["report", "nothing.csv", "--lang", "fr"], "Choose 'en' or 'zh'"),
    (["report", "nothing.csv", "--out", "taken/page.html"], "cannot be written"),
])  # fmt: skip
def test_bad_input_of_pages_ends_with_one_paragraph(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2
    assert said in told.stderr
    assert "Traceback" not in told.output
