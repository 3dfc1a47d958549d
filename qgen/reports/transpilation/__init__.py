"""The transpilation report: what a circuit becomes on devices, as data and as a page."""
