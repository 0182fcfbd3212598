import pytest

from cqrs_ddd_core import DomainEvent
from cqrs_ddd_core.ports import IMessagePublisher, MessageEnvelope
from cqrs_ddd_core.testing import RecordingPublisher


class LetterSent(DomainEvent):
    to: str


async def test_messages_are_kept_by_topic() -> None:
    publisher = RecordingPublisher()
    assert isinstance(publisher, IMessagePublisher)
    envelope = MessageEnvelope(message_type="Ready", payload={})
    await publisher.publish("letters", LetterSent(to="ada", aggregate_id="post-1"))
    await publisher.publish("news", envelope)
    assert publisher.topics == ["letters", "news"]
    assert publisher.to("news") == [envelope]
    (letter,) = publisher.to("letters")
    assert (letter.message_type, letter.payload, letter.key) == ("LetterSent", {"to": "ada"}, "post-1")
    publisher.clear()
    assert publisher.messages == []


async def test_a_publisher_can_be_down_for_a_while() -> None:
    publisher = RecordingPublisher(fail_with=OSError("down"))
    with pytest.raises(OSError, match="down"):
        await publisher.publish("letters", LetterSent(to="ada"))
    publisher.fail_with = None
    await publisher.publish("letters", LetterSent(to="bob"))
    assert [message.envelope.payload["to"] for message in publisher.messages] == ["bob"]
