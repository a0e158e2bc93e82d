#!/usr/bin/env python3
"""Runs a whole day in a warehouse over the REST API and prints a transcript.

Requires a new server: `make run` in one terminal, then in another
    python3 docs/a_day.py http://127.0.0.1:8080 <first password>
Needs only Python's standard library. Exits with 1 at the first unexpected response.
"""

import json
import sys
import urllib.error
import urllib.request
import uuid

BASE, FIRST_PASSWORD = sys.argv[1].rstrip("/"), sys.argv[2]
PASSWORD = "Correct-Horse7"
INITIAL_PASSWORD = "Only-For-Today-1"


class Person:
    """A person or system with an access token."""

    def __init__(self, name, token=None):
        self.name, self.token = name, token

    def call(self, method, path, body=None, expect=200, **headers):
        request = urllib.request.Request(f"{BASE}/api/v1{path}", method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request) as response:
                status, head, content = response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            status, head, content = error.code, error.headers, error.read()
        is_json = "json" in head.get("Content-Type", "")
        answer = json.loads(content) if is_json and content else content
        code = answer.get("code", "") if isinstance(answer, dict) and status >= 400 else ""
        print(f"  {self.name:8} {method:6} {path:58} {status} {code}")
        if status != expect:
            sys.exit(f"expected {expect}: {content[:500]!r}")
        return answer, head

    def get(self, path, **more):
        return self.call("GET", path, **more)[0]

    def post(self, path, body=None, **more):
        return self.call("POST", path, body if body is not None else {}, **more)[0]


def signed_in(name, password):
    """Signs in. A password that an admin set is replaced before anything else."""
    answer = Person(name).post("/auth/login", {"username": name, "password": password})
    person = Person(name, answer["access_token"])
    if answer["user"]["password_change_required"]:
        person.get("/me", expect=403)
        person.token = person.post("/me/password", {"current_password": password, "new_password": PASSWORD})["access_token"]
    return person


def main():
    print("Morning: the admin sets up areas and people")
    admin = signed_in("admin", FIRST_PASSWORD)
    admin.post("/dispatch-areas", {"code": "Nagpur"}, expect=201)
    admin.post("/bag-formats", {"name": "Wheat", "kind": "parent", "pattern": "WH[0-9]{5}", "capacity": 20, "child_weight_kg": 2}, expect=201)
    for name, role, area in [("asha", "dispatcher", "Nagpur"), ("ravi", "dispatcher", "Lucknow"), ("shanti", "biller", None)]:
        body = {"username": name, "password": INITIAL_PASSWORD, "role": role, "dispatch_area": area}
        admin.post("/users", body, expect=201, Idempotency_Key=str(uuid.uuid4()))

    print("Packers and billers choose their passwords, and the packers pack")
    asha, ravi, shanti = (signed_in(name, INITIAL_PASSWORD) for name in ("asha", "ravi", "shanti"))
    asha.post("/scans", {"qr_code": "SB10001"}, expect=201)
    batch = [{"qr_code": f"CB-{n:05}", "parent_qr_code": "SB10001", "source": "wedge"} for n in range(30)]
    results = asha.post("/scans/batch", {"scans": batch})["results"]
    assert all(result["outcome"] == "linked" for result in results), results
    assert asha.get("/bags/SB10001")["status"] == "completed"
    asha.post("/scans", {"qr_code": "CB-99999", "parent_qr_code": "SB10001"}, expect=409)
    ravi.post("/scans", {"qr_code": "SB10002"}, expect=201)
    for n in range(3):
        ravi.post("/scans", {"qr_code": f"CB-1000{n}", "parent_qr_code": "SB10002"}, expect=201)
    ravi.post("/scans", {"qr_code": "CB-00000", "parent_qr_code": "SB10002"}, expect=409)
    ravi.post("/scans/undo-last")
    ravi.post("/bags/SB10002/complete")
    asha.get("/bags/SB10002", expect=404)
    asha.get("/users", expect=403)

    print("The biller creates a bill and prints it")
    bill = shanti.post("/bills", {"destination": "Jaipur depot", "vehicle_number": "RJ14 GB 1234", "expected_parent_bags": 2}, expect=201)
    path = f"/bills/{bill['bill_number']}"
    added = shanti.post(f"{path}/bags", {"qr_codes": ["SB10001", "SB10002", "SB99999"]})
    assert [result["outcome"] for result in added["results"]] == ["added", "added", "not_found"], added
    _, head = shanti.call("GET", path)
    shanti.call("PATCH", path, {"description": "Before noon"}, If_Match=head["ETag"])
    finished = shanti.post(f"{path}/finish")
    assert finished["actual_weight_kg"] == 32 and finished["variance_kg"] == -28, finished
    asha.post("/bags/SB10001/reopen", expect=409)
    for form in ("json", "csv", "xlsx", "pdf"):
        shanti.get(f"{path}/report?format={form}")

    print("Another system reads with its own API key")
    made = admin.post("/api-keys", {"name": "ERP", "scopes": ["bags:read", "bills:read"]}, expect=201)
    erp = Person("ERP", made["key"])
    erp.get(path)
    erp.get("/bags?kind=parent&billed=true")
    erp.post("/scans", {"qr_code": "SB10009"}, expect=403)

    print("Evening: reports are created, and the audit log shows everything")
    for report in ("daily-scans", "bill-summary", "dispatch-area", "user-activity", "end-of-day"):
        shanti.get(f"/reports/{report}?format=pdf")
    shanti.get("/exports/bags?format=csv")
    stats = admin.get("/stats")
    assert stats["bags"]["children"] == 33 and stats["bills"]["completed"] == 1, stats
    admin.get("/search?q=SB1000")
    for action in ("bill_finished", "child_linked", "scan_undone", "parent_completed", "access_denied", "export", "api_key_created"):
        entries = admin.get(f"/audit-logs?action={action}")["data"]
        assert entries, action
    history = admin.get("/bags/SB10002/history")["data"]
    print(f"\n{stats['scans']['total']} scans, {stats['bags']['total']} bags, {len(history)} events of SB10002. A good day.")


if __name__ == "__main__":
    main()
