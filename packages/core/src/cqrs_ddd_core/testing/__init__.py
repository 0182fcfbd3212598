"""Test kit for users and for adapters. Nothing else in core imports it.

What this module offers needs nothing that core does not need. The contract suites in ``contracts`` need the extra
``cqrs-ddd-core[testing]``.
"""

from cqrs_ddd_core.testing.aggregate_scenario import AggregateOutcome, AggregateScenario, GivenAggregate, scenario
from cqrs_ddd_core.testing.clock import VirtualClock, run_in_virtual_time
from cqrs_ddd_core.testing.command_scenario import CommandOutcome, CommandScenario, CommandThen, command_scenario
from cqrs_ddd_core.testing.event_spy import EventSpy, collect_events
from cqrs_ddd_core.testing.expectation import EventLike, ExpectedEvent, assert_events, event_like
from cqrs_ddd_core.testing.hook_recorder import HookRecorder, RecordedOperation, record_operations
from cqrs_ddd_core.testing.id_generator import SequentialIdGenerator
from cqrs_ddd_core.testing.message_publisher import PublishedMessage, RecordingPublisher

__all__ = [
    "AggregateOutcome",
    "AggregateScenario",
    "CommandOutcome",
    "CommandScenario",
    "CommandThen",
    "EventLike",
    "EventSpy",
    "ExpectedEvent",
    "GivenAggregate",
    "HookRecorder",
    "PublishedMessage",
    "RecordedOperation",
    "RecordingPublisher",
    "SequentialIdGenerator",
    "VirtualClock",
    "assert_events",
    "collect_events",
    "command_scenario",
    "event_like",
    "record_operations",
    "run_in_virtual_time",
    "scenario",
]
