"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.allocate import allocate, allocate_exactly
from crmintel.actions.allocation import Allocation
from crmintel.actions.assignment import assign
from crmintel.actions.diagnostics import Diagnostics
from crmintel.actions.effect import EffectModel
from crmintel.actions.estimators import slope
from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.actions.learners import DRLearner, MetaLearner, RLearner, SLearner, TLearner, XLearner
from crmintel.actions.offpolicy import PolicyValue, evaluate_policy
from crmintel.actions.plan import Action, Plan, no_plan, plan_actions, uniform
from crmintel.actions.policy import Policy, choose_policy
from crmintel.actions.prices import Prices
from crmintel.actions.promotion import PromotionEffect, promotion_effect
from crmintel.actions.readout import ReadOut, read_experiment
from crmintel.actions.sequences import confidence_sequence, empirical_bernstein, off_policy_sequence

__all__ = [
    "Action",
    "Allocation",
    "DRLearner",
    "Diagnostics",
    "EffectModel",
    "ExperimentDesign",
    "MetaLearner",
    "Plan",
    "Policy",
    "PolicyValue",
    "Prices",
    "PromotionEffect",
    "RLearner",
    "ReadOut",
    "SLearner",
    "TLearner",
    "XLearner",
    "allocate",
    "allocate_exactly",
    "assign",
    "choose_policy",
    "confidence_sequence",
    "design_experiment",
    "empirical_bernstein",
    "evaluate_policy",
    "no_plan",
    "off_policy_sequence",
    "plan_actions",
    "promotion_effect",
    "read_experiment",
    "slope",
    "uniform",
]
