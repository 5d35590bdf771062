"""The Kubernetes manifests: they fit each other, the configuration that is in them, and what a pod must not do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest
import yaml

from rotator import __version__
from rotator.cli.main import COMMANDS
from rotator.settings import KubernetesAuth, PrivateKeyJwtAuth
from rotator.settings.places import control_socket
from tests.deploy.places import CONFIG, DEPLOY, MOUNTED, loaded

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
FILES = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name != "rotator.yaml")
WAYS = ("daemon", "cron")
OLDEST, NEWEST = "1.30", "1.37"
Manifest = dict[str, Any]


def read(path: Path) -> Manifest:
    document: Manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def resources(folder: str) -> list[Manifest]:
    names = read(KUBERNETES / folder / "kustomization.yaml")["resources"]
    return [read(KUBERNETES / folder / name) for name in names if name.endswith(".yaml")]


def workload(way: str) -> Manifest:
    return next(each for each in resources(way) if each["kind"] in {"Deployment", "CronJob"})


def template(way: str) -> Manifest:
    spec: Manifest = workload(way)["spec"]
    found: Manifest = (spec["jobTemplate"]["spec"] if way == "cron" else spec)["template"]
    return found


def container(way: str) -> Manifest:
    (found,) = template(way)["spec"]["containers"]
    one: Manifest = found
    return one


def environment(way: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(way)["env"]}


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
    (command,) = container(way)["args"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container(way)["volumeMounts"]}

    assert command in COMMANDS
    assert environment(way)["ROTATOR_CONFIG"] == f"{mounts['config']}/rotator.yaml"


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
    assert mounted["/var/run/secrets/rotator/state"]["secret"]["secretName"] == "rotator-state"
    assert settings.state.password
    read_from = {source.origin for source in (auth.jwt, okta.key, settings.state.password)}
    assert read_from == {f"file {tmp_path}/mounted/{name}" for name in MOUNTED}


def test_the_pods_share_their_state_and_check_whom_they_give_their_password_to(tmp_path: Path) -> None:
    settings = loaded(CONFIG / "kubernetes.yaml", tmp_path)
    url = urlsplit(settings.state.url)

    assert settings.several
    assert settings.state.shared
    assert parse_qs(url.query) == {"sslmode": ["verify-full"], "sslrootcert": [f"{tmp_path}/mounted/state/ca.crt"]}
    (egress,) = (
        rule for rule in read(BASE / "networkpolicy.yaml")["spec"]["egress"] if rule["ports"][0]["port"] == 5432
    )
    (peer,) = egress["to"]
    assert url.hostname
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": url.hostname.split(".")[1]}


def test_two_pods_use_no_more_of_oktas_limits_than_one_is_meant_to(tmp_path: Path) -> None:
    """Each takes the other for one of the others: of two that use `share` of what is left, `2s / (1 + s)` is gone."""
    share = loaded(CONFIG / "kubernetes.yaml", tmp_path).orgs["acme"].rate_share
    usual = loaded(CONFIG / "systemd.yaml", tmp_path).orgs["acme"].rate_share

    together = [2 * each / (1 + each) for each in (share.routine, share.urgent)]
    assert together == pytest.approx([usual.routine, usual.urgent], abs=0.02)


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
    assert writable == ({"own"} if way == "daemon" else set())


def test_the_daemon_makes_the_folder_of_its_socket_in_the_one_place_where_it_may_write() -> None:
    """A volume's own folder is open to others, and so refused."""
    volumes = {volume["name"]: volume for volume in template("daemon")["spec"]["volumes"]}
    (own,) = (PurePosixPath(each["mountPath"]) for each in container("daemon")["volumeMounts"] if each["name"] == "own")
    socket = control_socket(environment("daemon"))

    assert "emptyDir" in volumes["own"]
    assert PurePosixPath(socket).parent.parent == own
    assert environment("daemon")["STATE_DIRECTORY"] == str(own)


