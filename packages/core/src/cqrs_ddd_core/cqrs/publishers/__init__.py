"""The way out: which publisher gets which event."""

from cqrs_ddd_core.cqrs.publishers.destination import destination_of, route_to, topic_of
from cqrs_ddd_core.cqrs.publishers.publishing_event_handler import PublishingEventHandler
from cqrs_ddd_core.cqrs.publishers.topic_routing import TopicRoutingPublisher

__all__ = ["PublishingEventHandler", "TopicRoutingPublisher", "destination_of", "route_to", "topic_of"]
