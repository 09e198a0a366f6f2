"""What one would write with Python's requests:

    python3 python_requests.py URL CA API_KEY_FILE SECRET_KEY_FILE
"""

import gc
import sys

import requests

url, ca, api_key_file, secret_key_file = sys.argv[1:]


def checkpoint(name):
    print(name, "ok", flush=True)
    sys.stdin.readline()


def read(path):
    with open(path) as file:
        return file.read()


def use():
    with requests.Session() as session:
        answer = session.post(
            url + "/v1/auth/access_token",
            json={"apiKey": read(api_key_file)},
            verify=ca,
        )
        session.headers["Authorization"] = answer.json()["token"]
        answer = session.post(
            url + "/v1/auth/secrets",
            json={
                "secret": {
                    "id": "my-key",
                    "secretType": "s3",
                    "accessKey": "AKIAIOSFODNN7EXAMPLE",
                },
                "secretKey": read(secret_key_file),
            },
            verify=ca,
        )
        assert answer.json()["ok"]
        listed = session.get(url + "/v1/auth/secrets", verify=ca).json()["secrets"]
        checkpoint("use")
        return len(listed)


use()
gc.collect()
gc.collect()
checkpoint("collect")
