"""How things are repaired, one Markdown file per action."""
