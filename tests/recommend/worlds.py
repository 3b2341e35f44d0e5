"""Small worlds for tests of recommenders."""

import pandas as pd

from crmintel import InteractionLog


def log_of(baskets: dict[int, str]) -> InteractionLog:
    """Customers and the items they bought, one letter each, a day apart."""
    rows = [
        (c, pd.Timestamp("2024-01-01") + pd.Timedelta(days=d), i)
        for c, items in baskets.items()
        for d, i in enumerate(items)
    ]
    return InteractionLog.read(
        pd.DataFrame(rows, columns=["customer_id", "timestamp", "item_id"]).astype({"timestamp": "datetime64[us]"}),
        quiet=True,
    )


def answer(table: pd.DataFrame, customer: int) -> list[str]:
    """The list of a customer."""
    items: list[str] = table.loc[table["customer_id"] == customer, "item_id"].tolist()
    return items
