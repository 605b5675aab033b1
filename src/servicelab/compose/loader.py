"""From a document to an `Application`: every short form in its long one, every name checked."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from servicelab.compose import env_file
from servicelab.compose.document import Document, Key, interpolate, read
from servicelab.compose.model import (
    Application,
    Build,
    Dependency,
    Healthcheck,
    Mount,
    Network,
    Service,
    Volume,
)
from servicelab.compose.names import check_names
from servicelab.compose.schema import validate
from servicelab.compose.values import boolean, duration, environment, exposed, labels, ports, restart, size, words

T = TypeVar("T")


def load(path: Path, variables: Mapping[str, str]) -> Application:
    """Read the Compose file PATH and what it includes, with VARIABLES for its ``${…}``.

    Raises `ComposeError` with file, line and fix for whatever can't be carried out.
    """
    application = _load(path.resolve(), variables, ())
    services = application.services.values()
    networks = {name for service in services for name in service.networks}
    volumes = {mount.source for service in services for mount in service.mounts}
    return replace(  # what no service uses is not made, as docker compose has it
        application,
        networks={name: network for name, network in application.networks.items() if name in networks},
        volumes={name: volume for name, volume in application.volumes.items() if name in volumes},
    )


def _load(path: Path, variables: Mapping[str, str], including: tuple[Path, ...]) -> Application:
    document = read(path, variables)
    validate(document)
    data = document.data
    name = data.get("name")
    if not name:
        raise document.error("has no `name:`", fix=f"begin the file with `name: {path.stem}`")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise document.error(
            f"the name {name!r}", ("name",), fix="small letters, digits, - and _; it begins with a letter or a digit"
        )
    reader = _Reader(document, variables)
    services = {n: reader.service(n, s or {}) for n, s in (data.get("services") or {}).items()}
    networks = {n: reader.network(v or {}, ("networks", n)) for n, v in (data.get("networks") or {}).items()}
    if any("default" in service.networks for service in services.values()):
        networks.setdefault("default", Network())
    volumes = {n: Volume(reader.labels(v or {}, ("volumes", n))) for n, v in (data.get("volumes") or {}).items()}
    own = Application(name, path, services, networks, volumes)
    application = own
    for index, entry in enumerate(data.get("include") or []):
        key: Key = ("include", index)
        file = (path.parent / reader.included(entry, key)).resolve()
        if file in (*including, path):
            raise document.error(f"includes {file.name}, which includes it in turn", key, fix="take one of the two away")
        application = _joined(application, _load(file, variables, (*including, path)), document)
    if not application.services:
        raise document.error("has no services", fix="name at least one under `services:`")
    check_names(own, application, document)
    return application


def _joined(application: Application, included: Application, document: Document) -> Application:
    """APPLICATION with what another file has; a name that both use must mean the same."""

    def join(kind: str, own: Mapping[str, T], other: Mapping[str, T]) -> dict[str, T]:
        for name in own.keys() & other.keys():
            if own[name] != other[name]:
                raise document.error(f"{name} is in {included.file.name} too", (kind, name), fix="give one of them another name")
        return {**other, **own}

    return replace(
        application,
        services=join("services", application.services, included.services),
        networks=join("networks", application.networks, included.networks),
        volumes=join("volumes", application.volumes, included.volumes),
    )


class _Reader:
    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self.document, self.variables = document, variables
        self.folder = document.path.resolve().parent

    def service(self, name: str, data: dict[str, Any]) -> Service:
        key: Key = ("services", name)
        if "image" not in data and "build" not in data:
            raise self.document.error(f"{name} has neither `image` nor `build`", key, fix="give it one of them")
        deploy = data.get("deploy") or {}
        limits = (deploy.get("resources") or {}).get("limits") or {}
        deep: Key = (*key, "deploy", "resources", "limits")
        memory = self.limit("memory", size, limits, deep, data, key, "mem_limit")
        cpus = self.limit("cpus", float, limits, deep, data, key, "cpus")
        grace = data.get("stop_grace_period")
        return Service(
            name=name,
            image=data.get("image"),
            build=self.build(data["build"], (*key, "build")) if "build" in data else None,
            command=self.words(data.get("command"), (*key, "command")),
            entrypoint=self.words(data.get("entrypoint"), (*key, "entrypoint")),
            environment=self.environment(data, key),
            ports=tuple(
                port
                for index, entry in enumerate(data.get("ports") or [])
                for port in self.value(ports, entry, (*key, "ports", index))
            ),
            expose=tuple(self.value(exposed, p, (*key, "expose", i)) for i, p in enumerate(data.get("expose") or [])),
            networks=self.networks(data.get("networks")),
            mounts=self.mounts(data, key),
            depends_on=self.depends_on(data.get("depends_on") or {}),
            healthcheck=self.healthcheck(data.get("healthcheck"), (*key, "healthcheck")),
            init=self.boolean(data, "init", key, default=True),
            user=str(data["user"]) if "user" in data else None,
            working_dir=data.get("working_dir"),
            hostname=data.get("hostname"),
            read_only=self.boolean(data, "read_only", key),
            cap_add=tuple(data.get("cap_add") or ()),
            cap_drop=tuple(data.get("cap_drop") or ()),
            security_opt=tuple(data.get("security_opt") or ()),
            stop_signal=data.get("stop_signal"),
            stop_grace_period=None if grace is None else self.value(duration, grace, (*key, "stop_grace_period")),
            restart=self.value(restart, data.get("restart", "no"), (*key, "restart")),
            replicas=self.value(int, deploy.get("replicas", 1), (*key, "deploy", "replicas")),
            memory=memory,
            cpus=cpus,
            labels=self.labels(data, key),
        )

    def included(self, entry: str | dict[str, Any], key: Key) -> str:
        if not isinstance(entry, str):
            raise self.document.error(
                "the long form of `include` is not carried out by Servicelab", key, fix="include: [other-file.yaml]"
            )
        return entry

    def limit(
        self, name: str, parse: Callable[[Any], T], limits: dict[str, Any], deep: Key, data: dict[str, Any], key: Key, short: str
    ) -> T | None:
        """A limit of `deploy`, or its short form; beside limits in `deploy` it has to be the same."""
        long_form = self.value(parse, limits[name], (*deep, name)) if name in limits else None
        short_form = self.value(parse, data[short], (*key, short)) if short in data else None
        if limits and short_form not in (None, long_form):
            raise self.document.error(
                f"{key[1]} has {short} beside other limits in deploy", (*key, short), fix=f"write it there, as `{name}`"
            )
        return short_form if long_form is None else long_form

    def value(self, parse: Callable[[Any], T], raw: Any, key: Key) -> T:
        """PARSE(RAW), where a ValueError becomes an error that points at KEY."""
        try:
            return parse(raw)
        except ValueError as error:
            place = ".".join(str(part) for part in key[1:])
            what, _, fix = str(error).partition("; ")
            raise self.document.error(f"{place}: {what}", key, fix=fix) from None

    def build(self, raw: str | dict[str, Any], key: Key) -> Build:
        data = {"context": raw} if isinstance(raw, str) else raw
        context = (self.folder / data.get("context", ".")).resolve()
        dockerfile = data.get("dockerfile", "Dockerfile")
        if not (context / dockerfile).is_file():
            raise self.document.error(
                f"there is no {dockerfile} in {data.get('context', '.')}",
                key,
                fix="the path of `context` is relative to the Compose file",
            )
        return Build(context, dockerfile, self.variables_of(data, key, "args"), data.get("target"))

    def words(self, raw: str | list[Any] | None, key: Key) -> tuple[str, ...] | None:
        if raw is None:
            return None
        return self.value(words, raw, key) if isinstance(raw, str) else tuple(raw)

    def variables_of(self, data: dict[str, Any], key: Key, name: str) -> dict[str, str]:
        return self.value(environment, data.get(name) or {}, (*key, name))

    def labels(self, data: dict[str, Any], key: Key) -> dict[str, str]:
        return self.value(labels, data.get("labels") or {}, (*key, "labels"))

    def boolean(self, data: dict[str, Any], name: str, key: Key, *, default: bool = False) -> bool:
        return self.value(boolean, data.get(name, default), (*key, name))

    def network(self, data: dict[str, Any], key: Key) -> Network:
        return Network(self.boolean(data, "internal", key), self.labels(data, key))

    def environment(self, data: dict[str, Any], key: Key) -> dict[str, str]:
        result: dict[str, str] = {}
        raw = data.get("env_file") or []
        for index, entry in enumerate([raw] if isinstance(raw, str | dict) else raw):
            here: Key = (*key, "env_file", index)
            path = self.folder / (entry["path"] if isinstance(entry, dict) else entry)
            if not path.is_file():
                if isinstance(entry, dict) and not self.boolean(entry, "required", here, default=True):
                    continue
                raise self.document.error(f"env_file {path.name} is not there", here)
            result |= self.value(partial(env_file.read, fill=partial(self.fill, key=here)), path, here)
        return result | self.variables_of(data, key, "environment")

    def fill(self, text: str, earlier: Mapping[str, str], key: Key) -> str:
        return interpolate(text, {**earlier, **self.variables}, self.document, key)

    def networks(self, raw: list[str] | dict[str, Any] | None) -> dict[str, tuple[str, ...]]:
        if not raw:
            return {"default": ()}
        if isinstance(raw, list):
            return dict.fromkeys(raw, ())
        return {name: tuple((options or {}).get("aliases") or ()) for name, options in raw.items()}

    def mounts(self, data: dict[str, Any], key: Key) -> tuple[Mount, ...]:
        volumes = [self.mount(raw, (*key, "volumes", i)) for i, raw in enumerate(data.get("volumes") or [])]
        raw_tmpfs = data.get("tmpfs") or []
        for index, entry in enumerate([raw_tmpfs] if isinstance(raw_tmpfs, str) else raw_tmpfs):
            target, _, options = entry.partition(":")
            found = re.fullmatch(r"size=([^,]+)", options)
            if options and not found:
                raise self.document.error(
                    f"tmpfs options {options!r}", (*key, "tmpfs", index), fix="only size= is carried out: /tmp:size=64m"
                )
            limit = self.value(size, found[1], (*key, "tmpfs", index)) if found else None
            volumes.append(Mount("tmpfs", target, size=limit))
        targets = [mount.target for mount in volumes]
        for target in targets:
            if targets.count(target) > 1:
                raise self.document.error(f"{key[1]} has two volumes at {target}", (*key, "volumes"), fix="take one of them away")
        return tuple(volumes)

    def mount(self, raw: str | dict[str, Any], key: Key) -> Mount:
        if isinstance(raw, str):
            parts = raw.split(":")
            raw = {"source": parts[0], "target": parts[1] if len(parts) > 1 else "", "type": "volume"}
            mode = parts[2] if len(parts) > 2 else "rw"
            if re.fullmatch("[A-Za-z]", parts[0]) and len(parts) > 1:
                raise self.document.error(
                    f"volume {parts[0]!r}", key, why="docker compose takes one letter for a drive", fix="give it a longer name"
                )
            if len(parts) > 3 or mode not in ("ro", "rw"):
                raise self.document.error(f"volume {':'.join(parts)!r}", key, fix="NAME:/path or NAME:/path:ro")
            raw["read_only"] = mode == "ro"
        kind, source, target = raw.get("type", "volume"), raw.get("source"), raw.get("target", "")
        target = target and posixpath.normpath(target)
        if kind == "tmpfs":
            limit = (raw.get("tmpfs") or {}).get("size")
            return Mount("tmpfs", target, size=None if limit is None else self.value(size, limit, key))
        if kind != "volume" or not source or re.match(r"[./~]", source) or not target.startswith("/"):
            raise self.document.error(
                f"the volume {source or target!r} is not a named one",
                key,
                why="a folder of this machine is not there on a remote engine",
                fix="NAME:/path, with NAME under the file's `volumes:`; or copy the files into the image",
            )
        return Mount("volume", target, source, self.boolean(raw, "read_only", key))

    def depends_on(self, raw: list[str] | dict[str, Any]) -> dict[str, Dependency]:
        if isinstance(raw, list):
            return {name: Dependency() for name in raw}
        return {name: Dependency(o.get("condition", "service_started"), o.get("required", True)) for name, o in raw.items()}

    def healthcheck(self, raw: dict[str, Any] | None, key: Key) -> Healthcheck | None:
        if raw is None:
            return None
        if self.boolean(raw, "disable", key):
            return Healthcheck(("NONE",))
        test = raw.get("test")
        if isinstance(test, list) and (not test or test[0] not in ("CMD", "CMD-SHELL", "NONE")):
            raise self.document.error(
                "a healthcheck's test has to begin with CMD, CMD-SHELL or NONE",
                (*key, "test"),
                fix='["CMD", "pg_isready"]',
            )

        def seconds(name: str) -> float | None:
            return self.value(duration, raw[name], (*key, name)) if name in raw else None

        retries = raw.get("retries")
        return Healthcheck(
            ("CMD-SHELL", test) if isinstance(test, str) else tuple(test) if test else None,
            interval=seconds("interval"),
            timeout=seconds("timeout"),
            start_period=seconds("start_period"),
            retries=None if retries is None else self.value(int, retries, (*key, "retries")),
        )
