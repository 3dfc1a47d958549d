"""The transpilation report: a circuit on devices, as data and as a page."""
