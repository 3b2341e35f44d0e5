"""What a message advises is said as the options of a command."""

from dataclasses import fields

import pytest
from typer.main import get_command

from crmintel import Policies
from crmintel.cli import app
from crmintel.cli.app import in_shell


@pytest.mark.parametrize(("said", "told"), [
    ('Map them with columns: customer_id = "Customer", timestamp = "Order Date".',
     "Add --column customer_id=Customer --column 'timestamp=Order Date'."),
    ('Map them with columns: timestamp = "Date". Probably also: order_id = "No", amount = "Total".',
     "Add --column timestamp=Date. Probably also: --column order_id=No --column amount=Total."),
    ('Drop them with on_missing="drop" (a policy), or repair them.', "Drop them with --policy on_missing=drop, or repair them."),
    ('Choose on_missing_amount="drop" or "zero" (a policy).', "Choose --policy on_missing_amount=drop (or zero)."),
    ('say how: time_format="%d/%m/%Y %H:%M" (a policy).', "say how: --policy 'time_format=%d/%m/%Y %H:%M'."),
    ('With decimal="," they must look like 1234,50.', 'With decimal="," they must look like 1234,50.'),
])  # fmt: skip
def test_advice_becomes_options(said: str, told: str) -> None:
    assert in_shell(said) == told


def test_the_help_names_every_policy() -> None:
    (policy,) = (p for p in get_command(app).commands["check"].params if p.name == "policy")  # type: ignore[attr-defined]  # it is a group
    named = policy.help.partition("Names: ")[2].rstrip(".").split(", ")
    assert sorted(named) == sorted(f.name for f in fields(Policies))
