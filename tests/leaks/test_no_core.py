"""No process of ours dumps a core, whatever the limit that it was started under, and none that it starts."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

import pytest


def allow_cores() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def test_no_core_is_dumped_of_a_process_of_ours() -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("whoever runs the tests forbids cores already")
    argv = [sys.executable, "-m", "rotator", "sandbox"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=allow_cores) as process:  # noqa: PLW1509
        assert process.stdout
        assert process.stdout.readline()  # it serves

        assert resource.prlimit(process.pid, resource.RLIMIT_CORE)[0] == 0

        process.send_signal(signal.SIGTERM)
        process.stdout.read()
