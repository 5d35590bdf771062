"""Whatever stands in the two records in Vault, in a plan, in the notebook or in a request: a clean end and no trace.

Records at our paths may be written by anybody who can write there, plans are carried about, and the notebook is a file.
"""

from __future__ import annotations

import json
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.notebook import FileNotebook
from rotator.core.model import FieldNames, KvVersion
from rotator.core.plan import digest_of
from rotator.core.records import UnreadableRecordError, read_consumer, read_staging
from rotator.core.secret_value import SecretFields
from rotator.daemon.talk import NoRequestError, Request, read_request
from rotator.errors import InvariantError
from rotator.sandbox.journal import Wanted
from tests.contract.test_notebook import PLACE, holding
from tests.entry.site import STAGING
from tests.fakes.okta import NOON
from tests.hostile.mutation import ODD, TIMES, mutated, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.entry.site import Ran, Site

pytestmark = pytest.mark.timeout(60 + 60 * TIMES)

OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")
COMMANDS = (
    ("reconcile",),
    ("status",),
    ("plan",),
    ("verify",),
    ("doctor", "billing"),
    ("rollback", "billing", "--yes", "--direct"),
)
STRINGS = (
    "staged",
    "empty",
    "discarding",
    "asking",
    "now",
    "overlap",
    "0oa1",
    "-1",
    "1e9",
    "9" * 30,
    "[]",
    "{}",
    '[{"hash": 1}]',
    '{"replace": []}',
)


def clean(ran: Ran, what: object) -> None:
    told = f"{what}: {ran}"
    assert ran.code in {0, 1, 2, 3, 4, 5}, told
    assert "Traceback" not in ran.err, told
    assert '"exception"' not in ran.err, told
    assert InvariantError.hint not in ran.err + ran.out, told


def problem_of(read: Callable[[], object], wanted: type[Exception]) -> str:
    """Return what a reader has to say against something; nothing if it takes it."""
    try:
        read()
    except wanted as problem:
        return str(problem) or "a refusal without a reason"
    return ""


