"""Circuits in a device's own gates: routed once, and run by a submitter, on a simulator or as jobs."""
