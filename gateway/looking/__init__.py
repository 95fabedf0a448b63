"""The tools that look: checked arguments, a target that the inventory declares, an answer. Nothing is changed."""
