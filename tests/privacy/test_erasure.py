import gzip
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmintel import InteractionLog
from crmintel import features as f
from crmintel.actions import DecisionLog
from crmintel.actions.records import files as log_files
from crmintel.datasets import simulate
from crmintel.errors import DataContractError, ErasureError
from crmintel.privacy import Pseudonymizer, SuppressionList, erase, listed_in, suppressed
from crmintel.privacy import stored as stored_module
from tests.privacy.hostile import HOSTILE
from tests.privacy.stores import bytes_below, contents, leaves, write

KEY = bytes.fromhex("8f2d1c4b5a69788796a5b4c3d2e1f00f")
FRAME = pd.DataFrame(
    {"customer_id": [907, 8, 907, 9, 10, 907, 8], "note": list("abcdefg"), "x": [0.1, 0.2, None, 0.4, 0.5, 0.6, 0.7]}
)
KINDS = tuple(write(Path(tempfile.mkdtemp()), FRAME))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [False, True])
def test_row_133_rows_go_and_all_others_stay_as_they_are(tmp_path, kind, text):
    frame = FRAME.astype({"customer_id": str}) if text else FRAME
    file = write(tmp_path, frame)[kind]
    before = contents(file)
    done = erase([907], file)
    assert (done.rows, len(done.files), done.searched) == (3, 1, 1)
    assert contents(file) == [r for r in before if str(r["customer_id"]) != "907"]
    again = bytes_below(tmp_path)
    assert erase(["907"], file).rows == 0
    assert bytes_below(tmp_path) == again
    raw = gzip.decompress(file.read_bytes()) if kind.endswith("gz") else file.read_bytes()
    assert not text or b"907" not in raw


