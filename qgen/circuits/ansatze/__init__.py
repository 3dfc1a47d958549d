"""Ansatzes, one file each with a constant `ANSATZ` that `qgen.circuits.registry` lists, and what they share."""
