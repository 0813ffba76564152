"""Properties are the same on every run; HYPOTHESIS_PROFILE=explore looks for new counterexamples."""

from __future__ import annotations

import os

from hypothesis import settings

# A slow machine must not turn a property into a failure, so there is no deadline.
settings.register_profile("steady", deadline=None, derandomize=True, database=None, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
