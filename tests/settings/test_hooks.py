"""Hooks in a configuration: what they become, who has them, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rotator.core.model import AppId
from rotator.errors import ConfigError
from rotator.settings import CommandHook, WebHook
from tests.settings.files import CANARY, GOOD, changed, loaded, save, selecting

HOOKS = """\
hooks:
  reload: {command: [/bin/sh, -c, "exit 0"], env: [REGION, NOT_SET], cwd: /tmp, timeout: 5s}
  tell: {url: "https://ci.example.com/x?y=1", secret_file: token}
"""


def hooked(hook: str) -> str:
    """Return the good configuration with a hook; it stands in line 16."""
    return GOOD + f"hooks: {{tell: {hook}}}\n"


def wrong(text: str, line: int, said: str, *, name: str) -> object:
    return pytest.param(text, line, said, id=name)


def test_a_hook_is_resolved_into_what_is_run(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD + HOOKS, REGION="north", ELSE="x")

    reload, tell = settings.hooks["reload"], settings.hooks["tell"]
    assert isinstance(reload, CommandHook)
    assert reload.command == ("/bin/sh", "-c", "exit 0")
    assert [(name, value.reveal()) for name, value in reload.environment] == [("REGION", "north")]
    assert (reload.folder, reload.timeout) == (Path("/tmp"), timedelta(seconds=5))
    assert isinstance(tell, WebHook)
    assert tell.url.read().reveal() == "https://ci.example.com/x?y=1"
    assert tell.secret.read().reveal() == f"token-{CANARY}"
    assert tell.timeout == timedelta(seconds=30)
    assert settings.warnings == (
        f"{tmp_path}/config.yaml:17: hooks.reload.env: `NOT_SET` is not set; the command does without it",
    )


def test_an_address_that_is_secret_lies_in_a_file_and_shows_nowhere(tmp_path: Path) -> None:
    save(tmp_path, GOOD)
    text = GOOD + "hooks: {tell: {url_file: address, secret_file: token}, run: {command: [/bin/sh], env: [KEY]}}\n"
    (tmp_path / "address").write_text(f"https://hooks.example.com/{CANARY}\n")

    settings = loaded(tmp_path, text, KEY=CANARY)

    hook = settings.hooks["tell"]
    assert isinstance(hook, WebHook)
    assert hook.url.read().reveal() == f"https://hooks.example.com/{CANARY}"
    assert CANARY not in repr(settings) + repr(settings.shown)


@pytest.mark.parametrize(
    ("written", "hooks"),
    [
        pytest.param("", ("reload", "tell"), id="those of the policy"),
        pytest.param("hooks: [tell]", ("tell",), id="its own alone"),
        pytest.param("hooks: []", (), id="none of its own"),
    ],
)
def test_a_list_of_hooks_of_its_own_replaces_the_policy_s(tmp_path: Path, written: str, hooks: tuple[str, ...]) -> None:
    by_policy = changed("soak: 3d", "hooks: [reload, tell]") + HOOKS
    (target,) = loaded(tmp_path, by_policy.replace("policy: prod", f"policy: prod\n    {written}")).targets
    (selection,) = loaded(tmp_path, by_policy + selecting(more=written).removeprefix(GOOD)).selections

    assert target.hooks == selection.target.hooks == hooks


def test_an_app_with_another_policy_has_the_hooks_of_that_unless_its_selection_has_its_own(tmp_path: Path) -> None:
    more = "overrides: {0oa8example8example8: {policy: slow}, 0oa9example9example9: {mode: manual}}"
    text = selecting(more=more).replace("soak: 3d", "hooks: [tell]") + HOOKS
    text = text.replace("policies:\n", "policies:\n  slow: {mode: auto, hooks: [reload]}\n")

    (selection,) = loaded(tmp_path, text).selections
    (chosen,) = loaded(tmp_path, text.replace("    overrides", "    hooks: []\n    overrides")).selections

    assert set(selection.hooks.values()) == {("reload",), ("tell",)}
    assert selection.hooks[AppId("0oa8example8example8")] == ("reload",)
    assert set(chosen.hooks.values()) == {()}


@pytest.mark.parametrize(
    ("file", "folder", "said"),
    [
        pytest.param(0o777, 0o755, "everybody on this machine may change this program; `chmod o-w` it", id="the file"),
        pytest.param(0o755, 0o777, "everybody on this machine may replace this program", id="its folder"),
        pytest.param(0o644, 0o755, "is no program that we may run", id="not executable"),
        pytest.param(0o755, 0o1777, None, id="a sticky folder"),
        pytest.param(0o755, 0o755, None, id="nobody else"),
    ],
)
@pytest.mark.parametrize("linked", [False, True], ids=["named", "through a link"])
def test_a_program_must_be_in_nobody_else_s_hands(
    tmp_path: Path, file: int, folder: int, *, said: str | None, linked: bool
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "restart"
    program.write_text("#!/bin/sh\n")
    program.chmod(file)
    (tmp_path / "link").symlink_to(program)
    place.chmod(folder)
    text = GOOD + f"hooks: {{run: {{command: [{tmp_path / 'link' if linked else program}]}}}}\n"

    if said is None:
        assert loaded(tmp_path, text).hooks.keys() == {"run"}
        return
    with pytest.raises(ConfigError, match=r"hooks\.run\.command") as refused:
        loaded(tmp_path, text)
    assert said in str(refused.value)


def test_a_variable_may_change_a_hook(tmp_path: Path) -> None:
    hooks = loaded(
        tmp_path, GOOD + HOOKS, ROTATOR_HOOKS__RELOAD__TIMEOUT="9s", ROTATOR_POLICIES__PROD__HOOKS="tell reload"
    )

    assert hooks.hooks["reload"].timeout == timedelta(seconds=9)
    assert hooks.targets[0].hooks == ("tell", "reload")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        wrong(
            changed("policy: prod", "policy: prod\n    hooks: [tel]") + "hooks: {tell: {command: [/bin/sh]}}\n",
            15,
            "targets.billing.hooks[0]: is no name under `hooks`; did you mean `tell`?",
            name="an unknown hook",
        ),
        wrong(
            changed("soak: 3d", "hooks: [tell]"),
            10,
            "policies.prod.hooks[0]: is no name under `hooks`; there is none yet",
            name="a policy's unknown hook",
        ),
        wrong(
            selecting(more="hooks: [tell]"),
            21,
            "selections.services.hooks[0]: is no name under `hooks`",
            name="a selection's unknown hook",
        ),
        wrong(
            changed("soak: 3d", "hooks: [tell, tell]") + "hooks: {tell: {command: [/bin/sh]}}\n",
            10,
            "policies.prod.hooks[1]: is there twice; remove one",
            name="one hook twice",
        ),
        wrong(changed("soak: 3d", "hooks: tell"), 10, "policies.prod.hooks: must be a list", name="text for hooks"),
        wrong(
            hooked("{}"),
            16,
            "hooks.tell: must say what is run; write just one of `command`, `url` and `url_file`",
            name="a hook of nothing",
        ),
        wrong(
            hooked("{command: [/bin/sh], url: 'https://a.example'}"),
            16,
            "hooks.tell: must say what is run",
            name="a command and a webhook",
        ),
        wrong(
            hooked("{command: [/bin/sh], secret_file: token}"),
            16,
            "hooks.tell: has `secret_file`, which does not go with `command`; remove it",
            name="a signed command",
        ),
        wrong(
            hooked("{url: 'https://a.example', secret_file: token, env: [HOME]}"),
            16,
            "hooks.tell: has `env`, which does not go with `url`; remove it",
            name="a webhook with an environment",
        ),
        wrong(
            hooked("{url: 'https://a.example'}"),
            16,
            "hooks.tell: is a webhook that nobody signs; add `secret_file`",
            name="a webhook that nobody signs",
        ),
        wrong(
            hooked("{comand: [/bin/sh]}"),
            16,
            "hooks.tell.comand: is no key that belongs here; did you mean `command`?",
            name="a misspelt key of a hook",
        ),
        wrong(
            hooked("{command: []}"),
            16,
            "hooks.tell.command: is empty; it needs at least one entry",
            name="a command of nothing",
        ),
        wrong(hooked("{command: /bin/sh}"), 16, "hooks.tell.command: must be a list", name="a command in one text"),
        wrong(
            hooked("{command: [sh, x]}"),
            16,
            "hooks.tell.command[0]: is no whole path; write it from the root on",
            name="a program without its path",
        ),
        wrong(
            hooked("{command: [/no/such/program]}"),
            16,
            "hooks.tell.command[0]: the program cannot be found (no such file or directory); check the path",
            name="a program that is not there",
        ),
        wrong(
            hooked("{command: [/etc/passwd]}"),
            16,
            "hooks.tell.command[0]: is no program that we may run",
            name="a file that is no program",
        ),
        wrong(
            hooked("{command: [/bin]}"),
            16,
            "hooks.tell.command[0]: is no program that we may run",
            name="a folder for a program",
        ),
        wrong(
            hooked('{command: [/bin/sh, "a\\0"]}'),
            16,
            "hooks.tell.command[1]: has a character in it that ends a text",
            name="an argument with a null",
        ),
        wrong(
            hooked("{command: [/bin/sh], cwd: no/such}"),
            16,
            "hooks.tell.cwd: is no folder; write its whole path",
            name="a folder that is not there",
        ),
        wrong(
            hooked("{command: [/bin/sh], env: [HOME=/]}"),
            16,
            "hooks.tell.env[0]: is no name of a variable",
            name="a variable with its value",
        ),
        wrong(
            hooked("{command: [/bin/sh], env: [PATH]}"),
            16,
            "hooks.tell.env[0]: is set for every hook, or one of our own; choose another",
            name="a variable that is ours",
        ),
        wrong(
            hooked("{command: [/bin/sh], env: [VAULT_TOKEN]}"),
            16,
            "hooks.tell.env[0]: is a login of ours; give the command one of its own",
            name="a login of ours for a hook",
        ),
        wrong(
            hooked("{command: [/bin/sh], timeout: 1h}"),
            16,
            "hooks.tell.timeout: is too long; at most 2m",
            name="a hook that takes an hour",
        ),
        wrong(
            hooked("{url: 'http://a.example/x', secret_file: token}"),
            16,
            "hooks.tell.url: is not encrypted; write `https://`",
            name="a webhook in the clear",
        ),
        wrong(
            hooked(f"{{url: 'https://u:{CANARY}@a.example/x', secret_file: token}}"),
            16,
            "hooks.tell.url: has a user or a password in it",
            name="a password in a webhook's address",
        ),
        wrong(
            hooked("{url: 'https://a.example/#x', secret_file: token}"),
            16,
            "hooks.tell.url: is no URL",
            name="a fragment in a webhook's address",
        ),
        wrong(
            hooked("{url: 'https:///x', secret_file: token}"), 16, "hooks.tell.url: is no URL", name="no host at all"
        ),
        wrong(
            hooked("{url: 'https://a.example', secret_file: gone}"),
            16,
            "hooks.tell.secret_file: the file cannot be read",
            name="a webhook's secret that is not there",
        ),
        wrong(
            GOOD + "hooks: {a b: {command: [/bin/sh]}}\n", 16, "is no name; use up to 64", name="a hook with a space"
        ),
    ],
)
def test_a_problem_has_its_line_its_key_and_what_to_do(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)

    problems = refused.value.problems
    assert [each for each in problems if each.startswith(f"{tmp_path}/config.yaml:{line}:") and said in each], problems
    assert CANARY not in str(refused.value)
