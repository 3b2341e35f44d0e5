"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.allocate import allocate, allocate_exactly
from crmintel.actions.allocation import Allocation
from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.actions.plan import Action, Plan, no_plan, plan_actions, uniform
from crmintel.actions.prices import Prices

__all__ = [
    "Action",
    "Allocation",
    "ExperimentDesign",
    "Plan",
    "Prices",
    "allocate",
    "allocate_exactly",
    "design_experiment",
    "no_plan",
    "plan_actions",
    "uniform",
]
