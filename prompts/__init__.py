"""What the tiers are told, as Markdown, and the schema of their report."""
