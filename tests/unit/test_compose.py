"""The loader: each supported key in its common forms, and one clear error for whatever can't be carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from servicelab.compose import Application, Build, Dependency, Healthcheck, Mount, Port, Service, load
from servicelab.compose.schema import SUPPORTED
from servicelab.errors import ComposeError


def application(tmp_path: Path, text: str, **variables: str) -> Application:
    path = tmp_path / "shop.yaml"
    path.write_text(dedent(text), "utf-8")
    return load(path, variables)


def with_service(body: str) -> str:
    """A Compose file whose service web has BODY."""
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    head = "name: shop\nvolumes: {data: }\nnetworks: {back: {internal: true}}\nservices:\n  web:\n"
    return f"{head}    image: web:1\n{lines}"


def service(tmp_path: Path, body: str, **variables: str) -> Service:
    return application(tmp_path, with_service(body), **variables).services["web"]


# Docker compose says the same of each: tests/soak/test_compose_agrees.py
FORMS: list[tuple[str, str, object]] = [
    ("command: serve --port 80 'a b'", "command", ("serve", "--port", "80", "a b")),
    ("command: [serve, '80']", "command", ("serve", "80")),
    ("command: \"sh -c 'a | b; echo $$HOME'\"", "command", ("sh", "-c", "a | b; echo $HOME")),
    ("command: []", "command", ()),
    ("entrypoint: /bin/run now", "entrypoint", ("/bin/run", "now")),
    ("entrypoint: [/bin/run]", "entrypoint", ("/bin/run",)),
    ("environment: {A: 1, B: true, C: ''}", "environment", {"A": "1", "B": "true", "C": ""}),
    (
        "environment: {A: 1.10, B: 0x10, C: 010, D: .5, E: 'yes'}",
        "environment",
        {"A": "1.1", "B": "16", "C": "8", "D": "0.5", "E": "yes"},
    ),
    ("environment: [A=1, B=x=y]", "environment", {"A": "1", "B": "x=y"}),
    ("ports: [3001]", "ports", (Port(3001),)),
    ('ports: ["127.0.0.1::3001"]', "ports", (Port(3001),)),
    ('ports: ["8080:80/udp"]', "ports", (Port(80, 8080, protocol="udp"),)),
    ('ports: ["127.0.0.1:8080:80"]', "ports", (Port(80, 8080),)),
    ("ports: [{target: 80, published: 8080}]", "ports", (Port(80, 8080),)),
    ("expose: [80, 81/udp]", "expose", ("80", "81/udp")),
    ("networks: [back]", "networks", {"back": ()}),
    ("networks: []", "networks", {"default": ()}),
    ("networks: {back: , default: {aliases: [a, b]}}", "networks", {"back": (), "default": ("a", "b")}),
    ("networks: {back: {aliases: [db]}}", "networks", {"back": ("db",)}),
    ("volumes: [data:/data:ro]", "mounts", (Mount("volume", "/data", "data", read_only=True),)),
    ("volumes: [data:/data/:rw]", "mounts", (Mount("volume", "/data", "data"),)),
    ("volumes: [{type: volume, source: data, target: /data}]", "mounts", (Mount("volume", "/data", "data"),)),
    ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1m}}]", "mounts", (Mount("tmpfs", "/t", size=2**20),)),
    ("tmpfs: /run", "mounts", (Mount("tmpfs", "/run"),)),
    ("tmpfs: [/run:size=64k]", "mounts", (Mount("tmpfs", "/run", size=65536),)),
    ("healthcheck: {test: curl x}", "healthcheck", Healthcheck(("CMD-SHELL", "curl x"))),
    ("healthcheck: {test: [NONE]}", "healthcheck", Healthcheck(("NONE",))),
    ("healthcheck: {interval: 0.5s, retries: '3'}", "healthcheck", Healthcheck(None, interval=0.5, retries=3)),
    ("healthcheck: {disable: true}", "healthcheck", Healthcheck(("NONE",))),
    (
        "healthcheck: {test: [CMD, x], interval: 1m30s, timeout: 500ms, start_period: 2s, retries: 3}",
        "healthcheck",
        Healthcheck(("CMD", "x"), 90.0, 0.5, 2.0, 3),
    ),
    ("init: false", "init", False),
    ("init: ${NONE:-false}", "init", False),
    ("read_only: 'true'", "read_only", True),
    ("user: '1000'", "user", "1000"),
    ("read_only: true", "read_only", True),
    ("cap_drop: [ALL]", "cap_drop", ("ALL",)),
    ("security_opt: ['no-new-privileges:true']", "security_opt", ("no-new-privileges:true",)),
    ("stop_grace_period: 1m", "stop_grace_period", 60.0),
    ("restart: on-failure:3", "restart", "on-failure:3"),
    ("restart: no", "restart", "no"),
    ("deploy: {replicas: 3}", "replicas", 3),
    ("deploy: {resources: {limits: {memory: 256m, cpus: '0.5'}}}", "memory", 256 * 2**20),
    ("deploy: {resources: {limits: {memory: 256m, cpus: '0.5'}}}", "cpus", 0.5),
    ("deploy: {replicas: '2'}", "replicas", 2),
    ("deploy: {resources: {limits: {memory: 1.5gb}}}", "memory", 3 * 2**29),
    ("mem_limit: 1g", "memory", 2**30),
    ("mem_limit: 64\ndeploy: {resources: {limits: {memory: 64b}}}", "memory", 64),
    ("cpus: '1.5'", "cpus", 1.5),
    ("labels: [a=b, c]", "labels", {"a": "b", "c": ""}),
    ("labels: {a: true, b: }", "labels", {"a": "true", "b": ""}),
]


@pytest.mark.parametrize(("body", "field", "wanted"), FORMS)
def test_short_forms_in_their_long_one(tmp_path: Path, body: str, field: str, wanted: object) -> None:
    assert getattr(service(tmp_path, body), field) == wanted


def test_init_is_on_and_ports_are_on_loopback_by_default(tmp_path: Path) -> None:
    found = service(tmp_path, "ports: [80]")
    assert found.init
    assert found.ports[0].host_ip == "127.0.0.1"
    assert found.ports[0].published is None


def test_build_depends_on_and_anchors(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").touch()
    found = application(
        tmp_path,
        """
        name: shop
        x-common: &common {environment: {A: "1"}, init: false}
        services:
          db: {image: db}
          seed: {image: db}
          web:
            <<: *common
            init: true
            build: {context: web, args: {REGISTRY: here}}
            depends_on: {db: {condition: service_healthy}, seed: {condition: service_completed_successfully}}
        """,
    )
    web = found.services["web"]
    assert web.build == Build(tmp_path / "web", "Dockerfile", {"REGISTRY": "here"})
    assert web.environment == {"A": "1"}
    assert web.init
    assert web.depends_on["db"] == Dependency("service_healthy")
    assert found.jobs == {"seed"}
    assert found.order[-1] == "web"


def test_of_several_merged_mappings_the_first_wins(tmp_path: Path) -> None:
    web = application(
        tmp_path,
        """
        name: shop
        x-a: &a {user: a, init: false}
        x-b: &b {user: b, init: true, hostname: b}
        services: {web: {image: web, hostname: own, <<: [*a, *b]}}
        """,
    ).services["web"]
    assert (web.user, web.init, web.hostname) == ("a", False, "own")


def test_an_included_file_joins_in(tmp_path: Path) -> None:
    base = "name: base\nservices: {db: {image: db:1, networks: [back]}}\nnetworks: {back: {internal: true}}\n"
    (tmp_path / "base.yaml").write_text(base, "utf-8")
    shop = application(
        tmp_path, "name: shop\ninclude: [base.yaml]\nservices: {web: {image: web:1, networks: [back], depends_on: [db]}}"
    )
    assert shop.name == "shop"
    assert shop.order == ["db", "web"]
    assert shop.networks["back"].internal


@pytest.mark.parametrize(
    ("base", "what"),
    [
        ("name: base\nservices: {web: {image: other:1}}", "web is in base.yaml too"),
        ("name: base\ninclude: [shop.yaml]\nservices: {db: {image: db:1}}", "includes shop.yaml, which includes it in turn"),
        ("name: base\nservices: {db: {image: db:1, networks: [front]}}", "names the network 'front'"),
    ],
)
def test_an_included_file_that_does_not_fit(tmp_path: Path, base: str, what: str) -> None:
    (tmp_path / "base.yaml").write_text(base, "utf-8")
    with pytest.raises(ComposeError, match=what):
        application(
            tmp_path, "name: shop\ninclude: [base.yaml]\nservices: {web: {image: web:1, networks: [front]}}\nnetworks: {front: }"
        )


def test_what_no_service_uses_is_not_made(tmp_path: Path) -> None:
    shop = application(
        tmp_path,
        """
        name: shop
        services: {web: {image: web, networks: [front], volumes: ["data:/data"]}}
        networks: {front: , other: }
        volumes: {data: , other: }
        """,
    )
    assert (list(shop.networks), list(shop.volumes)) == (["front"], ["data"])


def test_env_file_is_below_environment(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("# a comment\nA=file\nB=file\n", "utf-8")
    assert service(tmp_path, "env_file: web.env\nenvironment: {A: own}").environment == {"A": "own", "B": "file"}


ENV_FILE = r"""
export A=1
B = two words # a comment
C="quoted # as it is\nsecond \"line\" \$A" # a comment
D='$A as it is'
E=${A}/$B
F=x#y
G=
H=${NONE:-default}
"""
ENV_FILE_SAYS = {
    "A": "1",
    "B": "two words",
    "C": 'quoted # as it is\nsecond "line" $A',
    "D": "$A as it is",
    "E": "1/two words",
    "F": "x#y",
    "G": "",
    "H": "default",
}


def test_an_env_file_as_docker_compose_reads_it(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text(ENV_FILE, "utf-8")
    assert service(tmp_path, "env_file: [{path: web.env}, {path: none.env, required: false}]").environment == ENV_FILE_SAYS


@pytest.mark.parametrize("line", ["A", "A='1", "A B=1", "A: 1"])
def test_a_line_of_an_env_file_that_is_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "web.env").write_text(f"B=1\n{line}\n", "utf-8")
    with pytest.raises(ComposeError, match=r"line 2 of web\.env"):
        service(tmp_path, "env_file: web.env")


INTERPOLATED = [
    ("$A", "1"),
    ("${A}", "1"),
    ("${B:-two}", "two"),
    ("${EMPTY:-two}", "two"),
    ("${EMPTY-two}", ""),
    ("${B:-${A}}", "1"),
    ("${B:-${C:-${A}}}", "1"),
    ("${A:+set}", "set"),
    ("${B+set}", ""),
    ("$$A", "$A"),
]


@pytest.mark.parametrize(("text", "wanted"), INTERPOLATED)
def test_interpolation(tmp_path: Path, text: str, wanted: str) -> None:
    assert service(tmp_path, f'user: "x{text}"', A="1", EMPTY="").user == f"x{wanted}"


def test_scalars_are_yaml_1_2(tmp_path: Path) -> None:
    assert service(tmp_path, "environment: {A: on, B: 22:22}").environment == {"A": "on", "B": "22:22"}


BAD = {
    "an unknown key": ("services: {web: {image: x, comand: y}}", 2, "did you mean `command`?"),
    "a key that we don't carry out": ("services: {web: {image: x, privileged: true}}", 2, "not carried out"),
    "an unknown key below": ("services: {web: {image: x, healthcheck: {start_interval: 1s}}}", 2, "not carried out"),
    "an undefined service": ("services: {web: {image: x, depends_on: [dbb]}, db: {image: y}}", 2, "did you mean 'db'?"),
    "a circle": ("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}", 0, "in a circle"),
    "a bad duration": ("services:\n  a:\n    image: x\n    stop_grace_period: ten", 5, "not a duration"),
    "a bad port": ("services:\n  a:\n    image: x\n    ports: ['127.0.0.1::99999']", 5, "not a port"),
    "a range of ports": ("services:\n  a:\n    image: x\n    ports: ['3000-3005:3000-3005']", 5, "no ranges"),
    "a missing variable": ("services:\n  a:\n    image: ${NONE:?say which}", 4, "say which"),
    "a variable that is not set": ("services:\n  a:\n    image: x${NONE}", 4, "${NONE:-…}"),
    "a YAML error": ("services:\n  a: [1", 3, "is not YAML"),
    "a merge of a text": ("services:\n  a:\n    image: x\n    <<: b", 5, "takes a mapping"),
    "a key twice": ("services:\n  a: {image: x}\n  a: {image: y}", 4, "there twice"),
    "no image": ("services:\n  a: {command: x}", 3, "neither `image` nor `build`"),
    "a build that is not there": ("services:\n  a: {build: nowhere}", 3, "no Dockerfile in nowhere"),
    "a folder of this machine": ("services:\n  a: {image: x, volumes: ['.:/app']}", 3, "not a named one"),
    "an undefined volume": ("services:\n  a: {image: x, volumes: ['files:/app']}", 3, "names the volume 'files'"),
    "an undefined network": ("services:\n  a: {image: x, networks: [n]}", 3, "names the network 'n'"),
    "a wrong type": ("services:\n  a: {image: x, environment: 5}", 3, "environment"),
    "a bad size": ("services:\n  a:\n    image: x\n    mem_limit: much", 5, "not a size"),
    "a name without a value": ("services:\n  a:\n    image: x\n    environment: {B: }", 5, "B has no value"),
    "a pipe without a shell": ("services:\n  a:\n    image: x\n    command: a | b", 5, "needs a shell"),
    "a number as text": ("services:\n  a:\n    image: x\n    environment: {B: 1.0}", 5, "in quotes"),
    "an exponent": ("services:\n  a:\n    image: x\n    environment: {B: 1e3}", 5, "'1e3'"),
    "a date": ("services:\n  a:\n    image: x\n    environment: {B: 2026-11-26}", 5, "in quotes"),
    "digits in groups": ("services:\n  a:\n    image: x\n    environment: {B: 12_000}", 5, "in quotes"),
    "a number too large": ("services:\n  a:\n    image: x\n    environment: {B: 9999999999999999999}", 5, "in quotes"),
    "two volumes in one place": ("services:\n  a:\n    image: x\n    volumes: [dd:/a, dd:/a/]", 5, "two volumes at /a"),
    "a volume of one letter": ("services:\n  a:\n    image: x\n    volumes: ['d:/a']", 5, "a drive"),
    "two limits": (
        "services:\n  a:\n    image: x\n    mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}",
        5,
        "beside other limits",
    ),
    "no restart policy": ("services:\n  a:\n    image: x\n    restart: sometimes", 5, "no restart policy"),
    "no bool": ("services:\n  a:\n    image: x\n    init: maybe", 5, "neither true nor false"),
    "a range of ports inside": ("services:\n  a:\n    image: x\n    expose: ['80-81']", 5, "no ranges"),
    "no services": ("services: {}", 0, "no services"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(tmp_path: Path, case: str) -> None:
    text, line, said = BAD[case]
    with pytest.raises(ComposeError) as caught:
        application(tmp_path, "name: shop\n" + text)
    error = caught.value
    assert error.file == "shop.yaml"
    assert said in str(error)
    if line:
        assert error.line == line


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").touch()
    with pytest.raises(ComposeError, match="other"):
        load(tmp_path / "shop.yaml", {})


def test_a_name_that_no_project_may_have(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match="small letters"):
        application(tmp_path, "name: Shop\nservices: {a: {image: x}}")


def test_a_file_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match="begin the file with `name: shop`"):
        application(tmp_path, "services: {a: {image: x}}")


SPECIFICATION = json.loads(files("servicelab.compose").joinpath("compose-spec.json").read_text("utf-8"))


def alternatives(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the schema's NODE may be, references followed."""
    if "$ref" in node:
        yield from alternatives(SPECIFICATION["definitions"][node["$ref"].rpartition("/")[2]])
    yield node
    for one in node.get("oneOf", []):
        yield from alternatives(one)


