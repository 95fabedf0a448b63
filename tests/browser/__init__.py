"""What needs a browser and is no test: pictures."""