@pytest.mark.parametrize("kind", KINDS)
def test_row_133_files_without_them_keep_every_byte(tmp_path, kind):
    write(tmp_path, FRAME)
    before = bytes_below(tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    done = erase([7, 90, 9070], tmp_path)
    assert (done.rows, done.files, done.searched) == (0, (), len(KINDS))
    assert bytes_below(tmp_path) == before
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == stamps


def test_row_133_a_dry_run_reports_the_same_and_writes_nothing(tmp_path):
    write(tmp_path, FRAME)
    log = DecisionLog(tmp_path / "decisions")
    log.append(pd.DataFrame({"customer_id": [907, 8], "action": "call"}), at="2024-01-01")
    before = bytes_below(tmp_path)
    who = Pseudonymizer(KEY)
    dry = erase([907, 9], tmp_path, dry_run=True, pseudonymizer=who, suppression=tmp_path / "list.parquet")
    assert bytes_below(tmp_path) == before
    wet = erase([907, 9], tmp_path)
    assert dry.files == wet.files
    assert dry.rows == wet.rows == 4 * len(KINDS) + 1
    assert "would be removed" in repr(dry)


def test_parquet_keeps_schema_packing_groups_and_metadata(tmp_path):
    file = tmp_path / "x.parquet"
    schema = pa.schema(
        [
            pa.field("customer_id", pa.int32(), nullable=False),
            pa.field("at", pa.timestamp("us")),
            pa.field("z", pa.string()),
        ],
        metadata={"crmintel.check": "12"},
    )
    table = pa.table(
        [pa.array([1, 2, 3, 1], pa.int32()), pa.array([1, 2, 3, 4], pa.timestamp("us")), list("abcd")], schema=schema
    )
    pq.write_table(
        table,
        file,
        row_group_size=2,
        compression={"customer_id": "zstd", "at": "none", "z": "gzip"},
        use_dictionary=["z"],
        write_statistics=False,
    )
    os.chmod(file, 0o640)
    before = pq.read_metadata(file)
    erase([1], file)
    after = pq.read_metadata(file)
    assert pq.read_schema(file).equals(schema, check_metadata=True)
    for i in range(3):
        a, b = before.row_group(0).column(i), after.row_group(0).column(i)
        assert (a.compression, a.is_stats_set, a.has_dictionary_page) == (
            b.compression,
            b.is_stats_set,
            b.has_dictionary_page,
        )
    assert after.num_row_groups == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    erase([2], file)
    assert pq.read_metadata(file).num_row_groups == 1
    erase([3], file)
    assert pq.read_table(file).num_rows == 0
    assert pq.read_schema(file).equals(schema, check_metadata=True)


def test_row_133_a_coded_column_forgets_the_values_that_only_they_had(tmp_path):
    mail = ["canary@a.org", "b@b.org", "shared", "shared", "never used"]
    frame = pd.DataFrame(
        {
            "customer_id": ["canary-id", "b", "canary-id", "b"],
            "mail": pd.Categorical(mail[:4], categories=list(dict.fromkeys(mail)), ordered=True),
        }
    )
    frame["customer_id"] = frame["customer_id"].astype("category")
    frame.to_parquet(tmp_path / "a.parquet", compression=None)
    frame.to_feather(tmp_path / "a.feather", compression="uncompressed")
    erase(["canary-id"], tmp_path)
    for name in ("a.parquet", "a.feather"):
        assert b"canary" not in (tmp_path / name).read_bytes()
    back = pd.read_feather(tmp_path / "a.feather")
    assert back["mail"].tolist() == ["b@b.org", "shared"]
    assert back["mail"].cat.categories.tolist() == ["b@b.org", "shared", "never used"]
    assert back["mail"].cat.ordered


COLUMNS = {
    "int8": pa.array([7, 8], pa.int8()), "uint64": pa.array([7, 2**63], pa.uint64()), "float": pa.array([7.0, 7.5]), "float32": pa.array([7, 8], pa.float32()),
    "string": pa.array(["7", "07"]), "large": pa.array(["7", "77"], pa.large_string()), "view": pa.array(["7", "8"], pa.string_view()),
    "padded": pa.array([" 7", "8"]), "float text": pa.array(["7.0", "7.5"]), "binary": pa.array([b"7", b"8"]), "coded": pa.array(["7", "8"]).dictionary_encode(),
    "coded numbers": pa.array([7, 8]).dictionary_encode(), "decimal": pa.array(["7", "8"]).cast(pa.decimal128(5, 2)), "marked": pa.array(["'7", "8"]),
    "missing": pa.array([7, None]), "missing text": pa.array(["7", None]), "missing code": pa.array(["7", None]).dictionary_encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_row_133_customers_are_found_in_every_kind_of_column(tmp_path, kind):
    table = pa.table({"customer_id": COLUMNS[kind], "x": [1, 2]})
    with pa.ipc.new_file(str(tmp_path / "x.arrow"), table.schema) as writer:
        writer.write_table(table)
    erase([7], tmp_path)
    with pa.OSFile(str(tmp_path / "x.arrow")) as file:
        left = pa.ipc.open_file(file).read_all()
    assert left["x"].to_pylist() == [2]
    assert left.schema == table.schema


def test_row_133_lists_lose_elements_and_nested_objects_go(tmp_path):
    table = pa.table({
        "customer_id": [1, 2, 7], "near": [[7, 2], [3], [1]], "more": [[{"customer_id": 7, "s": 0.5}, {"customer_id": 3, "s": 0.1}], None, []],
        "inside": [{"customer_id": 5}, {"customer_id": 6}, {"customer_id": 9}], "far": [[7], [7], [7]],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "near.parquet")
    done = erase([7], tmp_path, columns=["near"])
    left = pq.read_table(tmp_path / "near.parquet")
    assert left.schema == table.schema
    assert left.to_pylist() == [
        {
            "customer_id": 1,
            "near": [2],
            "more": [{"customer_id": 3, "s": 0.1}],
            "inside": {"customer_id": 5},
            "far": [7],
        },
        {"customer_id": 2, "near": [3], "more": None, "inside": {"customer_id": 6}, "far": [7]},
    ]
    assert [(x.removed, x.changed) for x in done.files] == [(1, 1)]
    erase([6], tmp_path)
    assert pq.read_table(tmp_path / "near.parquet").num_rows == 1


def test_row_133_given_columns_hold_customers_too(tmp_path):
    frame = pd.DataFrame({"customer_id": [1, 2, 3], "neighbour": [7, 1, 2], "amount": [5, 7, 7]})
    frame.to_parquet(tmp_path / "n.parquet")
    assert erase([7], tmp_path).rows == 0
    assert erase([7], tmp_path, columns="neighbour").rows == 1
    assert pd.read_parquet(tmp_path / "n.parquet")["amount"].tolist() == [7, 7]


def test_row_133_json_lines_keep_the_bytes_of_other_lines(tmp_path):
    lines = [
        b'{"customer_id": 7, "a": 1}\n', b'{"a":1.50,  "customer_id":8}\r\n', b"\n", b'{"request": {"customer_id": "7"}, "score": 1}\n', b'{"a": NaN, "list": [1, 1e5]}\n',
        b'{"rows": [{"customer_id": 7}, {"customer_id": 9}], "z": "\\u00e9"}\n', '{"z": "é"}'.encode(),
    ]  # fmt: skip
    (tmp_path / "spool.jsonl").write_bytes(b"".join(lines))
    done = erase([7], tmp_path)
    assert (tmp_path / "spool.jsonl").read_bytes() == lines[1] + lines[2] + lines[
        4
    ] + b'{"rows": [{"customer_id": 9}], "z": "\\u00e9"}\n' + lines[6]
    assert [(x.removed, x.changed) for x in done.files] == [(2, 1)]


def test_row_133_json_files_lose_objects_and_go_when_they_are_about_one_customer(tmp_path):
    (tmp_path / "one.json").write_text('{"customer_id": 7, "score": 1}')
    (tmp_path / "many.json").write_text('[{"customer_id": 7}, {"customer_id": 8}]')
    (tmp_path / "map.json").write_text('{"scores": {"customer_id": [7, 8]}, "7": "seven"}')
    erase([7], tmp_path)
    assert not (tmp_path / "one.json").exists()
    assert json.loads((tmp_path / "many.json").read_text()) == [{"customer_id": 8}]
    assert json.loads((tmp_path / "map.json").read_text()) == {"scores": {"customer_id": [8]}, "7": "seven"}


def test_row_133_csv_keeps_quotes_blanks_line_ends_and_foreign_bytes(tmp_path):
    rows = [
        b'\xef\xbb\xbfcustomer_id;"a b";c\r\n',
        b'7;"x\r\ny";1\r\n',
        b'8;"7;""q""\n";2\r\n',
        b'"7";a;3\n',
        b"9;\xff\xfe;'7\r\n",
        b"7;b",
    ]
    (tmp_path / "x.csv").write_bytes(b"".join(rows))
    assert erase([7], tmp_path).rows == 3
    assert (tmp_path / "x.csv").read_bytes() == rows[0] + rows[2] + rows[4]


def test_row_133_pseudonyms_are_found_in_any_column_of_text(tmp_path):
    who = Pseudonymizer(KEY)
    frame = pd.DataFrame({"pseudonym": who.of([7, 8]), "x": [1, 2]})
    write(tmp_path, frame.rename(columns={"pseudonym": "customer_id"}))
    frame.to_parquet(tmp_path / "p.parquet")
    frame.to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"who": {"deep": p}}) + "\n" for p in frame["pseudonym"]))
    other = tmp_path / "other.parquet"
    who.within("else").table(pd.DataFrame({"customer_id": [7, 8]})).to_parquet(other)
    done = erase([7], tmp_path, pseudonymizer=who)
    assert done.rows == len(KINDS) + 3
    for path in tmp_path.iterdir():
        assert who.of([7])[0] not in map(str, leaves(contents(path)))
        assert who.of([8])[0] in map(str, leaves(contents(path))) or path == other
    assert erase([7], tmp_path, pseudonymizer=[who, who.within("else")]).rows == 1


