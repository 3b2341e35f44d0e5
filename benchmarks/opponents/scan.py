"""The scan bound: DuckDB reads every column and groups once by customer. Nothing that looks at all data is much quicker.

python -m benchmarks.opponents.scan FILE --at T [T …] --threads N --out FILE.parquet
"""

import duckdb

from benchmarks.opponents.command import parser

QUERY = """
    COPY (
        SELECT customer_id, count(*) AS n, max(timestamp) AS last, sum(amount) AS total,
            max(kind) AS kind, max(channel) AS channel, max(category) AS category, max(item_id) AS item_id
        FROM read_parquet($file) WHERE timestamp < $at GROUP BY customer_id
    ) TO '{out}' (FORMAT parquet)
"""


def main() -> None:
    """The command."""
    options = parser(__doc__).parse_args()
    con = duckdb.connect(config={"threads": options.threads})
    con.execute(QUERY.format(out=options.out), {"file": options.file, "at": max(options.at)})


if __name__ == "__main__":
    main()
