"""Leaks that others have met, each with the library that leaks: it still does, and nothing of it gets out of us.

They are those of the list of known leaks, by name: a pydantic error and its `.errors()`, the text form of a secret of
the Okta SDK, stamina's hook, structlog's and rich's tracebacks with locals, the debug dump of the Okta SDK, errors of
hvac, httpx2 and Authlib, Apprise's URLs, SQLAlchemy's parameters, asyncio's debug mode.
"""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2
import hvac.exceptions
import pydantic
import pytest
import structlog
from okta.models.o_auth2_client_secret import OAuth2ClientSecret
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from rotator import logs
from rotator.adapters.store_engines import file_at, sqlite_engine
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.settings.schema_connections import Section
from tests.entry.test_log import as_before
from tests.leaks.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["as_before"]

VALUE = "Cnry7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0zXoKiYtR-_uVb2nM4cQ8eL1pS"


def has_it(said: object) -> bool:
    scanner = Scanner()
    scanner.learn("it", VALUE, in_parts=True)
    return bool(scanner.found_in(str(said).encode()))


def logged(style: str, do: Callable[[], object], **options: Any) -> str:
    stream = io.StringIO()
    logs.start(style=style, stream=stream, environ={}, level="debug", **options)
    do()
    return stream.getvalue()


@pytest.fixture(params=["json", "console"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def raised(error: BaseException) -> BaseException:
    """Return the error as it is when it was raised where the value is in reach."""
    try:
        held = {"client_secret": VALUE}
        raise error
    except type(error) as caught:
        assert held
        return caught


def pydantic_error() -> BaseException:
    class Naive(pydantic.BaseModel):
        client_secret: int

    with pytest.raises(pydantic.ValidationError) as refused:
        Naive(client_secret=VALUE)  # type: ignore[arg-type]
    assert has_it(refused.value.errors())
    return refused.value


def hvac_error() -> BaseException:
    body = f'{{"data": {{"client_secret": "{VALUE}"}}}}'
    return raised(hvac.exceptions.InvalidRequest(f"cannot write {VALUE}", [body], text=body, method="put"))


def http_error() -> BaseException:
    request = httpx2.Request("POST", f"https://acme.okta.com/?client_secret={VALUE}", data={"client_secret": VALUE})
    return raised(httpx2.ConnectError(f"cannot reach {request.url}", request=request))


def database_error() -> BaseException:
    with create_engine("sqlite://").connect() as connection, pytest.raises(SQLAlchemyError) as refused:
        connection.execute(text("INSERT INTO nothing VALUES (:it)"), {"it": VALUE})
    return refused.value


ERRORS = {
    "pydantic": pydantic_error,
    "hvac": hvac_error,
    "httpx2": http_error,
    "SQLAlchemy": database_error,
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in ERRORS.items()])
def test_what_a_librarys_error_tells_is_cut_out_of_a_logged_traceback(
    style: str, make: Callable[[], BaseException]
) -> None:
    error = make()
    assert has_it(error)

    said = logged(style, lambda: structlog.get_logger().error("it_failed", exc_info=error, detail=str(error)))

    assert "it_failed" in said
    assert not has_it(said)


def test_our_own_sections_do_not_repeat_what_was_given() -> None:
    class Strict(Section):
        number: int

    with pytest.raises(pydantic.ValidationError) as refused:
        Strict.model_validate({"number": VALUE})

    assert not has_it(refused.value)


def test_the_sdks_secret_shows_its_value_and_ours_does_not(style: str) -> None:
    theirs = OAuth2ClientSecret(client_secret=VALUE)
    assert has_it(repr(theirs))

    ours = [SecretValue(VALUE), SecretFields({"client_secret": VALUE}), {"in": [SecretValue(VALUE)]}]
    assert not has_it([*ours, *map(str, ours)])
    assert not has_it(logged(style, lambda: structlog.get_logger().debug("made", theirs=theirs, ours=ours)))


def test_locals_of_a_traceback_are_told_by_others_and_not_by_us(style: str) -> None:
    failure = raised(RuntimeError("it broke"))
    theirs = structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
    assert has_it(theirs((type(failure), failure, failure.__traceback__)))

    assert not has_it(logged(style, lambda: structlog.get_logger().error("it_failed", exc_info=failure)))


def test_the_dump_of_requests_of_the_sdk_is_silent(style: str) -> None:
    def dump() -> None:
        for name in ("okta-sdk-python", "okta"):
            logging.getLogger(name).setLevel(logging.DEBUG)
            logging.getLogger(name).error("Request: {'client_secret': '%s'}", VALUE)

    assert logged(style, dump) == ""


def test_others_that_warn_of_a_request_are_redacted(style: str) -> None:
    def warn() -> None:
        for name in ("hvac", "urllib3.util.retry", "httpx2", "authlib", "asyncio", "apprise"):
            logging.getLogger(name).warning("POST https://acme.okta.com/?client_secret=%s", VALUE)

    said = logged(style, warn)

    assert len(said.splitlines()) == 6
    assert not has_it(said)


def test_a_task_whose_error_nobody_asked_for_is_told_without_its_secrets(style: str) -> None:
    async def forget() -> None:
        async def fail() -> None:
            raise RuntimeError(f"refused {VALUE}")

        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    said = logged(style, lambda: asyncio.run(forget(), debug=True))

    assert "never retrieved" in said
    assert not has_it(said)


@pytest.mark.parametrize("url", [f"json://127.0.0.1:1/{VALUE}", f"nonsense://{VALUE}", f"json://{VALUE}@:::/"])
def test_apprise_keeps_the_address_to_itself(url: str) -> None:
    argv = [sys.executable, "-m", "rotator.adapters.apprise_child"]
    order = f'{{"url": "{url}", "title": "t", "body": "b", "mood": "info"}}'
    done = subprocess.run(argv, input=order, capture_output=True, text=True, check=False)

    assert '"result"' in done.stdout
    assert not has_it(done.stdout + done.stderr)


def test_the_database_hides_what_it_was_given(tmp_path: Path) -> None:
    file = file_at(f"sqlite:///{tmp_path}/state.db")
    assert file
    file.path.touch(mode=0o600)
    with sqlite_engine(file).connect() as connection, pytest.raises(SQLAlchemyError) as refused:
        connection.execute(text("INSERT INTO nothing VALUES (:it)"), {"it": VALUE})

    assert not has_it(refused.value)


def test_stamina_is_not_there_to_log_arguments() -> None:
    with pytest.raises(ImportError):
        __import__("stamina")


def test_a_bug_that_nobody_caught_is_told_with_its_place_and_without_its_text() -> None:
    bug = f"""
import rotator.cli.main as it

def fail(*args, **options):
    raise RuntimeError("refused {{'client_secret': '{VALUE}'}}") from ValueError("{VALUE}")

it.root.main = fail
it.main(["status"])
"""
    done = subprocess.run([sys.executable, "-c", bug], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert "in fail" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("rotator: this is a bug")
    assert not has_it(done.stderr)
