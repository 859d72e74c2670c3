"""What the template says of queues and mappings is what the simulation of a burst finds best."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.burst import Burst, Mapped, best, compared, longest_wait, receives_needed

UPLOADS = 300  # `make burst` plays 100,000


def test_the_template_s_concurrency_and_batch_are_the_best() -> None:
    """Nothing is lost, no other is done sooner, and none costs less."""
    written = Mapped.of_template()
    bursts = compared(written, UPLOADS)
    assert best(bursts) == written
    assert bursts[written].dead == []
    assert len(bursts[written].started) == UPLOADS


def test_giving_throttled_events_back_at_once_would_lose_them() -> None:
    """So the figures above say something: the same burst, at a handler without patience."""
    impatient = Burst(replace(Mapped.of_template(), concurrency=10, max_receives=5), UPLOADS, patient=False).play()
    assert len(impatient.dead) > UPLOADS // 4
    assert len(impatient.dead) + len(impatient.started) == UPLOADS


def test_the_template_s_receives_are_those_of_the_longest_wait() -> None:
    """However long all executions are taken, SQS does not move what waits; only its age ends it."""
    written = Mapped.of_template()
    waited = longest_wait(written, 4)
    assert (waited.dead, len(waited.started)) == ([], 4)
    assert receives_needed(waited) == written.max_receives
    given_up = Burst(written, 4, full_for=30, give_up_after=1).play()
    assert len(given_up.dead) == 4
    assert all(reason.startswith("could not be started within 1 hours") for reason in given_up.dead)
