"""featuretools, in an environment of its own: the features that both have, over the whole past and the last year.

python -m benchmarks.opponents.featuretools_dfs FILE --at T [T …] --threads N --out FILE.parquet

Prints the seconds of computing alone: reading the file, declaring the features, and writing 0 for nothing are not counted.
"""

import warnings

import featuretools as ft
import pandas as pd
from featuretools import primitives as p

from benchmarks.opponents.command import Steps, parser
from benchmarks.opponents.names import KINDS

DAY = 86_400
SECONDS, ZEROS = ("recency_days", "tenure_days"), ("count", "total", "distinct")


def declared(es):
    """The features of each training window: (window, features), named as ours."""
    whom = ft.Feature(es["log"].ww["kind"])
    every = ft.Feature(es["log"].ww["row"])

    def of(column, primitive, name, kind=None):
        where = None if kind is None else whom == kind
        base = every if column is None else ft.Feature(es["log"].ww[column])
        return ft.AggregationFeature(base, "customers", primitive, where=where).rename(name)

    amounts = {"total": p.Sum, "mean": p.Mean, "largest": p.Max, "spread": p.Std}
    both = lambda w: [  # noqa: E731
        of(None, p.Count, f"count_{w}"),
        of(None, p.Count, f"count_purchase_{w}", "purchase"),
        of(None, p.Count, f"count_return_{w}", "return"),
        *(of("amount", primitive, f"{name}_amount_purchase_{w}", "purchase") for name, primitive in amounts.items()),
        *(of(c, p.NumUnique, f"distinct_{c}_purchase_{w}", "purchase") for c in ("item_id", "category")),
    ]
    past = [
        of("timestamp", p.TimeSinceLast, "recency_days"),
        of("timestamp", p.TimeSinceFirst, "tenure_days"),
        *(of("timestamp", p.TimeSinceLast, f"recency_days_{k}", k) for k in KINDS),
        of("amount", p.First, "first_amount_purchase_all", "purchase"),
        of("amount", p.Last, "last_amount_purchase_all", "purchase"),
    ]
    year = [
        of("amount", p.Min, "smallest_amount_purchase_365d", "purchase"),
        of("channel", p.NumUnique, "distinct_channel_365d"),
        of("category", p.Entropy, "entropy_category_purchase_365d", "purchase"),
    ]
    return [(None, both("all") + past), ("365 days", both("365d") + year)]


def entities(file):
    """The log and its customers."""
    log = pd.read_parquet(file)
    log["row"] = range(len(log))
    es = ft.EntitySet("crm")
    kinds = dict.fromkeys(("kind", "channel", "category", "item_id"), "Categorical")
    es.add_dataframe(log, "log", index="row", time_index="timestamp", logical_types=kinds | {"amount": "Double"})
    es.normalize_dataframe("log", "customers", "customer_id")
    es.add_last_time_indexes()
    return es


def main() -> None:
    """The command; prints seconds, customers and features."""
    options, steps = parser(__doc__).parse_args(), Steps()
    warnings.simplefilter("ignore")
    es = entities(options.file)
    asked, tables = declared(es), []
    with steps.step("compute"):
        for at in options.at:
            found = [
                ft.calculate_feature_matrix(
                    features, es, cutoff_time=pd.Timestamp(at), training_window=window, include_cutoff_time=False
                )
                for window, features in asked
            ]
            tables.append(pd.concat(found, axis=1).assign(at=pd.Timestamp(at)))
    table = pd.concat(tables)
    days, zeros = ([c for c in table if c.startswith(names)] for names in (SECONDS, ZEROS))
    table = table.astype({c: "float64" for c in table if c != "at"})
    table[days], table[zeros] = table[days] / DAY, table[zeros].fillna(0)
    table.reset_index().to_parquet(options.out)
    steps.told |= {"rows": len(table), "features": table.shape[1] - 1}
    print(steps)


if __name__ == "__main__":
    main()
