"""A model that follows a script: what Tiercel talks to where no credential is set, and in tests."""

from demo.model.scenario import Scenario, load
from demo.model.server import Recorded, Running, fingerprint, serve

__all__ = ["Recorded", "Running", "Scenario", "fingerprint", "load", "serve"]