def test_row_133_a_decision_log_is_emptied_and_its_chain_holds(tmp_path):
    log = DecisionLog(tmp_path / "decisions")
    for day in ("2024-01-01 10:30", "2024-01-02 11:00", "2024-01-03"):
        head = log.append(
            pd.DataFrame({"customer_id": [8, 7, 9], "action": ["call", "mail", "no action"], "value": [1.5, 2.5, 0.0]}),
            at=day,
            model="m",
        )
    untouched = (tmp_path / "decisions" / "part-000000.parquet").read_bytes()
    assert erase([1], tmp_path).heads == ()
    done = erase([7], tmp_path)
    (new,) = done.heads
    assert (new.before, done.rows, len(log.read())) == (head, 3, 6)
    assert log.verify(new.after).whole
    assert log.verify(new.after).records == 9
    assert not log.verify(head).whole
    assert log.read()["customer_id"].tolist() == [8, 9] * 3
    assert log.read()["decision_id"].tolist() == [0, 2, 3, 5, 6, 8]
    assert log.read()["customer_id"].dtype == np.int64
    raw = pq.read_table(tmp_path / "decisions" / "part-000001.parquet").to_pylist()[1]
    assert {k: v for k, v in raw.items() if v is not None and k != "hash"} == {
        "decision_id": 4,
        "rule": "redacted",
        "at": pd.Timestamp("2024-01-02", tz="UTC"),
    }
    assert (tmp_path / "decisions" / "part-000000.parquet").read_bytes() != untouched
    after = log.append(pd.DataFrame({"customer_id": [10], "action": "call"}), at="2024-01-04")
    assert log.verify(after).records == 10
    assert erase([7], tmp_path).rows == 0
    assert erase([10], tmp_path).heads[0].before == after
    assert sorted(p.name for p in (tmp_path / "decisions").iterdir()) == [f"part-{i:06d}.parquet" for i in range(4)]


