begin()

with subtest("systemd listens from boot on, and the hold is down"):
    assert shown("ActiveState") == "inactive"
    machine.succeed("test -S /run/atcr-hold.sock")

with subtest("the first connection starts the hold, and is answered"):
    healthy()
    assert shown("ActiveState") == "active"

with subtest("it is ready only once it can serve, and says whom"):
    assert HOLD_URL in shown("StatusText")

with subtest("the TCP socket is the same hold; a path that is not there is 404"):
    expect(curl("http://127.0.0.1:8080/.well-known/atproto-did", None), 200, HOLD_DID)
    expect(curl("http://127.0.0.1:8080/nothing", None), 404)

with subtest("the DID document names the URL"):
    document = expect(get("/.well-known/did.json"), 200)
    assert document["id"] == HOLD_DID
    assert {service["serviceEndpoint"] for service in document["service"]} == {HOLD_URL}

with subtest("the state is closed to others"):
    assert machine.succeed("stat -L -c %a /var/lib/atcr-hold").strip() == "700"
    machine.fail("setpriv --reuid=65534 --regid=65534 --clear-groups ls /var/lib/atcr-hold/")

with subtest("a hold that was killed comes back, with the same key"):
    machine.succeed(f"kill -KILL {shown('MainPID')}")
    machine.wait_until_succeeds("systemctl show --value -p NRestarts atcr-hold.service | grep -qx 1")
    assert expect(get("/.well-known/did.json"), 200) == document

with subtest("a hold that hangs is restarted by the watchdog"):
    machine.succeed(f"kill -STOP {shown('MainPID')}")
    machine.wait_until_succeeds("systemctl show --value -p NRestarts atcr-hold.service | grep -qx 2", timeout=120)
    healthy()

with subtest("it stops cleanly, and the next connection starts it again"):
    machine.succeed("systemctl stop atcr-hold.service")
    assert shown("Result") == "success"
    assert shown("ExecMainStatus") == "0"
    healthy()

with subtest("a wrong configuration stops it with 78, and it is not tried again"):
    machine.succeed("mkdir -p /run/systemd/system/atcr-hold.service.d")
    machine.succeed(
        "printf '[Service]\\nEnvironment=HOLD_OWNER=nobody\\n' > /run/systemd/system/atcr-hold.service.d/wrong.conf"
    )
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", "systemctl daemon-reload")
    machine.fail("systemctl start atcr-hold.service")
    assert shown("ExecMainStatus") == "78"
    assert shown("NRestarts") == "0"
    machine.succeed("journalctl --sync", "journalctl -u atcr-hold.service | grep 'owner (HOLD_OWNER)' > /dev/null")

with subtest("a right one starts it"):
    machine.succeed("rm /run/systemd/system/atcr-hold.service.d/wrong.conf", "systemctl daemon-reload")
    machine.succeed("systemctl reset-failed atcr-hold.service atcr-hold.socket", "systemctl start atcr-hold.socket")
    healthy()
