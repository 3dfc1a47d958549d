"""The contenders, by family: what torch differentiates, what JAX compiles, and what compiles its own gradients."""

from peers import compiled, on_jax, on_torch
from peers.registry import PEERS

__all__ = ["PEERS", "compiled", "on_jax", "on_torch"]
