"""What pages and commands share: insights read, actions act. No HTTP in here."""
