"""DuckDB SQL as most people would write it: one aggregate with FILTER and COUNT(DISTINCT), a few joins for the rest.

python -m benchmarks.opponents.sql_filter FILE --at T [T …] --threads N --out FILE.parquet
"""

from benchmarks.opponents.command import parser
from benchmarks.opponents.names import ACTIVE, LONG
from benchmarks.opponents.sql import AT, BUYS, answer, everything, purchases, within

VARIETY = [
    *(f'count(DISTINCT item_id) FILTER ({BUYS}{within(w)}) AS "distinct_item_id_purchase_{w}"' for w in LONG),
    *(f'count(DISTINCT category) FILTER ({BUYS}{within(w)}) AS "distinct_category_purchase_{w}"' for w in LONG),
    f'count(DISTINCT channel) FILTER (true{within("365d")}) AS "distinct_channel_365d"',
    *(f'count(DISTINCT timestamp::DATE) FILTER (true{within(w)}) AS "active_days_{w}"' for w in ACTIVE),
]  # fmt: skip

QUERY = f"""
    WITH past AS (
        SELECT * FROM log WHERE timestamp < {AT}
    ), main AS (
        SELECT customer_id, {", ".join([*everything(), *purchases(BUYS), *VARIETY])} FROM past GROUP BY customer_id
    ), categories AS (
        SELECT customer_id, category, count(*) AS n FROM past WHERE {BUYS}{within("365d")} GROUP BY customer_id, category
    ), mix AS (
        SELECT customer_id, ln(sum(n)) - sum(n * ln(n)) / sum(n) AS entropy_category_purchase_365d,
            max(n) / sum(n) AS top_share_category_purchase_365d
        FROM categories GROUP BY customer_id
    ), days AS (
        SELECT DISTINCT customer_id, timestamp::DATE AS day FROM past WHERE {BUYS}
    ), gaps AS (
        SELECT customer_id, avg(gap) AS gap_purchase_mean_all, stddev_samp(gap) AS gap_purchase_spread_all,
            max(gap) AS gap_purchase_longest_all, arg_max(gap, day) AS gap_purchase_last_all
        FROM (SELECT customer_id, day, day - lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS gap FROM days)
        WHERE gap IS NOT NULL GROUP BY customer_id
    )
    SELECT {AT} AS at, *, recency_days_purchase / gap_purchase_mean_all AS gap_purchase_overdue_all
    FROM main LEFT JOIN mix USING (customer_id) LEFT JOIN gaps USING (customer_id)
"""

if __name__ == "__main__":
    answer(parser(__doc__).parse_args(), QUERY)