def test_row_133_only_the_tail_of_a_log_is_written_anew(tmp_path):
    log = DecisionLog(tmp_path)
    for who in ("a", "b", "c"):
        log.append(pd.DataFrame({"customer_id": [who], "action": "call"}), at="2024-01-01")
    before = bytes_below(tmp_path)
    erase(["b"], tmp_path)
    after = bytes_below(tmp_path)
    assert [after[n] == before[n] for n in sorted(before)] == [True, False, False]
    assert log.verify().whole


def test_row_133_what_a_killed_writer_left_beside_a_log_is_searched(tmp_path):
    log = DecisionLog(tmp_path / "log")
    log.append(pd.DataFrame({"customer_id": [8], "action": "call"}), at="2024-01-01")
    FRAME.to_parquet(tmp_path / "log" / "part-000001.tmp")
    (tmp_path / "log" / "deep").mkdir()
    FRAME.to_parquet(tmp_path / "log" / "deep" / "x.parquet")
    assert erase([907], tmp_path).rows == 6
    assert log.verify().whole


def test_row_133_a_damaged_log_is_not_laundered(tmp_path):
    log = DecisionLog(tmp_path / "log")
    log.append(pd.DataFrame({"customer_id": [7, 8], "action": "call"}), at="2024-01-01")
    part = tmp_path / "log" / "part-000000.parquet"
    table = pq.read_table(part)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", pa.array(["mail", "mail"])), part)
    before = bytes_below(tmp_path)
    with pytest.raises(ErasureError, match=r"log .*damaged"):
        erase([7], tmp_path)
    assert bytes_below(tmp_path) == before


