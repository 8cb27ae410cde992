"""What Roomkey asks, answered with FastAPI: may this user, or whoever has this session, enter that room?

Env: ROOMKEY_SIGNING  whsec_…, the same as in roomkey.toml   PORT (3000)   HOST (127.0.0.1; Roomkey alone should reach it)
"""

import json
import os
import time
from typing import Annotated

import uvicorn
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

SIGNING = os.environ.get("ROOMKEY_SIGNING", "")
if not SIGNING.startswith("whsec_"):
    raise SystemExit("ROOMKEY_SIGNING is not set to a whsec_… secret")
webhook = Webhook(SIGNING)
MAX_BODY = 64 * 1024

# ---- where a real app asks its database

USERS = {"alice": "Alice", "bob": "Bob", "carol": "Carol"}
SESSIONS = {"alices-session": "alice", "bobs-session": "bob", "carols-session": "carol"}
MEMBERS = {"standup": {"alice": "host", "bob": "viewer"}}


def decide(user: str, action: str, room: str) -> dict:
    """The decision about a user whom the app knows or does not know."""

    def no(reason: str) -> dict:
        return {"decision": False, "context": {"reason": reason}}

    if user not in USERS:
        return no("no such user")
    if action == "liveblocks.personal":  # one's own inbox: what happened in which rooms
        rooms = [name for name, inside in MEMBERS.items() if user in inside]
        return {"decision": True, "context": {"role": "viewer", "liveblocks": {"rooms": rooms}}} if rooms else no("in no room")
    if action not in ("livekit.join", "liveblocks.enter"):
        return no("no such action")
    role = MEMBERS.get(room, {}).get(user)
    if role is None:  # nor told whether there is such a room
        return no("not a member of this room")
    return {"decision": True, "context": {"role": role}}


# ---- who asks

# Ids of questions that were answered, and until when. Keep them where all processes see them if there are several.
seen: dict[str, float] = {}


def is_new(webhook_id: str) -> bool:
    now = time.monotonic()
    for old in [old for old, until in seen.items() if until < now]:
        del seen[old]
    if webhook_id in seen:
        return False
    seen[webhook_id] = now + 600  # timestamps may be off by 5 minutes either way
    return True


async def verified(request: Request) -> tuple[str, str, str]:
    """Only Roomkey is answered: the signature is over the body as it came, so it is verified before anything is parsed."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413)
    try:
        webhook.verify(bytes(body), dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: no base64, no UTF-8
        raise HTTPException(401) from None
    if not is_new(request.headers["webhook-id"]):
        raise HTTPException(401)
    try:
        question = json.loads(body)
        user, action, room = question["subject"]["id"], question["action"]["name"], question["resource"]["id"]
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400) from None
    if not all(isinstance(text, str) for text in (user, action, room)):
        raise HTTPException(400)
    return user, action, room


Question = Annotated[tuple[str, str, str], Depends(verified)]
app = FastAPI(openapi_url=None)


@app.post("/internal/roomkey")
async def roomkey(question: Question) -> dict:
    """`kind = "callback"` under [[authorize]]: Roomkey knows who it is."""
    return decide(*question)


@app.post("/internal/session")
async def session(question: Question, session: Annotated[str, Cookie()] = "") -> dict:
    """`kind = "callback"` under [[authenticate]]: the user's cookie comes along, and we say whose it is."""
    user = SESSIONS.get(session)
    if user is None:
        raise HTTPException(401)
    _, action, room = question
    answer = decide(user, action, room)
    answer["context"]["subject"] = {"id": user, "name": USERS[user]}
    return answer


if __name__ == "__main__":
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "3000"))
    uvicorn.run(app, host=host, port=port)