def kept(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as Vault keeps them: half a character becomes the mark for one that is lost."""
    found: dict[str, Any] = json.loads(json.dumps(fields).replace("\\ud800", "\\ufffd"))
    return found


def any_fields(rng: Random, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record with some of them changed: to any JSON, or to words that mean something to us."""
    changed = {key: rng.choice(STRINGS) if rng.random() < 0.25 else value for key, value in fields.items()}
    found = mutated(rng, changed)
    return found if isinstance(found, dict) else changed


# --- the readers alone: many, quickly ---------------------------------------------------------------------------


def a_record(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what lies at both paths of a target after a rotation with an order, a pause and a hook still due."""
    app = site.add()
    assert site.run("rotate", "billing").code == 0
    assert site.run("pause", "billing", "--direct").code == 0
    return site.fields(), site.staged(app)


def test_any_record_is_read_or_is_unreadable(site: Site) -> None:
    consumer, staging = a_record(site)
    ((consumer, partial(read_consumer, names=FieldNames())), (staging, partial(read_staging, older=())))
    for seed in range(1_500 * TIMES):
        rng = Random(f"record {seed}")
        for record, read in (
            (consumer, lambda it: read_consumer(it, FieldNames())),
            (staging, lambda it: read_staging(it, ())),
        ):
            version = KvVersion(number=rng.choice((1, 7)), created=NOON, fields=SecretFields(any_fields(rng, record)))
            problem = problem_of(partial(read, version), UnreadableRecordError)
            assert not any(value in problem for value in record.values() if len(str(value)) > 30), seed


def test_any_request_is_one_or_is_none() -> None:
    seen: set[str] = set()
    true = json.loads(Request("rotate", ("billing",), order="now", reason="x", secret="ocs1").line())
    for seed in range(3_000 * TIMES):
        rng = Random(f"request {seed}")
        seen.add(problem_of(partial(read_request, written(rng, mutated(rng, true))), NoRequestError))
    assert "" in seen
    assert len(seen) > 5


def test_any_line_of_the_notebook_is_a_holding_or_nothing(tmp_path: Path) -> None:
    with FileNotebook(tmp_path / "n", PLACE).open() as write_down:
        write_down(holding("0oa9"))
    (file,) = (tmp_path / "n").iterdir()
    true = file.read_bytes().splitlines()[-1]
    for seed in range(150 * TIMES):
        rng = Random(f"notebook {seed}")
        lines = [written(rng, mutated(rng, json.loads(true))) for _ in range(10)]
        file.write_bytes(b"\n".join([true, *lines]) + b"\n")

        found = FileNotebook(tmp_path / "n", PLACE).recall()
        with FileNotebook(tmp_path / "n", PLACE).open():
            assert FileNotebook(tmp_path / "n", PLACE).recall().keys() == found.keys(), seed
        assert all(isinstance(key, str) for key in found), seed


def test_any_row_of_an_audit_file_is_checked_or_refused(site: Site) -> None:
    site.add()
    site.release()
    assert site.run("reconcile").code == 0
    true = [
        json.loads(line) for line in site.run_bare("audit", "export", "--config", str(site.config)).out.splitlines()
    ]
    assert true
    file = site.folder / "audit.jsonl"
    for seed in range(40 * TIMES):
        rng = Random(f"audit {seed}")
        file.write_bytes(b"\n".join(written(rng, mutated(rng, row)) for row in true))

        ran = site.run_bare("audit", "verify", "--config", str(site.config), str(file))

        clean(ran, seed)
        assert ran.code in {0, 1}, seed


# --- through the commands ---------------------------------------------------------------------------------------


def test_whatever_lies_in_vault_the_end_is_clean(site: Site) -> None:
    consumer, staging = a_record(site)
    (app,) = site.box.okta.org.apps.values()
    for seed in range(15 * TIMES):
        rng = Random(f"vault {seed}")
        if rng.random() < 0.7:
            site.box.vault.put("secret", f"{STAGING}/127.0.0.1/{app.id}", kept(any_fields(rng, staging)))
        if rng.random() < 0.7:
            site.box.vault.put("secret", "billing/okta", kept(any_fields(rng, consumer)))
        command = rng.choice(COMMANDS)
        clean(site.run(*command), (seed, command))
        site.box.vault.put("secret", "billing/okta", consumer)


def test_whatever_is_in_a_plan_it_is_carried_out_as_it_was_or_refused(site: Site) -> None:
    site.add()
    file = site.folder / "the.plan"
    assert site.run("plan", "--out", str(file)).code == 0
    true = json.loads(file.read_text())
    for seed in range(40 * TIMES):
        rng = Random(f"plan {seed}")
        document = mutated(rng, true)
        if isinstance(document, dict) and rng.random() < 0.7:
            document["digest"] = sealed(document)
        file.write_bytes(written(rng, document))
        mark = site.box.journal.mark()

        ran = site.run("apply", str(file))

        clean(ran, seed)
        if ran.code == 2:
            assert site.box.journal.count(OKTA_WRITES, since=mark) == 0, seed
            assert str(file) in ran.err, seed


def sealed(document: dict[str, Any]) -> Any:
    """Return the digest that somebody computes who means it."""
    try:
        return digest_of({key: value for key, value in document.items() if key != "digest"})
    except (TypeError, ValueError, RecursionError):
        return None


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:12].encode("unicode_escape").decode())
def test_each_odd_value_alone_at_a_path_of_ours_is_no_secret_and_no_crash(site: Site, odd: Any) -> None:
    app = site.add()
    fields = site.fields()
    for name in ("client_id", "client_secret", "retiring_secret_id"):
        site.box.vault.put("secret", "billing/okta", kept(fields | {name: odd}))
        clean(site.run("plan"), name)
    assert len(app.secrets) == 1
