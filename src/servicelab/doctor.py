"""What is wrong with this machine, and the exact fix.

Each check is a small function from `Facts` to a `Finding`; `examine` gathers the facts once and asks them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from servicelab import fixes
from servicelab.errors import ImageError, ServicelabError
from servicelab.facts import GB, PROBED, Facts, gather, is_address, no_bundle
from servicelab_start import engine as engines
from servicelab_start import environment

Level = Literal["ok", "warn", "fail"]
OLDEST_API = (1, 41)  # Engine 20.10
TESTED = ("20.10", "26.1")  # docs/engines.md: what ran on which
STACK_GB = 1.5  # what a lesson may take


@dataclass(frozen=True)
class Finding:
    """What one check saw. ``fix`` is a command or a setting for this operating system; empty where nothing is to be done."""

    name: str
    level: Level
    what: str
    fix: str = ""


def environment_of_python(facts: Facts) -> Finding:
    """Is .venv the one that requirements.lock describes?"""
    if not facts.in_venv:
        return Finding("python", "ok", f"Python {facts.python}, not start.py's .venv")
    if not environment.ready(facts.root):
        return Finding("python", "warn", ".venv is not what requirements.lock says", f"{fixes.start_py(facts.machine)} doctor")
    return Finding("python", "ok", f"Python {facts.python}, .venv as locked")


def engine(facts: Facts) -> Finding:
    """Does an engine answer?"""
    if facts.answer:
        named = f"{facts.answer.endpoint.host} ({facts.answer.endpoint.source})"
        if facts.answer.os == "windows":
            return Finding("engine", "fail", f"{named} runs Windows containers", _LINUX_CONTAINERS)
        if facts.engine_error:
            return Finding("engine", "fail", f"{named} answers, but fails: {facts.engine_error}", _restart(facts))
        return Finding("engine", "ok", named)
    trouble = engines.why_none(facts.refusals, facts.machine)
    if trouble:
        return Finding("engine", "fail", trouble.what, fixes.way_in(facts.machine, facts.refusals) or trouble.fix)
    fix = f"{fixes.start_py(facts.machine)} installs and starts one" if facts.machine.can_start else engines.advice(facts.machine)
    return Finding("engine", "fail", "no Docker engine runs here", fix)


_LINUX_CONTAINERS = (
    'switch Docker Desktop to Linux containers: & "$Env:ProgramFiles\\Docker\\Docker\\DockerCli.exe" -SwitchLinuxEngine'
)


def _restart(facts: Facts) -> str:
    endpoint = facts.answer.endpoint if facts.answer else facts.refusals[0].endpoint
    return fixes.restart_engine(facts.machine, endpoint, remote=facts.remote)


def version(facts: Facts) -> Finding:
    """Is the engine new enough, and one that the tests have run on?"""
    number, api = str(facts.version.get("Version", "?")), str(facts.version.get("ApiVersion", "0"))
    name = "Podman" if "libpod" in (facts.answer.server.lower() if facts.answer else "") else "Docker Engine"
    if tuple(int(part) for part in api.split(".") if part.isdigit()) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        return Finding(
            "version",
            "fail",
            f"{name} {number} speaks API {api}, and {oldest} (Docker Engine 20.10 or newer) is needed",
            engines.advice(replace(facts.machine, dockerd=False)),
        )
    tested = name == "Docker Engine" and number.startswith(tuple(f"{known}." for known in TESTED))
    note = "" if tested else f" (untested: the tests run on {', '.join(TESTED)})"
    return Finding("version", "ok", f"{name} {number}, API {api}{note}")


def context(facts: Facts) -> Finding:
    """Does the docker command talk to the same engine as we do?"""
    host, chosen = facts.environ.get("DOCKER_HOST", ""), facts.context
    if host and chosen not in ("", "default"):
        return Finding(
            "context",
            "warn",
            f"DOCKER_HOST ({host}) overrules the docker context {chosen}",
            f"{fixes.unset(facts.machine, 'DOCKER_HOST')}   (if the context is meant)",
        )
    if facts.remote and facts.answer and not facts.environ.get("SERVICELAB_PUBLISH"):
        there = str(urlsplit(facts.answer.endpoint.host).hostname)
        address = there if is_address(there) else "ADDRESS"
        return Finding(
            "context",
            "fail",
            f"the engine at {there} is remote: ports published on its loopback can't be reached from here",
            fixes.export(facts.machine, "SERVICELAB_PUBLISH", address)
            + ("" if address == there else f"   (in numbers: that of {there} which is reachable from here)"),
        )
    return Finding("context", "ok", chosen or "default")


def architecture(facts: Facts) -> Finding:
    """Is it one that the recipes were tried on?"""
    kind = str(facts.info.get("Architecture", "?"))
    if kind in ("x86_64", "amd64"):
        return Finding("architecture", "ok", kind)
    return Finding(
        "architecture",
        "warn",
        f"{kind}: the recipes were tried on x86_64 only, a registry's images are made for both",
        "servicelab images ensure --replace   (pulls them, where a registry answers)",
    )


def cgroups(facts: Facts) -> Finding:
    """Can the engine limit and measure what a container takes?"""
    number = facts.info.get("CgroupVersion", "1")
    lacking = [what for what in ("MemoryLimit", "CpuCfsQuota", "PidsLimit") if facts.info.get(what) is False]
    if lacking:
        return Finding(
            "cgroups",
            "warn",
            f"cgroups v{number} without {', '.join(lacking)}: limits of memory and CPU do nothing",
            fixes.cgroups(
                facts.machine,
                facts.answer.endpoint if facts.answer else None,
                rootless="name=rootless" in (facts.info.get("SecurityOptions") or []),
            ),
        )
    return Finding("cgroups", "ok", f"v{number}, driver {facts.info.get('CgroupDriver', '?')}")


def memory(facts: Facts) -> Finding:
    """Is there room for a lesson's stack?"""
    total = float(facts.info.get("MemTotal", 0)) / GB
    free = facts.memory_free / GB if facts.memory_free is not None else total
    fix = fixes.more_memory(facts.machine, facts.answer.endpoint if facts.answer else None)
    what = f"{free:.1f} of {total:.1f} GB free" if facts.memory_free is not None else f"the engine has {total:.1f} GB"
    if free < STACK_GB or total < STACK_GB:
        return Finding("memory", "fail", f"{what}, and a lesson takes up to {STACK_GB} GB", fix)
    return Finding("memory", "warn" if total < 3.5 else "ok", what, fix if total < 3.5 else "")


