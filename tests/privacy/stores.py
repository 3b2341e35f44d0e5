"""Folders of stored tables with known customers, and a plain search for what is left of them."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def contents(path: Path) -> Any:
    """All rows of a file as plain values, read by nothing of ours."""
    name = path.name
    if name.endswith(".parquet"):
        return pq.read_table(path, partitioning=None).to_pylist()
    if name.endswith((".arrow", ".feather")):
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_file(file).read_all().to_pylist()
    if name.endswith(".arrows"):
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_stream(file).read_all().to_pylist()
    raw = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    text = raw.decode("utf-8-sig", "surrogateescape")
    if ".csv" in name or ".tsv" in name:
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if ".tsv" in name else ","))
    if ".jsonl" in name or ".ndjson" in name:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return json.loads(text)


def write(folder: Path, frame: pd.DataFrame) -> dict[str, Path]:
    """The frame in every kind of file."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    coded = frame.astype({"customer_id": "category"})
    files = {n: folder / n for n in (
        "plain.parquet", "coded.parquet", "groups.parquet", "snappyless.pq.parquet", "fast.feather", "whole.arrow", "stream.arrows", "table.csv", "table.tsv",
        "table.csv.gz", "lines.jsonl", "lines.ndjson.gz", "list.json",
    )}  # fmt: skip
    frame.to_parquet(files["plain.parquet"])
    coded.to_parquet(files["coded.parquet"], compression="zstd")
    pq.write_table(
        table,
        files["groups.parquet"],
        row_group_size=3,
        compression="gzip",
        write_statistics=False,
        use_dictionary=False,
    )
    pq.write_table(table, files["snappyless.pq.parquet"], compression="none")
    coded.to_feather(files["fast.feather"])
    with pa.ipc.new_file(str(files["whole.arrow"]), table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    with pa.ipc.new_stream(str(files["stream.arrows"]), table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    frame.to_csv(files["table.csv"], index=False)
    frame.to_csv(files["table.tsv"], index=False, sep="\t")
    frame.to_csv(files["table.csv.gz"], index=False)
    frame.to_json(files["lines.jsonl"], orient="records", lines=True)
    frame.to_json(files["lines.ndjson.gz"], orient="records", lines=True)
    frame.to_json(files["list.json"], orient="records")
    return files


def leaves(value: Any) -> list[Any]:
    """Every plain value in a nested one, names included."""
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in (k, *leaves(v))]
    if isinstance(value, list | tuple):
        return [x for v in value for x in leaves(v)]
    return [value]


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }
