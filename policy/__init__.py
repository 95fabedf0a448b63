"""Pure decisions: values in, values out. No clock, no I/O, no randomness. The safety kernel is this folder."""
