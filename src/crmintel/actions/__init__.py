"""What to do next, for whom, and how to find out whether it works."""

from crmintel.actions.allocation.allocate import allocate, allocate_exactly
from crmintel.actions.allocation.channels import allocate_catalog
from crmintel.actions.allocation.prices import Prices
from crmintel.actions.allocation.result import Allocation
from crmintel.actions.catalogue.catalog import Action, ActionCatalog, Channel
from crmintel.actions.catalogue.contact import ContactPolicy
from crmintel.actions.catalogue.eligibility import Eligibility, Rule
from crmintel.actions.catalogue.hours import preferred_hours
from crmintel.actions.drawing.exempt import explore_plan, held_out, spare
from crmintel.actions.drawing.explore import Epsilon, Softmax, Thompson, explore, propensities
from crmintel.actions.effects.learners import DRLearner, MetaLearner, RLearner, SLearner, TLearner, XLearner
from crmintel.actions.effects.model import EffectModel
from crmintel.actions.effects.online import Decider, Decision
from crmintel.actions.effects.policy import Policy, choose_policy
from crmintel.actions.experiments.assignment import assign
from crmintel.actions.experiments.experiment import ExperimentDesign, design_experiment
from crmintel.actions.experiments.promotion import PromotionEffect, promotion_effect
from crmintel.actions.experiments.readout import ReadOut, read_experiment
from crmintel.actions.next_best import learn_effects, next_best_actions
from crmintel.actions.plan import Plan, no_plan, plan_actions, uniform
from crmintel.actions.proof.diagnostics import Diagnostics
from crmintel.actions.proof.estimators import slope
from crmintel.actions.proof.offpolicy import PolicyValue, evaluate_policy
from crmintel.actions.proof.sequences import confidence_sequence, empirical_bernstein, off_policy_sequence
from crmintel.actions.records.decisions import DecisionLog, Matured, Verification

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
