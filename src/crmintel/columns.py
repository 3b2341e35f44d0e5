"""The names of columns: the one place where they are spelled."""

from typing import Final

CUSTOMER: Final = "customer_id"
TIME: Final = "timestamp"
KIND: Final = "kind"
ITEM: Final = "item_id"
CATEGORY: Final = "category"
QUANTITY: Final = "quantity"
UNIT_PRICE: Final = "unit_price"
AMOUNT: Final = "amount"
CHANNEL: Final = "channel"
ORDER: Final = "order_id"
KNOWN_AT: Final = "known_at"
CURRENCY: Final = "currency"
RATING: Final = "rating"
POINTS: Final = "points"

AT: Final = "at"
SCORE: Final = "score"
RANK: Final = "rank"
SOURCE: Final = "source"

SEGMENT: Final = "segment"
TIER: Final = "tier"
STAGE: Final = "stage"
CHURN: Final = "churn_probability"
REASONS: Final = "churn_reasons"
VALUE: Final = "value"
VALUE_LOW: Final = "value_low"
VALUE_HIGH: Final = "value_high"
NEXT_ITEMS: Final = "next_items"
ACTION: Final = "action"
WHY: Final = "action_why"

REQUIRED: Final = (CUSTOMER, TIME)
TEXT: Final = (KIND, ITEM, CATEGORY, CHANNEL, ORDER, CURRENCY)
NUMBERS: Final = (QUANTITY, UNIT_PRICE, AMOUNT, RATING, POINTS)
KNOWN: Final = (*REQUIRED, *TEXT, *NUMBERS, KNOWN_AT)
RESERVED: Final = (
    AT, SCORE, RANK, SOURCE, SEGMENT, TIER, STAGE, CHURN, REASONS,
    VALUE, VALUE_LOW, VALUE_HIGH, NEXT_ITEMS, ACTION, WHY,
)  # fmt: skip
"""Names our own results use: a kept column may not carry them."""

PURCHASE: Final = "purchase"
RETURN: Final = "return"
UNKNOWN: Final = "unknown"
