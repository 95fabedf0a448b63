"""Probes: checks that code runs. One file per kind; `runner.ProbeRunner` bounds, times and records them."""
