"""DuckDB SQL made quick: purchases in a pass of their own, and no COUNT(DISTINCT), for what is different is grouped first
and counted by when it was last seen.

python -m benchmarks.opponents.sql_lead FILE --at T [T …] --threads N --out FILE.parquet
"""

from benchmarks.opponents.command import parser
from benchmarks.opponents.names import ACTIVE, LONG
from benchmarks.opponents.sql import AT, BUYS, answer, everything, purchases, within


def seen(name: str, windows: tuple[str, ...]) -> str:
    """How many groups were last seen in each window."""
    last = [within(w).replace("timestamp", "last") for w in windows]
    return ", ".join(f'count(*) FILTER (true{cond}) AS "{name}_{w}"' for w, cond in zip(windows, last, strict=True))


ZERO_OF_NOTHING = "^(count|total|distinct|trend|decayed)_"

QUERY = f"""
    WITH past AS NOT MATERIALIZED (
        SELECT * FROM log WHERE timestamp < {AT}
    ), main AS (
        SELECT customer_id, {", ".join(everything())} FROM past GROUP BY customer_id
    ), bought AS (
        SELECT customer_id, {", ".join(purchases("true"))} FROM past WHERE {BUYS} GROUP BY customer_id
    ), items AS (
        SELECT customer_id, {seen("distinct_item_id_purchase", LONG)} FROM (
            SELECT customer_id, max(timestamp) AS last FROM past WHERE {BUYS} GROUP BY customer_id, item_id
        ) GROUP BY customer_id
    ), categories AS (
        SELECT customer_id, {seen("distinct_category_purchase", LONG)},
            ln(sum(n)) - sum(n * ln(n)) FILTER (n > 0) / sum(n) AS entropy_category_purchase_365d,
            max(n) / nullif(sum(n), 0) AS top_share_category_purchase_365d
        FROM (
            SELECT customer_id, max(timestamp) AS last, count(*) FILTER (true{within("365d")}) AS n
            FROM past WHERE {BUYS} GROUP BY customer_id, category
        ) GROUP BY customer_id
    ), channels AS (
        SELECT customer_id, count(*) AS distinct_channel_365d FROM (
            SELECT DISTINCT customer_id, channel FROM past WHERE true{within("365d")}
        ) GROUP BY customer_id
    ), days AS (
        SELECT customer_id, timestamp::DATE AS day, max(timestamp) AS last, bool_or({BUYS}) AS bought
        FROM past GROUP BY customer_id, day
    ), active AS (
        SELECT customer_id, {seen("active_days", ACTIVE)} FROM days GROUP BY customer_id
    ), gaps AS (
        SELECT customer_id, avg(gap) AS gap_purchase_mean_all, stddev_samp(gap) AS gap_purchase_spread_all,
            max(gap) AS gap_purchase_longest_all, arg_max(gap, day) AS gap_purchase_last_all
        FROM (SELECT customer_id, day, lead(day) OVER (PARTITION BY customer_id ORDER BY day) - day AS gap FROM days WHERE bought)
        WHERE gap IS NOT NULL GROUP BY customer_id
    ), joined AS (
        SELECT {AT} AS at, *, recency_days_purchase / gap_purchase_mean_all AS gap_purchase_overdue_all
        FROM main JOIN active USING (customer_id) LEFT JOIN bought USING (customer_id) LEFT JOIN items USING (customer_id)
            LEFT JOIN categories USING (customer_id) LEFT JOIN channels USING (customer_id) LEFT JOIN gaps USING (customer_id)
    )
    SELECT coalesce(COLUMNS('{ZERO_OF_NOTHING}'), 0), COLUMNS(lambda c: NOT regexp_matches(c, '{ZERO_OF_NOTHING}')) FROM joined
"""

if __name__ == "__main__":
    answer(parser(__doc__).parse_args(), QUERY)
