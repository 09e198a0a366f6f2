"""Contestant: Python's requests with a Session. OPERATION URL CA WARMUP COUNT"""

import json
import sys
import time

import requests

operation, url, ca, warmup, count = sys.argv[1:6]
url += "/v1/auth/secrets"
session = requests.Session()
session.headers["Authorization"] = "0iKp4vYw1Zb7sQhX9dLr2TfNc8mUeJgA6oRxV3tBy5E"
verify = True if ca == "-" else ca  # said at each call, or the environment may say otherwise

BODY = {
    "secret": {
        "id": "s3-secret",
        "secretType": "s3",
        "expiresAt": "2025-12-29T18:02:27.140Z",
        "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "params": {"ANY_ADDITIONAL_PROPERTY": "text"},
        "name": "My S3 Secret",
    },
    "secretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


def call():
    if operation == "list":
        answer = session.get(url, verify=verify)
    elif operation == "put":
        answer = session.post(url, json=BODY, verify=verify)
    else:
        answer = session.delete(url + "/s3/s3-secret", verify=verify)
    assert answer.status_code == 200
    json.loads(answer.text)


for _ in range(int(warmup)):
    call()
cpu, wall = time.process_time(), time.monotonic()
for _ in range(int(count)):
    call()
print(time.process_time() - cpu, time.monotonic() - wall)
