#!/usr/bin/python3
"""The contract of the official image's entry point: MONGO_INITDB_ROOT_USERNAME and _PASSWORD (each also as NAME_FILE) make the
first user and switch authorisation on; `mongod` runs as mongodb, on all addresses unless the command says otherwise.
"""

import os
import pathlib
import pwd
import signal
import subprocess
import sys

DATA = pathlib.Path("/data/db")
SETUP_PORT = 27099  # not the real one's: nobody takes the temporary server for it
SETUP_SOCKETS = "/tmp"  # noqa: S108  a directory that the user may write, as mongod's own default is


def from_environment(name: str) -> str:
    """NAME, or the content of the file that NAME_FILE names, or the empty string."""
    path = os.environ.pop(f"{name}_FILE", "")
    if path and os.environ.get(name):
        sys.exit(f"error: both {name} and {name}_FILE are set")
    return pathlib.Path(path).read_text().rstrip("\n") if path else os.environ.get(name, "")


def become_mongodb() -> None:
    user = pwd.getpwnam("mongodb")
    for folder in (DATA, pathlib.Path("/data/configdb")):
        if folder.exists():
            for path in (folder, *folder.rglob("*")):
                if path.stat().st_uid != user.pw_uid:
                    os.chown(path, user.pw_uid, user.pw_gid)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = str(DATA)


def make_root_user(name: str, password: str) -> None:
    from pymongo import MongoClient

    server = subprocess.Popen(
        [
            "mongod",
            "--dbpath",
            str(DATA),
            "--bind_ip",
            "127.0.0.1",
            "--port",
            str(SETUP_PORT),
            "--unixSocketPrefix",
            SETUP_SOCKETS,
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        client = MongoClient("127.0.0.1", SETUP_PORT, serverSelectionTimeoutMS=60_000)
        client.admin.command("createUser", name, pwd=password, roles=[{"role": "root", "db": "admin"}])
        client.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def main(command: list[str]) -> None:
    if command[0].startswith("-"):
        command = ["mongod", *command]
    if command[0] == "mongod":
        if os.getuid() == 0:
            become_mongodb()
        name = from_environment("MONGO_INITDB_ROOT_USERNAME")
        password = from_environment("MONGO_INITDB_ROOT_PASSWORD")
        if bool(name) != bool(password):
            sys.exit("error: MONGO_INITDB_ROOT_USERNAME and MONGO_INITDB_ROOT_PASSWORD belong together")
        if name:
            if not (DATA / "WiredTiger").exists():
                make_root_user(name, password)
            command.append("--auth")
        if not any(option.split("=")[0] in ("--bind_ip", "--bind_ip_all", "--config", "-f") for option in command):
            command.append("--bind_ip_all")
    os.execvp(command[0], command)


main(sys.argv[1:])
