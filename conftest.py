"""What holds for every test of the workspace."""

from hypothesis import settings

pytest_plugins = ["scripts.servers.plugin"]

# Machines that run several test processes stall now and then; the limit for one whole test is the `timeout` setting.
settings.register_profile("workspace", deadline=None)
settings.load_profile("workspace")