@pytest.mark.parametrize("stop", range(1, 8))
def test_row_133_an_interrupted_redaction_is_finished_by_the_next_writer(tmp_path, monkeypatch, stop):
    log = DecisionLog(tmp_path)
    for _ in range(3):
        log.append(pd.DataFrame({"customer_id": [7, 8], "action": "call"}), at="2024-01-01")
    real, calls = os.replace, []

    def dying(a, b):
        calls.append(b)
        if len(calls) == stop:
            raise KeyboardInterrupt
        real(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(log_files.os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            erase([7], tmp_path)
    head = log.append(pd.DataFrame({"customer_id": [9], "action": "call"}), at="2024-01-02")
    assert log.verify(head).whole
    erase([7], tmp_path)
    assert log.verify().whole
    assert log.read()["customer_id"].tolist() == [8, 8, 8, 9]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"part-{i:06d}.parquet" for i in range(4)]


def test_row_133_features_runs_and_old_versions_are_searched(tmp_path):
    log = simulate(60, days=200, seed=4).log(quiet=True)
    gone = [int(c) for c in log.customers[[0, 5, 30]]]
    f.FeatureSet([f.recency(), f.count()]).build(log, at=log.end, out=tmp_path / "features")
    scores = pd.DataFrame({"customer_id": log.customers, "score": 0.5})
    for digest in ("aaa", "bbb"):
        (tmp_path / f"OUT.{digest}").mkdir()
        scores.to_parquet(tmp_path / f"OUT.{digest}" / "part-0.parquet")
    (tmp_path / "OUT").symlink_to("OUT.bbb")
    (tmp_path / "other").mkdir()
    scores.to_parquet(tmp_path / "other" / "x.parquet")
    done = erase(gone, [tmp_path / "OUT", tmp_path / "features"])
    assert {Path(x.path).parent.name for x in done.files} == {"OUT.aaa", "OUT.bbb", "features"}
    assert (tmp_path / "OUT").is_symlink()
    for folder in ("OUT", "OUT.aaa", "features"):
        held = pd.concat([pd.read_parquet(p) for p in (tmp_path / folder).glob("*.parquet")])
        assert sorted(held["customer_id"]) == sorted(set(log.customers) - set(gone))
    assert len(pd.read_parquet(tmp_path / "other" / "x.parquet")) == len(scores)
    assert not done.retrain


def test_links_are_searched_once_and_links_that_lead_out_are_told(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    FRAME.to_parquet(inside / "x.parquet")
    FRAME.to_parquet(outside / "x.parquet")
    (inside / "link.parquet").symlink_to("x.parquet")
    (inside / "away").symlink_to(outside)
    (inside / "circle").symlink_to(inside)
    before = (outside / "x.parquet").read_bytes()
    done = erase([907], inside)
    assert len(done.files) == 1
    assert [(Path(u.path).name, u.why) for u in done.unsearched] == [("away", "a link that leads out of the folders")]
    assert (outside / "x.parquet").read_bytes() == before
    assert (inside / "link.parquet").is_symlink()


def test_row_133_folders_named_after_a_customer_go_with_their_files(tmp_path):
    FRAME.to_parquet(tmp_path / "t", partition_cols=["customer_id"])
    done = erase([907], tmp_path)
    left = pd.read_parquet(tmp_path / "t")
    assert sorted(left["customer_id"].astype(int)) == [8, 8, 9, 10]
    assert done.rows == 3
    assert "907" not in repr(done) + done.to_frame().to_string()


def bundle(folder: Path, trained=None, **parts) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"format":1,"kind":"churn"}')
    if trained is not None:
        (folder / "trained_on.json").write_text(json.dumps(trained))
    for name, frame in parts.items():
        frame.to_parquet(folder / f"{name}.parquet")
    return folder


def test_row_133_models_to_train_anew_are_named_and_left_alone(tmp_path):
    bundle(tmp_path / "listed", [1, 907])
    bundle(tmp_path / "clean", [1, 2])
    bundle(tmp_path / "silent")
    bundle(tmp_path / "recommender", history=FRAME)
    bundle(tmp_path / "array")
    np.save(tmp_path / "array" / "trained_on.npy", np.array([907, 8]))
    before = bytes_below(tmp_path)
    done = erase([907], tmp_path)
    told = {Path(r.path).name: r.trained for r in done.retrain}
    assert told == {"listed": "yes", "silent": "unknown", "recommender": "yes", "array": "yes"}
    assert bytes_below(tmp_path) == before
    asked = []
    done = erase([907], tmp_path, trained_on=lambda path, ids: asked.append((path.name, ids)))
    assert {r.trained for r in done.retrain} == {"unknown", "yes"}
    assert asked[0][1] == {"907"}
    assert not erase([907], tmp_path / "silent", trained_on=lambda path, ids: False).retrain
    assert erase([907], tmp_path / "silent", trained_on=lambda path, ids: 1 / 0).retrain[0].trained == "unknown"
    assert listed_in(bundle(tmp_path / "pseudonyms", ["abc"]), frozenset({"abc"})) is True
    (tmp_path / "silent" / "trained_on.json").write_text("{")
    assert listed_in(tmp_path / "silent", frozenset({"7"})) is None


def test_row_133_unreadable_files_are_named_at_the_end_and_the_rest_is_done(tmp_path):
    write(tmp_path, FRAME)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really 907")
    (tmp_path / "b.jsonl").write_text('{"customer_id": 907}\n{"customer_id": 907 secret}\n')
    (tmp_path / "c.csv").write_bytes("customer_id,x\n907,1\n".encode("utf-16"))
    (tmp_path / "d.feather").write_bytes(b"ARROW1")
    (tmp_path / "e.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "f.json").write_text("[" * 100_000)
    with pytest.raises(ErasureError) as caught:
        erase([907], tmp_path)
    report = caught.value.report
    assert [Path(u.path).name for u in report.failed] == [
        "a.parquet",
        "b.jsonl",
        "c.csv",
        "d.feather",
        "e.csv.gz",
        "f.json",
    ]
    assert report.rows == 3 * len(KINDS)
    assert "secret" not in str(caught.value)
    assert "907" not in str(caught.value).replace(str(tmp_path), "")
    assert erase([907], tmp_path, allow_failures=True).failed == report.failed


def test_files_of_unknown_kinds_and_without_customers_are_told(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04")
    (tmp_path / "page.html").write_text("<b>907</b>")
    (tmp_path / "empty.parquet").touch()
    (tmp_path / "run.lock").touch()
    pd.DataFrame({"x": [907]}).to_parquet(tmp_path / "sums.parquet")
    pd.DataFrame({"x": [907]}).to_csv(tmp_path / "sums.csv")
    (tmp_path / "headless.csv").write_text("907,1\n8,2\n")
    FRAME.to_parquet(tmp_path / "half.tmp")
    done = erase([907], tmp_path)
    assert {Path(u.path).name for u in done.unsearched} == {
        "model.pkl",
        "page.html",
        "sums.parquet",
        "sums.csv",
        "headless.csv",
    }
    assert [Path(x.path).name for x in done.files] == ["half.tmp"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write(tmp_path, FRAME)
    before = bytes_below(tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored_module.os, "replace", full)
    with pytest.raises(ErasureError, match="No space left on device"):
        erase([907], tmp_path)
    assert bytes_below(tmp_path) == before
    monkeypatch.undo()
    (tmp_path / ".plain.parquet.erasing").write_bytes(b"half")
    erase([907], tmp_path)
    assert not list(tmp_path.glob(".*"))


def test_checksums_that_no_longer_hold_are_told(tmp_path):
    import hashlib

    folder = tmp_path / "OUT.1"
    folder.mkdir()
    FRAME.to_parquet(folder / "part-0.parquet")
    digest = hashlib.sha256((folder / "part-0.parquet").read_bytes()).hexdigest()
    (folder / "part-0.json").write_text(json.dumps({"rows": 7, "sha256": digest}))
    (tmp_path / "done.json").write_text(json.dumps({"all": [digest]}))
    assert {Path(c).name for c in erase([907], tmp_path).checksums} == {"part-0.json", "done.json"}


def test_row_133_the_suppression_list_keeps_imports_clean(tmp_path):
    who, path = Pseudonymizer(KEY), tmp_path / "erased.parquet"
    FRAME.to_parquet(tmp_path / "log.parquet")
    assert not erase([907], tmp_path, pseudonymizer=who, suppression=path).unsearched
    erase(["9"], tmp_path, pseudonymizer=who.within("reports"), suppression=path)
    held = SuppressionList.read(path, who)
    assert len(held) == 2
    assert not held.hashes & {*who.of([907, 9]), *who.within("reports").of([907, 9])}
    for erased in (path, held):
        out = suppressed(FRAME, erased, who)
        assert out.equals(FRAME[~FRAME["customer_id"].isin([907, 9])])
    assert suppressed(FRAME.astype({"customer_id": str}), path, who)["customer_id"].tolist() == ["8", "10", "8"]
    gaps = FRAME.assign(customer_id=FRAME["customer_id"].astype("Int64").mask(FRAME.index == 1))
    assert suppressed(gaps, path, who)["note"].tolist() == ["b", "e", "g"]
    same = tmp_path / "same.parquet"
    SuppressionList(who.key_id).with_ids([9, 907], who).write(same)
    assert same.read_bytes() == path.read_bytes()
    SuppressionList(who.key_id).with_ids(range(1, 40), who).write(same)
    assert pq.read_table(same)["erased"].to_pylist() == sorted(who.within("crmintel.suppression").of(range(1, 40)))
    raw = path.read_bytes()
    assert KEY not in raw
    assert suppressed(FRAME.iloc[:0], path, who).empty


def test_row_136_a_suppression_list_of_another_key_is_refused(tmp_path):
    who, path = Pseudonymizer(KEY), tmp_path / "erased.parquet"
    SuppressionList(who.key_id).with_ids([7], who).write(path)
    other = Pseudonymizer(KEY[::-1])
    for call in (
        lambda: suppressed(FRAME, path, other),
        lambda: suppressed(FRAME, SuppressionList.read(path, who), other),
        lambda: SuppressionList.read(path, who).with_ids([8], other),
        lambda: erase([7], tmp_path, pseudonymizer=other, suppression=path),
    ):
        with pytest.raises(DataContractError, match="made with key"):
            call()
    with pytest.raises(DataContractError, match="needs a key"):
        erase([7], tmp_path, suppression=path)
    with pytest.raises(DataContractError, match="no suppression list"):
        suppressed(FRAME, tmp_path / "x", who)
    FRAME.to_parquet(path)
    with pytest.raises(DataContractError, match="cannot be read"):
        suppressed(FRAME, path, who)


@pytest.mark.parametrize(
    ("ids", "match"), [([], "Nobody is named"), ([None], "missing"), (["a", ""], "missing"), ([1.5], "float")]
)
def test_who_to_erase_must_be_said(tmp_path, ids, match):
    with pytest.raises(DataContractError, match=match):
        erase(ids, tmp_path)


def test_where_must_exist(tmp_path):
    with pytest.raises(DataContractError, match="does not exist"):
        erase([7], tmp_path / "x")
    with pytest.raises(DataContractError, match="No folder"):
        erase([7], [])


def test_the_report_shows_places_and_counts(tmp_path):
    write(tmp_path, FRAME)
    bundle(tmp_path / "<b>model")
    done = erase([907], tmp_path)
    assert repr(done).startswith(
        f"Erasure: {3 * len(KINDS)} rows of 1 customers removed, in {len(KINDS)} of {len(KINDS)} tables"
    )
    frame = done.to_frame()
    assert frame.loc[frame["what"] == "removed", "rows"].sum() == done.rows
    assert "<b>" not in done._repr_html_()
    assert "907" not in repr(done) + frame.to_string().replace(str(tmp_path), "")


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_row_133_after_erasing_nothing_of_them_is_left_and_all_else_is(data):
    texts = data.draw(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=3, max_size=12).filter(
                lambda t: t.strip() == t
            ),
            min_size=2,
            max_size=6,
            unique=True,
        )
    )
    customers = [f"canary{i}<{t}>" for i, t in enumerate(texts)]
    rows = data.draw(st.lists(st.integers(0, len(customers) - 1), min_size=1, max_size=12))
    frame = pd.DataFrame(
        {"customer_id": [customers[r] for r in rows], "x": range(len(rows)), "y": [f"é\"{r}',;" for r in rows]}
    )
    gone = set(customers[: data.draw(st.integers(1, len(customers)))])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, frame)
        before = {p.name: contents(p) for p in folder.iterdir()}
        raw = bytes_below(folder)
        erase(sorted(gone), folder)
        for path in folder.iterdir():
            held = contents(path)
            assert not gone & {v for v in leaves(held) if isinstance(v, str)}
            assert held == [r for r in before[path.name] if r["customer_id"] not in gone]
            if held == before[path.name]:
                assert path.read_bytes() == raw[path.name]


HARDER = [
    t for t in HOSTILE if len(t) < 3_000 and "\x00" not in t and t != "a\rb"
]  # pandas writes a lone return without quotes


@pytest.mark.slow
@pytest.mark.parametrize("place", range(0, len(HARDER), 40))
def test_hostile_identifiers_and_columns_are_erased_and_nothing_else(tmp_path, place):
    some = HARDER[place : place + 40]
    frame = pd.DataFrame({"customer_id": [*some, "kept"], "x": range(len(some) + 1)})
    for i, text in enumerate(some):
        frame.insert(1, text if text not in frame.columns else f"column {i}", "v")
    files = write(tmp_path, frame[["customer_id", "x"]])
    frame.to_parquet(tmp_path / "wide.parquet")
    frame.to_csv(tmp_path / "wide.csv", index=False)
    frame.to_json(tmp_path / "wide.jsonl", orient="records", lines=True)
    erase(some, tmp_path)
    for path in [*files.values(), tmp_path / "wide.parquet", tmp_path / "wide.csv", tmp_path / "wide.jsonl"]:
        held = contents(path)
        assert [(r["customer_id"], str(r["x"])) for r in held] == [("kept", str(len(some)))]


@pytest.mark.parametrize("text", [t for t in HARDER if t.strip() == t and t != "7"][::7])
def test_a_hostile_identifier_takes_only_its_own_rows(tmp_path, text):
    others = [
        t
        for t in HARDER
        if t not in (text, f"'{text}", f"{text}.0", text.removesuffix(".0"))
        and t.strip() != text
        and t.strip().removeprefix("'") != text
    ]
    frame = pd.DataFrame({"customer_id": [*others, text], "x": 1})
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert erase([text], tmp_path).rows == 2
    assert pd.read_parquet(tmp_path / "a.parquet")["customer_id"].tolist() == others


@pytest.mark.slow
def test_hostile_columns_may_hold_customers(tmp_path):
    for i, text in enumerate(HARDER[:120]):
        pd.DataFrame({text: ["canary", "b"]}).to_parquet(tmp_path / f"{i}.parquet")
    assert erase(["canary"], tmp_path, columns=HARDER[:120]).rows == 120


def test_a_log_read_after_erasing_is_the_log_without_them(tmp_path):
    made = simulate(50, days=150, seed=9).interactions
    made.to_parquet(tmp_path / "log.parquet")
    gone = sorted(set(made["customer_id"]))[:5]
    erase(gone, tmp_path)
    left = InteractionLog.read(str(tmp_path / "log.parquet"), quiet=True)
    plain = InteractionLog.read(made[~made["customer_id"].isin(gone)].reset_index(drop=True), quiet=True)
    assert left.fingerprint == plain.fingerprint


@pytest.mark.slow
def test_row_133_a_killed_erasure_leaves_each_file_old_or_new_and_is_finished_by_the_next(tmp_path):
    made = simulate(400, days=300, seed=11).interactions
    for name in ("plan", "killed"):
        (tmp_path / name).mkdir()
        for i in range(6):
            made.to_parquet(tmp_path / name / f"{i}.parquet")
            made.to_csv(tmp_path / name / f"{i}.csv", index=False)
    gone = [int(c) for c in sorted(set(made["customer_id"]))[:20]]
    old = bytes_below(tmp_path / "plan")
    erase(gone, tmp_path / "plan")
    new = bytes_below(tmp_path / "plan")
    code = f"import sys; from crmintel.privacy import erase; print('go', flush=True); erase({gone!r}, sys.argv[1])"
    kills = 0
    for seed in range(8):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "killed")], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(float(np.random.default_rng(seed).uniform(0, 0.6)))
            child.kill()
        kills += child.returncode != 0
        for name, held in bytes_below(tmp_path / "killed").items():
            assert name.endswith(".erasing") or held in (old[name], new[name])
    assert kills
    erase(gone, tmp_path / "killed")
    assert bytes_below(tmp_path / "killed") == new


def test_row_133_the_suppression_list_is_not_erased_by_its_own_hashes(tmp_path):
    who, path = Pseudonymizer(KEY), tmp_path / "erased.parquet"
    erase([7], tmp_path, pseudonymizer=[who, who.within("crmintel.suppression")], suppression=path)
    assert len(SuppressionList.read(path, who)) == 1
