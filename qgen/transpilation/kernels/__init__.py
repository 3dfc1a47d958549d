"""Searches that numba compiles."""