def test_the_service_account_has_no_token_and_no_role() -> None:
    account = read(BASE / "serviceaccount.yaml")

    assert account["automountServiceAccountToken"] is False
    assert {template(way)["spec"]["serviceAccountName"] for way in WAYS} == {account["metadata"]["name"]}
    assert not {read(path)["kind"] for path in FILES} & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_a_daemon_is_always_there_and_each_has_time_to_finish() -> None:
    spec = workload("daemon")["spec"]
    (budget,) = (each for each in resources("daemon") if each["kind"] == "PodDisruptionBudget")

    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert 1 <= budget["spec"]["minAvailable"] < spec["replicas"], "or no node could ever be emptied"
    assert budget["spec"]["selector"] == spec["selector"]
    assert template("daemon")["spec"]["terminationGracePeriodSeconds"] > 30
    assert spec["selector"]["matchLabels"].items() <= template("daemon")["metadata"]["labels"].items()


def test_the_daemons_lie_apart_where_they_can_and_run_where_they_cannot() -> None:
    spreads = template("daemon")["spec"]["topologySpreadConstraints"]

    assert [each["topologyKey"] for each in spreads] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for each in spreads:
        assert (each["maxSkew"], each["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
        assert each["labelSelector"] == workload("daemon")["spec"]["selector"]


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


def test_what_leaves_the_pod_goes_to_names_vault_the_state_and_okta() -> None:
    spec = read(BASE / "networkpolicy.yaml")["spec"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert [sorted({port["port"] for port in rule["ports"]}) for rule in spec["egress"]] == [
        [53],
        [8200],
        [5432],
        [443],
    ]


OBJECTS = [path for path in FILES if path.name != "kustomization.yaml"]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_kubernetes_knows_every_field(path: Path, version: str) -> None:
    assert kubernetes_validate.validate(read(path), version, strict=True) == version


def test_a_field_that_there_is_not_is_found() -> None:
    wrong = read(KUBERNETES / "daemon" / "disruption.yaml")
    wrong["spec"]["minAvailible"] = 1

    with pytest.raises(kubernetes_validate.ValidationError, match="minAvailible"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_the_guide_makes_just_what_the_pods_mount() -> None:
    guide = (KUBERNETES / "README.md").read_text(encoding="utf-8")
    made = {
        name: set(re.findall(r"--from-file=(\S+)", files))
        for name, files in re.findall(r"create (?:secret generic|configmap) (\S+) (.*)", guide)
    }
    named = re.findall(r"/var/run/secrets/rotator/([a-z-]+)/([a-z.]+)", (CONFIG / "kubernetes.yaml").read_text())
    for way in WAYS:
        mounted = {mount["mountPath"].rpartition("/")[2]: mount["name"] for mount in container(way)["volumeMounts"]}
        sources = {
            volume["name"]: volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
            for volume in template(way)["spec"]["volumes"]
        }
        wanted = defaultdict(set)
        for folder, file in named:
            if sources[mounted[folder]]:
                wanted[sources[mounted[folder]]].add(file)
        assert made == wanted


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("way", WAYS)
def test_kustomize_renders_it(way: str) -> None:
    ran = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / way)], capture_output=True, text=True, check=False, timeout=30
    )
    objects = list(yaml.safe_load_all(ran.stdout))

    assert (ran.returncode, ran.stderr) == (0, "")
    of_its_own = {"CronJob"} if way == "cron" else {"Deployment", "PodDisruptionBudget"}
    assert {each["kind"] for each in objects} == {"ServiceAccount", "ConfigMap", "NetworkPolicy"} | of_its_own
    assert [kubernetes_validate.validate(each, NEWEST, strict=True) for each in objects] == [NEWEST] * len(objects)
    assert {each["metadata"]["namespace"] for each in objects} == {"rotator"}
    assert all(each["metadata"]["labels"]["app.kubernetes.io/name"] == "rotator" for each in objects)
    (config,) = (each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap")
    pod = json.dumps(next(each for each in objects if each["kind"] in {"Deployment", "CronJob"}))
    assert config.startswith("rotator-config-")
    assert f'"name": "{config}"' in pod, "another configuration is another pod"
    assert f'"image": "registry.example.com/rotator:{__version__}"' in pod
