"""Performs actions: supervised processes (units) and containers, one attempt each, and looks up what became of one."""
