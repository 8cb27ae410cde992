"""The official Python SDK's verdict on tokens.

Reads one JSON object a line, {"key", "secret", "token"}; writes one a line: {"claims": …} as the SDK understood them, or {"error": …}.
"""

import json
import sys

from livekit.api import TokenVerifier

for line in sys.stdin:
    asked = json.loads(line)
    try:
        claims = TokenVerifier(asked["key"], asked["secret"]).verify(asked["token"])
        answer = {"claims": claims.asdict()}
    except Exception as error:  # whatever the SDK says no with
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
