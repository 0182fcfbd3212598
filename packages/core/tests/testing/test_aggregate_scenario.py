import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self
from unittest.mock import ANY

import pytest

from cqrs_ddd_core.domain import AggregateRoot, DomainEvent
from cqrs_ddd_core.primitives import utc_now
from cqrs_ddd_core.testing import AggregateOutcome, VirtualClock, event_like, scenario


class AccountOpened(DomainEvent):
    owner: str


class MoneyDeposited(DomainEvent):
    amount: Decimal


class AccountClosed(DomainEvent):
    closed_at: datetime


class Account(AggregateRoot[str]):
    aggregate_type = "ScenarioAccount"
    collection_name = "scenario_accounts"

    owner: str = ""
    balance: Decimal = Decimal(0)
    is_open: bool = True

    @classmethod
    def open(cls, account_id: str, owner: str) -> Self:
        account = cls(id=account_id, owner=owner)
        account.add_event(AccountOpened(owner=owner))
        return account

    def deposit(self, amount: Decimal) -> Decimal:
        if not self.is_open:
            raise ValueError("The account is closed.")
        self.balance += amount
        self.add_event(MoneyDeposited(amount=amount))
        return self.balance

    def close(self) -> None:
        if self.balance:
            raise ValueError(f"There is money left: {self.balance}.")
        self.is_open = False
        self.add_event(AccountClosed(closed_at=utc_now()))

    def apply_AccountOpened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    def apply_money_deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


def an_account() -> Account:
    return Account.open("a-1", "ada")


def test_what_was_emitted_before_is_not_part_of_the_outcome() -> None:
    outcome = (
        scenario(Account)
        .given(an_account, lambda account: account.deposit(Decimal(10)))
        .when(lambda account: account.deposit(Decimal(5)))
        .then(MoneyDeposited(amount=Decimal(5)))
        .then_returns(Decimal(15))
        .then_state(balance=Decimal(15), owner="ada", version=3)
    )
    assert [event.event_type for event in outcome.events] == ["MoneyDeposited"]
    assert outcome.aggregate.version == 3


def test_an_aggregate_given_as_an_object_is_copied() -> None:
    account = an_account()
    for _ in range(2):
        scenario(Account).given(account).when(lambda each: each.deposit(Decimal(1))).then_state(balance=Decimal(1))
    assert account.balance == 0
    assert len(account.collect_events()) == 1


def test_an_aggregate_may_come_into_being_in_the_scenario() -> None:
    scenario(Account).when(an_account).then(AccountOpened(owner="ada")).then_state(owner="ada", version=1)


def test_an_aggregate_that_cannot_be_made_is_an_error_to_be_expected() -> None:
    def refuse() -> Account:
        raise ValueError("No.")

    outcome = scenario(Account).when(refuse).then_raises(ValueError, match="No")
    with pytest.raises(AssertionError, match="No aggregate was made: it raised ValueError"):
        outcome.then_state(owner="ada")


def test_given_events_are_applied_by_the_aggregate_itself() -> None:
    scenario(Account).given(AccountOpened(aggregate_id="a-1", owner="ada"), MoneyDeposited(amount=Decimal(10))).when(
        lambda account: account.deposit(Decimal(5))
    ).then(MoneyDeposited(amount=Decimal(5), aggregate_id="a-1", aggregate_version=3)).then_state(
        balance=Decimal(15), owner="ada"
    )


def test_replay_can_be_replaced() -> None:
    scenario(Account, replay=lambda cls, events: cls(id=f"from {len(events)} events")).given(
        AccountOpened(owner="ada")
    ).when(lambda account: account.deposit(Decimal(1))).then_state(id="from 1 events")


def test_an_aggregate_without_apply_methods_cannot_be_given_events() -> None:
    begun = scenario(Account)
    with pytest.raises(TypeError, match="apply_account_closed or apply_event"):
        begun.given(AccountClosed(aggregate_id="a-1", closed_at=utc_now()))
    with pytest.raises(TypeError, match="needs an aggregate_id"):
        begun.given(AccountOpened(owner="ada"))


def test_an_aggregate_that_needs_more_than_an_id_cannot_be_given_events() -> None:
    class Loan(AggregateRoot[str]):
        collection_name = "scenario_loans"
        borrower: str

    with pytest.raises(TypeError, match=re.escape("Loan(id='l-1') cannot be made")):
        scenario(Loan).given(AccountOpened(aggregate_id="l-1", owner="ada"))


def test_given_takes_either_an_aggregate_or_events() -> None:
    with pytest.raises(TypeError, match="takes an aggregate"):
        scenario(Account).given()
    with pytest.raises(TypeError, match="takes an aggregate"):
        scenario(Account).given(an_account, AccountOpened(owner="ada"))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="Account is wanted here, found 'a-1'"):
        scenario(Account).given("a-1")  # type: ignore[call-overload]


