"""A proposal accepted by a person: written into the declaration's file, and into the ledger.

What belongs here: the checks before, the file, the record. What does not: where in the text a value goes
(`aios_core/thresholds/edit.py`). Nothing else in the platform writes cut-offs.
"""

import difflib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from psycopg import Connection

from aios_core.automation import Automation, diff
from aios_core.decisions.record import canonical
from aios_core.thresholds.edit import edited
from aios_core.thresholds.proposal import Proposal, declared_at
from aios_core.thresholds.tickets import ThresholdError
from resources.database import Database
from resources.declarations import Declared, read_declaration
from resources.ledger import append
from resources.thresholds import StoredProposal, ThresholdStore

LEDGER_KIND = "thresholds"
BOM = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """`patch` is what the file changes by, empty where it says so already; `version` the declaration's afterwards."""

    proposal_id: str
    file: Path
    patch: str
    version: str
    written: bool


def accept(
    database: Database,
    declared: Declared,
    proposal_id: str,
    *,
    by: str,
    now: datetime,
    champion: int | None,
    dry_run: bool = False,
    anyway: bool = False,
) -> Accepted:
    """Write a proposal's cut-offs into the declaration's file; a second time changes nothing.

    Refuses (ThresholdError) what was made for another declaration or, unless `anyway`, for another version than the champion; and a file in
    which more than these values would change, or that can't be written: the message then holds the patch. Running processes read
    the file when they are started, or when they load definitions again.
    """
    stored = ThresholdStore(database).get(proposal_id)
    proposal = stored.proposal
    if proposal.basis.automation != declared.automation.name:
        raise ThresholdError(
            f"proposal {proposal_id} is for {proposal.basis.automation}, not for {declared.automation.name}"
        )
    if not proposal.changes:
        raise ThresholdError(f"proposal {proposal_id} changes nothing, so there is nothing to accept")
    if not (held := _holds(declared.automation, proposal)):
        _refuse_stale(proposal, declared, champion, anyway=anyway)
    text = _text(declared.file)
    after = text if held else _proven(declared, text, proposal)
    patch = "".join(
        difflib.unified_diff(
            text.splitlines(keepends=True), after.splitlines(keepends=True), str(declared.file), str(declared.file)
        )
    )
    version = read_declaration(declared.file, after.removeprefix(BOM)).automation.version
    done = Accepted(proposal_id=proposal_id, file=declared.file, patch=patch, version=version, written=not held)
    if dry_run:
        return done
    with database.connection() as conn:
        # the row and the ledger first: if the file can't be written they are undone; if this process dies between file and commit, the
        # next call finds the values there and records them
        fresh = _record(conn, stored, done, by=by, now=now)
        if not held:
            _write(declared.file, text, after, patch)
    return (
        done
        if fresh
        else Accepted(proposal_id=proposal_id, file=declared.file, patch="", version=version, written=False)
    )


def _refuse_stale(proposal: Proposal, declared: Declared, champion: int | None, *, anyway: bool) -> None:
    basis = proposal.basis
    if basis.declaration != declared.automation.version:
        raise ThresholdError(
            f"proposal {proposal.proposal_id} was made under declaration {basis.declaration}, but {declared.file} is {declared.automation.version}: "
            "costs or rules have changed; propose again"
        )
    if champion != basis.model_version and not anyway:
        raise ThresholdError(
            f"proposal {proposal.proposal_id} was made for version {basis.model_version} of {basis.model_name}, but version {champion} decides "
            "now, and nothing is guaranteed of its scores; propose again, or accept with --anyway"
        )


def _holds(automation: Automation, proposal: Proposal) -> bool:
    return all(declared_at(automation, path) == value for path, value in proposal.changes.items())


def _proven(declared: Declared, text: str, proposal: Proposal) -> str:
    """The edited text, once reading it shows that these leaves changed and nothing else."""
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.removeprefix(BOM).replace("\r\n", "\n")
    after = edited(body, proposal.changes)
    found = read_declaration(declared.file, after).automation
    content = declared.automation.model_dump(mode="json")
    for path, value in proposal.changes.items():
        place = content
        *parents, leaf = path.split(".")
        for step in parents:
            place = place.setdefault(step, {})
        place[leaf] = value
    wanted = Automation.model_validate(content)
    if found.version != wanted.version:
        strange = ", ".join(path for path, _, _ in diff(wanted, found))
        raise ThresholdError(
            f"{declared.file}: writing these cut-offs would change {strange} too; edit the file by hand: {_told(proposal)}"
        )
    return (BOM if text.startswith(BOM) else "") + after.replace("\n", newline)


def _record(conn: Connection, stored: StoredProposal, done: Accepted, *, by: str, now: datetime) -> bool:
    """Whether it was accepted now; False where somebody had."""
    changed = conn.execute(
        "update threshold_proposals set accepted_by = %s, accepted_at = %s, accepted_as = %s"
        " where proposal_id = %s and accepted_at is null",
        (by, now, done.version, done.proposal_id),
    ).rowcount
    if changed:
        basis = stored.proposal.basis
        said = {
            "proposal": done.proposal_id,
            "by": by,
            "at": now.isoformat(),
            "declaration": {"before": basis.declaration, "after": done.version},
            "model": {"name": basis.model_name, "version": basis.model_version},
            "changes": dict(stored.proposal.changes),
        }
        append(
            conn,
            automation=basis.automation,
            kind=LEDGER_KIND,
            subject=done.proposal_id,
            items=[canonical(said)],
            now=now,
        )
    return bool(changed)


def _text(file: Path) -> str:
    with file.open(encoding="utf-8", newline="") as opened:
        return opened.read()


def _write(file: Path, before: str, after: str, patch: str) -> None:
    """Whole or not at all; what somebody saved meanwhile is not overwritten."""
    if _text(file) != before:
        raise ThresholdError(f"{file} was changed by somebody just now; look at it, then accept again")
    try:
        with NamedTemporaryFile(
            "w", dir=file.parent, prefix=f".{file.name}.", encoding="utf-8", newline="", delete=False
        ) as made:
            made.write(after)
        try:
            Path(made.name).chmod(file.stat().st_mode & 0o777)
            Path(made.name).replace(file)
        except OSError:
            with suppress(OSError):
                Path(made.name).unlink()
            raise
    except OSError as error:
        raise ThresholdError(
            f"{file} can't be written ({error.strerror}), so nothing was accepted; apply this where the file comes from:\n{patch}"
        ) from error


def _told(proposal: Proposal) -> str:
    return "; ".join(f"{path}: {value}" for path, value in proposal.changes.items())
