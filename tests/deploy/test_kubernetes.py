"""The Kubernetes manifests: they fit each other, the configuration that is in them, and what a pod must not do."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rotator import __version__
from rotator.cli.main import COMMANDS
from rotator.settings import KubernetesAuth, PrivateKeyJwtAuth
from tests.deploy.places import CONFIG, DEPLOY, MOUNTED, loaded

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
FILES = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "rotator.yaml")
WAYS = ("daemon", "cron")
Manifest = dict[str, Any]


def read(path: Path) -> Manifest:
    document: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def workload(way: str) -> Manifest:
    (name,) = (name for name in read(KUBERNETES / way / "kustomization.yaml")["resources"] if name.endswith(".yaml"))
    return read(KUBERNETES / way / name)


def template(way: str) -> Manifest:
    spec: Manifest = workload(way)["spec"]
    found: Manifest = (spec["jobTemplate"]["spec"] if way == "cron" else spec)["template"]
    return found


def container(way: str) -> Manifest:
    (found,) = template(way)["spec"]["containers"]
    one: Manifest = found
    return one


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_file_is_one_object_that_some_kustomization_takes_in(path: Path) -> None:
    document = read(path)

    assert {"apiVersion", "kind"} <= document.keys()
    if path.name != "kustomization.yaml":
        assert path.name in read(path.parent / "kustomization.yaml")["resources"]


def test_the_configuration_that_is_deployed_is_the_example() -> None:
    assert (BASE / "rotator.yaml").read_text() == (CONFIG / "kubernetes.yaml").read_text()
    assert read(BASE / "kustomization.yaml")["configMapGenerator"] == [
        {"name": "rotator-config", "files": ["rotator.yaml"]}
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_pod_runs_a_command_that_there_is_on_the_file_that_is_mounted(way: str) -> None:
    command, option, config = container(way)["args"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container(way)["volumeMounts"]}

    assert command in COMMANDS
    assert (option, config) == ("--config", f"{mounts['config']}/rotator.yaml")


@pytest.mark.parametrize("way", WAYS)
def test_what_the_configuration_names_is_mounted(way: str, tmp_path: Path) -> None:
    settings = loaded(CONFIG / "kubernetes.yaml", tmp_path)
    volumes = {volume["name"]: volume for volume in template(way)["spec"]["volumes"]}
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in container(way)["volumeMounts"]}
    auth, okta = settings.vaults["cluster"].auth, settings.orgs["acme"].auth

    assert isinstance(auth, KubernetesAuth)
    assert isinstance(okta, PrivateKeyJwtAuth)
    assert len(mounted) == len(volumes)
    (token,) = mounted["/var/run/secrets/rotator/vault"]["projected"]["sources"]
    assert token["serviceAccountToken"] == {"audience": "vault", "expirationSeconds": 3600, "path": "token"}
    assert mounted["/var/run/secrets/rotator/okta"]["secret"]["secretName"] == "rotator-okta"
    assert mounted["/var/run/secrets/rotator/vault-ca"]["configMap"]["name"] == "rotator-vault-ca"
    assert {source.origin for source in (auth.jwt, okta.key)} == {f"file {tmp_path}/mounted/{name}" for name in MOUNTED}
    assert "emptyDir" in mounted["/var/lib/rotator"]
    assert {"name": "STATE_DIRECTORY", "value": "/var/lib/rotator"} in container(way)["env"]


@pytest.mark.parametrize("way", WAYS)
def test_a_pod_may_do_nothing_that_it_need_not(way: str) -> None:
    pod, one = template(way)["spec"], container(way)

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert one["resources"]["limits"].keys() == {"memory"}
    writable = {mount["name"] for mount in one["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"state"}


def test_the_service_account_has_no_token_and_no_role() -> None:
    account = read(BASE / "serviceaccount.yaml")

    assert account["automountServiceAccountToken"] is False
    assert {template(way)["spec"]["serviceAccountName"] for way in WAYS} == {account["metadata"]["name"]}
    assert not {read(path)["kind"] for path in FILES} & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_the_daemon_is_never_there_twice_and_has_time_to_finish() -> None:
    spec = workload("daemon")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert template("daemon")["spec"]["terminationGracePeriodSeconds"] > 30
    assert spec["selector"]["matchLabels"].items() <= template("daemon")["metadata"]["labels"].items()


def test_a_pass_waits_for_the_one_before_and_is_not_repeated() -> None:
    spec = workload("cron")["spec"]

    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert template("cron")["spec"]["restartPolicy"] == "Never"


def test_probes_and_prometheus_find_the_port_that_the_configuration_opens(tmp_path: Path) -> None:
    health = loaded(CONFIG / "kubernetes.yaml", tmp_path).health
    one = container("daemon")
    (port,) = one["ports"]
    (ingress,) = read(BASE / "networkpolicy.yaml")["spec"]["ingress"]

    assert health
    assert health.host == "0.0.0.0"
    assert port == {"name": "health", "containerPort": health.port}
    assert ingress["ports"] == [{"protocol": "TCP", "port": health.port}]
    probes = {name: probe["httpGet"] for name, probe in one.items() if name.endswith("Probe")}
    assert probes == {
        "startupProbe": {"path": "/livez", "port": "health"},
        "livenessProbe": {"path": "/livez", "port": "health"},
        "readinessProbe": {"path": "/readyz", "port": "health"},
    }
    assert "ports" not in container("cron"), "one pass listens nowhere"


def test_what_leaves_the_pod_goes_to_names_vault_and_okta() -> None:
    spec = read(BASE / "networkpolicy.yaml")["spec"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert [sorted({port["port"] for port in rule["ports"]}) for rule in spec["egress"]] == [[53], [8200], [443]]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("way", WAYS)
def test_kustomize_renders_it(way: str) -> None:
    ran = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / way)], capture_output=True, text=True, check=False, timeout=30
    )
    objects = list(yaml.safe_load_all(ran.stdout))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert {each["kind"] for each in objects} == {
        "ServiceAccount", "ConfigMap", "NetworkPolicy", "CronJob" if way == "cron" else "Deployment"
    }  # fmt: skip
    assert {each["metadata"]["namespace"] for each in objects} == {"rotator"}
    assert all(each["metadata"]["labels"]["app.kubernetes.io/name"] == "rotator" for each in objects)
    (config,) = (each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap")
    pod = json.dumps(next(each for each in objects if each["kind"] in {"Deployment", "CronJob"}))
    assert config.startswith("rotator-config-")
    assert f'"name": "{config}"' in pod, "another configuration is another pod"
    assert f'"image": "registry.example.com/rotator:{__version__}"' in pod
