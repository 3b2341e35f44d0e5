"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.effect import EffectModel
from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.actions.learners import DRLearner, MetaLearner, RLearner, SLearner, TLearner, XLearner
from crmintel.actions.plan import Action, Plan, no_plan, plan_actions, uniform
from crmintel.actions.policy import Policy, choose_policy

__all__ = [
    "Action",
    "DRLearner",
    "EffectModel",
    "ExperimentDesign",
    "MetaLearner",
    "Plan",
    "Policy",
    "RLearner",
    "SLearner",
    "TLearner",
    "XLearner",
    "choose_policy",
    "design_experiment",
    "no_plan",
    "plan_actions",
    "uniform",
]
