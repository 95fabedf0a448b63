"""Benchmarks: `./dev bench NAME` prints the figures that documents quote. None of them is a test."""
