"""Runs the story: ``python -m orders``."""

import asyncio
import logging
import sys

from orders.story import tell

# The story tells of refusals itself.
logging.getLogger("cqrs_ddd_core").setLevel(logging.ERROR)
# A terminal that has no arrows shows something else, and does not end the story.
if (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
    reconfigure(errors="replace")
asyncio.run(tell())
