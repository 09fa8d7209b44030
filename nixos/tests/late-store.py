begin()
make_bucket()

with subtest("without its store the hold waits, and says for what"):
    machine.succeed("systemctl stop garage.service")
    machine.succeed(
        f"(curl -s --max-time 180 -o /dev/null -w '%{{http_code}}' --unix-socket {SOCKET} "
        "http://hold/xrpc/_health > /tmp/code) > /dev/null 2>&1 &"
    )
    machine.wait_until_succeeds("systemctl show -p StatusText atcr-hold.service | grep 'waiting to start'")
    assert shown("ActiveState") == "activating", shown("ActiveState")

with subtest("60 seconds later the store is there, and the request that waited is answered"):
    time.sleep(60)
    assert shown("ActiveState") == "activating" and shown("NRestarts") == "0"
    machine.succeed("systemctl is-active atcr-hold.socket", "systemctl start garage.service")
    machine.wait_until_succeeds("grep -qx 200 /tmp/code", timeout=60)
    healthy()
    assert shown("NRestarts") == "0"

with subtest("a store that goes away while the hold runs is in its status until it is back; the rest goes on"):
    machine.succeed("systemctl stop garage.service")
    machine.wait_until_succeeds(
        "systemctl show -p StatusText atcr-hold.service | grep 'the storage does not answer: '", timeout=240
    )
    healthy()
    machine.succeed("systemctl start garage.service")
    machine.wait_until_fails("systemctl show -p StatusText atcr-hold.service | grep 'does not answer'", timeout=240)

with subtest("a service that fails again and again takes no socket with it"):
    machine.succeed("mkdir -p /run/systemd/system/atcr-hold.service.d")
    machine.succeed(
        "printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > /run/systemd/system/atcr-hold.service.d/wrong.conf",
        "systemctl stop atcr-hold.service",
        "systemctl daemon-reload",
    )
    for _ in range(8):
        curl("--max-time 2 http://hold/xrpc/_health")
    machine.succeed("systemctl is-active atcr-hold.socket")
    machine.succeed("rm /run/systemd/system/atcr-hold.service.d/wrong.conf", "systemctl daemon-reload")
    machine.wait_until_succeeds(
        f"curl -s -f --max-time 20 --unix-socket {SOCKET} http://hold/xrpc/_health", timeout=120
    )
