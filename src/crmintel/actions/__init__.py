"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.actions.plan import Action, Plan, no_plan, plan_actions, uniform

__all__ = ["Action", "ExperimentDesign", "Plan", "design_experiment", "no_plan", "plan_actions", "uniform"]
