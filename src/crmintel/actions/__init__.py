"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.allocate import allocate, allocate_exactly
from crmintel.actions.allocation import Allocation
from crmintel.actions.assignment import assign
from crmintel.actions.catalog import Action, ActionCatalog, Channel
from crmintel.actions.channels import allocate_catalog
from crmintel.actions.contact import ContactPolicy
from crmintel.actions.decisions import DecisionLog, Matured, Verification
from crmintel.actions.diagnostics import Diagnostics
from crmintel.actions.effect import EffectModel
from crmintel.actions.eligibility import Eligibility, Rule
from crmintel.actions.estimators import slope
from crmintel.actions.exempt import explore_plan, held_out, spare
from crmintel.actions.experiment import ExperimentDesign, design_experiment
from crmintel.actions.explore import Epsilon, Softmax, Thompson, explore, propensities
from crmintel.actions.hours import preferred_hours
from crmintel.actions.learners import DRLearner, MetaLearner, RLearner, SLearner, TLearner, XLearner
from crmintel.actions.next_best import learn_effects, next_best_actions
from crmintel.actions.offpolicy import PolicyValue, evaluate_policy
from crmintel.actions.online import Decider, Decision
from crmintel.actions.plan import Plan, no_plan, plan_actions, uniform
from crmintel.actions.policy import Policy, choose_policy
from crmintel.actions.prices import Prices
from crmintel.actions.promotion import PromotionEffect, promotion_effect
from crmintel.actions.readout import ReadOut, read_experiment
from crmintel.actions.sequences import confidence_sequence, empirical_bernstein, off_policy_sequence

__all__ = [
    "Action",
    "ActionCatalog",
    "Allocation",
    "Channel",
    "ContactPolicy",
    "DRLearner",
    "Decider",
    "Decision",
    "DecisionLog",
    "Diagnostics",
    "EffectModel",
    "Eligibility",
    "Epsilon",
    "ExperimentDesign",
    "Matured",
    "MetaLearner",
    "Plan",
    "Policy",
    "PolicyValue",
    "Prices",
    "PromotionEffect",
    "RLearner",
    "ReadOut",
    "Rule",
    "SLearner",
    "Softmax",
    "TLearner",
    "Thompson",
    "Verification",
    "XLearner",
    "allocate",
    "allocate_catalog",
    "allocate_exactly",
    "assign",
    "choose_policy",
    "confidence_sequence",
    "design_experiment",
    "empirical_bernstein",
    "evaluate_policy",
    "explore",
    "explore_plan",
    "held_out",
    "learn_effects",
    "next_best_actions",
    "no_plan",
    "off_policy_sequence",
    "plan_actions",
    "preferred_hours",
    "promotion_effect",
    "propensities",
    "read_experiment",
    "slope",
    "spare",
    "uniform",
]