def disk(facts: Facts) -> Finding:
    """Is there room for images, where the engine keeps them?"""
    if facts.disk_free is None:
        return Finding("disk", "ok", "the engine's disk can't be seen from here")
    free, where = facts.disk_free / GB, facts.info.get("DockerRootDir", "/var/lib/docker")
    fix = f"make room on the disk of {where}: {_PRUNE}   (what of ours nothing uses; `docker system df` shows all that is there)"
    level: Level = "fail" if free < 2 else "warn" if free < 6 else "ok"
    return Finding("disk", level, f"{free:.1f} GB free at {where}", "" if level == "ok" else fix)


_PRUNE = "docker image prune --all --filter label=servicelab.learner; docker builder prune"


def ports(facts: Facts) -> Finding:
    """Can a port on loopback be had, and reached? Where services are published, and JupyterLab listens."""
    if facts.loopback_error:
        return Finding(
            "ports",
            "fail",
            f"a port on 127.0.0.1 can't be used: {facts.loopback_error}",
            fixes.loopback(facts.machine),
        )
    return Finding("ports", "ok", "free ones on 127.0.0.1 can be had and reached")


def proxy(facts: Facts) -> Finding:
    """Do requests to our own ports stay on this machine?"""
    either = {name.lower(): value for name, value in facts.environ.items() if value}
    used = [name for name in ("http_proxy", "https_proxy", "all_proxy") if name in either]
    if not used:
        return Finding("proxy", "ok", "none")
    name = "no_proxy" if facts.environ.get("no_proxy") else "NO_PROXY"  # the small one is read before the other
    spared = {entry.strip() for entry in facts.environ.get(name, "").split(",")}
    if "*" not in spared and not {"localhost", "127.0.0.1"} <= spared:
        return Finding(
            "proxy",
            "fail",
            f"{', '.join(used)} set, and NO_PROXY does not spare this machine: calls to the services would go to the proxy",
            fixes.export(facts.machine, name, ",".join([*sorted(spared - {""}), "localhost", "127.0.0.1"])),
        )
    return Finding("proxy", "ok", f"{', '.join(used)} set, this machine spared")


_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


def certificates(facts: Facts) -> Finding:
    """Are the certificate bundles that variables name there, and readable?"""
    named = {name: facts.environ[name] for name in _BUNDLES if facts.environ.get(name)}
    wrong = {name: why for name, path in named.items() if (why := no_bundle(path))}
    if wrong:
        what = "; ".join(f"{name}={named[name]}: {why}" for name, why in wrong.items())
        return Finding("certificates", "fail", what, f"{fixes.unset(facts.machine, *wrong)}   (or name a bundle that is right)")
    return Finding("certificates", "ok", f"from {', '.join(named)}" if named else "the system's")


