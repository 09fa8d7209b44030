"""The writing and listing methods of a server's repository, and a record that can be written any number of times."""

import json
import random
import string
import time
from urllib.parse import quote

CREW = "io.atcr.hold.crew"


class Account:
    """What the writing and listing methods need to know of a server's repository."""

    def __init__(self, server, repo, token):
        self.server, self.repo, self.token = server, repo, token

    def post(self, method, value):
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        body = json.dumps({"repo": self.repo, **value})
        return json.loads(self.server.ask("POST", f"/xrpc/com.atproto.repo.{method}", body, headers)[1])

    def list(self, collection, **query):
        text = "".join(f"&{name}={value}" for name, value in query.items())
        target = f"/xrpc/com.atproto.repo.listRecords?repo={quote(self.repo)}&collection={collection}{text}"
        return json.loads(self.server.ask("GET", target)[1])["records"]


def member():
    did = "did:plc:" + "".join(random.choices(string.ascii_lowercase + "234567", k=24))
    added = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"$type": CREW, "member": did, "role": "member", "permissions": ["blob:read"], "addedAt": added}