def below(node: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The schema of what is called NAME in it; of any name or any item, for "*"."""
    for form in alternatives(node):
        if name in form.get("properties", {}):
            yield form["properties"][name]
        elif name == "*" and "items" in form:
            yield form["items"]
        elif name == "*":
            yield from (deeper for pattern, deeper in form.get("patternProperties", {}).items() if pattern != "^x-")


def keys_of_the_specification(place: tuple[str, ...]) -> set[str]:
    nodes = [SPECIFICATION]
    for name in place:
        nodes = [deeper for node in nodes for deeper in below(node, name)]
    return {key for node in nodes for form in alternatives(node) for key in form.get("properties", {})}


LISTS = ("env_file", "ports", "volumes")  # of a service
REFUSED = [(place, key) for place in SUPPORTED for key in sorted(keys_of_the_specification(place) - SUPPORTED[place])]


@pytest.mark.parametrize("place", SUPPORTED)
def test_what_is_carried_out_is_in_the_specification(place: tuple[str, ...]) -> None:
    assert keys_of_the_specification(place) >= SUPPORTED[place]


@pytest.mark.parametrize(("place", "key"), REFUSED, ids=lambda value: value if isinstance(value, str) else ".".join(value))
def test_every_other_key_is_refused_with_its_line(tmp_path: Path, place: tuple[str, ...], key: str) -> None:
    inner: Any = {key: "something"}
    for depth in reversed(range(len(place))):
        is_item = place[depth] == "*" and place[0] == "services" and depth > 1 and place[depth - 1] in LISTS
        inner = [inner] if is_item else {place[depth].replace("*", "web"): inner}
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({"name": "shop"} | inner), "utf-8")
    with pytest.raises(ComposeError, match=f"`{key}` in .*not carried out by Servicelab") as caught:
        load(path, {})
    lines = path.read_text("utf-8").splitlines()
    assert caught.value.file == "shop.yaml"
    assert lines[caught.value.line - 1].strip(" -").startswith(f"{key}:")


def test_the_long_form_of_include_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match="the long form of `include`") as caught:
        application(tmp_path, "name: shop\ninclude:\n  - path: other.yaml\nservices: {web: {image: web:1}}")
    assert caught.value.line == 3
