"""The service without its peers: each answers as contracts/expects/ says, or as a test has it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from profiles import create_app
from profiles.config import Config

EXPECTS = Path(__file__).parent.parent / "contracts/expects"
CONFIG = Config("http://users", "http://orders", "http://recommendations")


class Peers:
    """What carries the calls. ``instead[name]``: an async function that answers in place of the contract's example."""

    def __init__(self):
        self.asked = []
        self.instead = {}
        self.answers = {}
        for path in EXPECTS.glob("*.json"):
            for each in json.loads(path.read_text(encoding="utf-8"))["interactions"]:
                self.answers[path.stem, each["request"]["path"]] = each["response"]

    async def get(self, url, headers):
        self.asked.append((url, headers))
        name, _, path = url.removeprefix("http://").partition("/")
        if name in self.instead:
            return await self.instead[name]()
        found = self.answers[name, "/" + path]
        return found["status"], json.dumps(found["example"]).encode()


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def client(peers):
    peers.answers["orders", "/orders?user_id=1"] = peers.answers["orders", "/orders?user_id=7920"]
    return create_app(CONFIG, transport=peers).test_client()
