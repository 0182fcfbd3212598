"""What holds for every test of the workspace."""

import os

from hypothesis import settings

pytest_plugins = ["scripts.servers.plugin"]

# Machines that run several test processes stall now and then; the limit for one whole test is the `timeout` setting.
settings.register_profile("workspace", deadline=None)
# For a quick look: `make test-fast`. What counts is the profile above.
settings.register_profile("fast", deadline=None, max_examples=15, stateful_step_count=15)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "workspace"))
