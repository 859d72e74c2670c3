"""What BatchTable holds besides batches on their way: missed deadlines, pauses, what is old."""

from __future__ import annotations

from pipeline_triggers.batches import items
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.store import ABSENT, KEPT_BATCHES, SAME
from pipeline_triggers.batches.table import Table


class Records:
    """BatchTable's notes; the keys are listed in ``store``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- Deadlines

    def missed(self, key: str) -> tuple[int, bool] | None:
        """Return when a deadline found a join incomplete, and whether that was reported."""
        item = self._table.get("missed", key)
        return (int(item["at"]), bool(item["reported"])) if item else None

    def miss(self, key: str, now: float) -> None:
        """Note that a deadline finds a join incomplete, once for all."""
        item = {"pk": "missed", "sk": key, "at": int(now), "reported": False, "expires": int(now) + KEPT_BATCHES}
        self._table.write(self._table.put(item, ABSENT))

    def miss_again(self, key: str, noted: int, now: float) -> None:
        """Take over the report of a missed deadline that another function noted and did not report."""
        as_read = "#at = :noted AND #reported = :no"
        change = self._table.update("missed", key, "SET #at = :now", as_read, noted=noted, now=int(now), no=False)
        self._table.write(change)

    def miss_reported(self, key: str) -> None:
        """Note that a missed deadline was reported."""
        condition = "attribute_exists(#pk)"
        self._table.write(self._table.update("missed", key, "SET #reported = :yes", condition, yes=True))

    # ---- Pauses

    def pauses(self) -> list[Pause]:
        """Return all pauses, and those that were lifted while something still waits behind them."""
        return [items.pause(item) for item in self._table.query("paused")]

    def set_pause(self, pause: Pause) -> None:
        """Pause or resume."""
        self._table.write(self._table.put(items.of_pause(pause)))

    def raise_version(self, pipeline: str) -> None:
        """Make void what was decided at a pipeline and not begun."""
        update = "SET #version = #version + :one"
        self._table.write(self._table.update("pipelines", pipeline, update, "attribute_exists(#pk)", one=1))

    def lift(self, pause: Pause) -> None:
        """Delete a pause that holds nothing back any more, if it is still as read."""
        condition = "#resumed = :resumed AND #since = :since"
        key = f"{pause.kind}#{pause.name}"
        self._table.write(self._table.delete("paused", key, condition, resumed=pause.resumed, since=pause.since))

    # ---- Old batches

    def old(self, before: float, most: int) -> list[tuple[str, str, str]]:
        """Return batches that were sealed before a time: the entry, the batch, the slot."""
        entries = self._table.query("kept", most=most)
        old = [(item["sk"], item["slot"]) for item in entries if item["sk"] < f"{int(before):013d}"]
        return [(sk, sk.partition("#")[2], slot) for sk, slot in old]

    def postpone(self, entry: str, batch: str, slot: str, now: float) -> None:
        """Keep a batch for a while longer."""
        later = {"pk": "kept", "sk": f"{int(now):013d}#{batch}", "slot": slot}
        self._table.write(self._table.delete("kept", entry), self._table.put(later))

    def discard(self, entry: str, batch: str, slot: str) -> None:
        """Delete a batch with all that belongs to it; its entry goes last."""
        members = self._table.query(f"batch#{batch}", prefix="member#")
        self._table.delete_all([(item["pk"], item["sk"]) for item in members])
        last = self._table.get("last", slot)
        changes = [self._table.delete(f"batch#{batch}", "batch"), self._table.delete("kept", entry)]
        if last and last["id"] == batch:
            changes.append(self._table.delete("last", slot, SAME, id=batch))
        self._table.write(*changes)
