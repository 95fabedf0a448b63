"""The agents that come with Tiercel: which prompt, and which of their tier's tools."""
