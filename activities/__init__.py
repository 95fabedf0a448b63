"""What workflows ask for. Classes whose ports come in by `__init__`; nothing here knows an outside system."""