def clock(facts: Facts) -> Finding:
    """Do engine and machine agree on the time? A laptop's virtual machine falls behind while it sleeps."""
    if facts.clock_skew is None:
        return Finding("clock", "ok", "the engine does not tell")
    if abs(facts.clock_skew) < 5:
        return Finding("clock", "ok", "engine and machine agree")
    if facts.remote:
        fix = "on the engine's machine: sudo timedatectl set-ntp true"
    elif facts.machine.system == "win32":
        fix = "wsl --shutdown; then start Docker Desktop again"
    else:  # an engine without a virtual machine has the clock of this one
        fix = _restart(facts)
    return Finding("clock", "warn", f"the engine's clock is {facts.clock_skew:+.0f} s off: logs and expiries will be, too", fix)


def registry(facts: Facts) -> Finding:
    """Where would an image come from?"""
    if facts.registry_answers is None:
        return Finding("registry", "ok", "not asked")
    if facts.registry_answers:
        return Finding("registry", "ok", f"{facts.registry} answers")
    if facts.machine.system == "debian":
        return Finding("registry", "ok", f"{facts.registry} can't be reached: images are built by their recipes")
    return Finding(
        "registry",
        "fail",
        f"{facts.registry} can't be reached, and the recipes need a Debian or Ubuntu",
        f"docker pull {facts.registry}/{PROBED}   (says why); with a mirror: {fixes.export(facts.machine, 'REGISTRY', 'ITS-ADDRESS')}",
    )


_OF_RUNS = ("test-", "lab-", "author-", "bench-")  # learners that tests, trials of labs, authors' runs and benchmarks make


def leftovers(facts: Facts) -> Finding:
    """Is something here that nobody waits for any more?"""
    runs = {f"{facts.learner}-run"}  # of `servicelab run`, killed or with --keep
    other = sorted({row.learner for row in facts.stacks if row.learner.startswith(_OF_RUNS) or row.learner in runs})
    dead = sorted({row.stack for row in facts.stacks if row.learner == facts.learner and row.containers and not row.running})
    broken = sorted({row.stack for row in facts.stacks if row.learner == facts.learner and row.abandoned})
    if broken:
        fix = "; ".join(f"servicelab up {name}" for name in broken)
        return Finding("leftovers", "warn", f"faults of a kernel that is gone, on {', '.join(broken)}", f"{fix}   (undoes them)")
    if other:
        fix = "; ".join(f"servicelab down --learner {name}" for name in other)
        return Finding("leftovers", "warn", f"left by test runs: {', '.join(other)}", f"if none runs now: {fix}")
    if dead:
        fix = "servicelab down   (removes all that is yours, data included)"
        return Finding("leftovers", "warn", f"stacks of yours that stopped: {', '.join(dead)}", fix)
    expired = sum(row.expired for row in facts.stacks)
    swept = f"; {expired} expired, which the next start of any stack removes" if expired else ""
    return Finding("leftovers", "ok", f"{len(facts.stacks)} stacks here, none of them forgotten{swept}")


Check = Callable[[Facts], Finding]
ALWAYS: tuple[Check, ...] = (environment_of_python, engine, ports, proxy, certificates)
WITH_ENGINE: tuple[Check, ...] = (version, context, architecture, cgroups, memory, disk, clock, registry, leftovers)


def examine(facts: Facts | None = None) -> list[Finding]:
    """Every check's finding; those about the engine only where one answers."""
    facts = facts or gather()
    return [check(facts) for check in (*ALWAYS, *(WITH_ENGINE if facts.info else ()))]


def look_after(error: ServicelabError) -> None:
    """Put under ERROR what is wrong with this machine, unless that was done: it may be the cause.

    Registries are asked only where an image is missing.
    """
    if error.findings is not None:
        return
    findings = examine(gather(ask_registry=isinstance(error, ImageError)))
    error.findings = [(f"{found.name}: {found.what}", found.fix) for found in findings if found.level == "fail"]


def exit_code(findings: Iterable[Finding]) -> int:
    """1 where something fails, else 0."""
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects with name, level, what and fix."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each finding, its fix below it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:<5} {finding.name:<13} {finding.what}")
        if finding.fix:
            lines.append(f"{'':<5} {'':<13} fix: " + finding.fix.replace("\n", "\n" + " " * 25))
    return "\n".join(lines)
