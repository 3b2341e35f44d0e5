"""Data to try things on: simulated customers whose truth is known."""

from crmintel.datasets.simulate import Simulation, iter_simulate, simulate, simulate_to
from crmintel.datasets.world import World

__all__ = ["Simulation", "World", "iter_simulate", "simulate", "simulate_to"]
