"""What a session should look at, one Markdown file per kind of probe."""
