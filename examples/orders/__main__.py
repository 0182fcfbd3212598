"""Runs the story: ``python -m orders``."""

import asyncio
import logging

from orders.story import tell

# The story tells of refusals itself.
logging.getLogger("cqrs_ddd_core").setLevel(logging.ERROR)
asyncio.run(tell())