def test_an_expected_error_is_matched_by_type_and_text() -> None:
    def refused() -> AggregateOutcome[Account]:
        return (
            scenario(Account)
            .given(an_account, lambda account: account.deposit(Decimal(10)))
            .when(lambda account: account.close())
        )

    refused().then_raises(ValueError, match=r"money left: 10").then_nothing().then_state(is_open=True)
    with pytest.raises(AssertionError, match="Expected KeyError, but it raised ValueError"):
        refused().then_raises(KeyError)
    with pytest.raises(AssertionError, match="with 'nothing left' in its text, found: There is money left"):
        refused().then_raises(ValueError, match="nothing left")


def test_an_error_that_nobody_expects_fails_every_other_expectation() -> None:
    def outcome() -> AggregateOutcome[Account]:
        return (
            scenario(Account)
            .given(an_account, lambda account: account.deposit(Decimal(10)))
            .when(lambda account: account.close())
        )

    for fails in (
        lambda: outcome().then_nothing(),
        lambda: outcome().then_state(is_open=True),
        lambda: outcome().then_returns(None),
    ):
        with pytest.raises(AssertionError, match="It raised ValueError") as caught:
            fails()
        assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_that_does_not_come_is_a_failure() -> None:
    outcome = scenario(Account).given(an_account).when(lambda account: account.deposit(Decimal(1)))
    with pytest.raises(AssertionError, match="Expected ValueError, but nothing was raised"):
        outcome.then_raises(ValueError)


def test_a_difference_is_shown_field_by_field() -> None:
    outcome = scenario(Account).given(an_account).when(lambda account: account.deposit(Decimal(1)))
    with pytest.raises(AssertionError) as caught:
        outcome.then(MoneyDeposited(amount=Decimal(2)))
    assert str(caught.value).splitlines() == [
        "Other events than expected.",
        "Expected:",
        "  1. MoneyDeposited(amount=Decimal('2'))",
        "Found:",
        "  1. MoneyDeposited(amount=Decimal('1'))",
        "Difference:",
        "  1. amount: expected Decimal('2'), found Decimal('1')",
    ]


def test_a_missing_and_a_superfluous_event_are_shown() -> None:
    outcome = scenario(Account).given(an_account).when(lambda account: account.deposit(Decimal(1)))
    with pytest.raises(AssertionError, match=r"2 expected, 1 found"):
        outcome.then(MoneyDeposited, AccountClosed)
    with pytest.raises(AssertionError, match=r"0 expected, 1 found"):
        outcome.then_nothing()


def test_the_envelope_counts_only_where_it_is_given() -> None:
    with VirtualClock(datetime(2026, 5, 1, tzinfo=UTC)) as clock:
        outcome = scenario(Account).given(an_account).when(lambda account: account.close())
        outcome.then(AccountClosed(closed_at=clock.now()))
        outcome.then(AccountClosed(closed_at=clock.now(), occurred_at=clock.now(), aggregate_id="a-1"))
        with pytest.raises(AssertionError, match="aggregate_id: expected 'a-2', found 'a-1'"):
            outcome.then(AccountClosed(closed_at=clock.now(), aggregate_id="a-2"))


def test_an_event_may_be_expected_by_class_or_by_some_fields() -> None:
    outcome = scenario(Account).given(an_account).when(lambda account: account.close())
    outcome.then(AccountClosed)
    outcome.then(DomainEvent)
    outcome.then(event_like(AccountClosed, aggregate_id="a-1"))
    outcome.then(event_like(AccountClosed, closed_at=ANY))
    with pytest.raises(AssertionError, match="expected AccountOpened, found AccountClosed"):
        outcome.then(AccountOpened)
    with pytest.raises(AssertionError, match="expected AccountOpened, found AccountClosed"):
        outcome.then(event_like(AccountOpened, owner="ada"))
    with pytest.raises(TypeError, match=r"AccountClosed has no field .closed.\. Did you mean .closed_at."):
        event_like(AccountClosed, closed=ANY)


def test_state_is_checked_by_fields_or_by_a_function() -> None:
    outcome = scenario(Account).given(an_account).when(lambda account: account.deposit(Decimal(1)))
    outcome.then_state(lambda account: account.balance > 0)
    with pytest.raises(AssertionError, match="balance: expected 2, found Decimal"):
        outcome.then_state(balance=2)
    with pytest.raises(AssertionError, match="Account 'a-1' is in another state than expected"):
        outcome.then_state(lambda account: account.balance > 1)
    with pytest.raises(TypeError, match=r"Account has no field .ballance.\. Did you mean .balance."):
        outcome.then_state(ballance=1)


def test_a_coroutine_is_refused() -> None:
    async def deposit_later(account: Account) -> None: ...

    with pytest.raises(TypeError, match="use command_scenario"):
        scenario(Account).given(an_account).when(deposit_later)
    with pytest.raises(TypeError, match="use command_scenario"):
        scenario(Account).given(an_account, deposit_later)


def test_a_scenario_happens_once() -> None:
    begun = scenario(Account).given(an_account)
    begun.when(lambda account: account.deposit(Decimal(1)))
    with pytest.raises(RuntimeError, match="happened already"):
        begun.when(lambda account: account.deposit(Decimal(1)))
