"""Domains, conditional search spaces, configurations and presets.

Example: ``SearchSpace.of(rate=LogFloat(1e-4, 1.0), width=Int(8, 64))``.
"""

from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.space import Config, SearchSpace

__all__ = ["Categorical", "Config", "Float", "Int", "LogFloat", "LogInt", "SearchSpace"]
