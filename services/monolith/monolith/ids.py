"""What an id in a URL can look like."""

from __future__ import annotations

from werkzeug.routing import IntegerConverter

MAX_ID = 2**31 - 1


class Id(IntegerConverter):
    """Nothing else can be an id: /users/abc and /users/0 are as unknown as /users/999999."""

    regex = r"[1-9]\d{0,8}"
