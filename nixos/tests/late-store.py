KEY_ID = "GK" + "ab" * 12
SECRET = "5ec2e7" + "c4" * 29
GARAGE = "garage -c /etc/garage.toml"

begin()
machine.wait_for_unit("garage.service")
machine.wait_for_open_port(3900)
machine.wait_until_succeeds(f"{GARAGE} status")
node = machine.succeed(f"{GARAGE} node id -q").split("@")[0].strip()
machine.succeed(
    f"{GARAGE} layout assign -z test -c 1G {node}",
    f"{GARAGE} layout apply --version 1",
    f"{GARAGE} key import --yes -n hold {KEY_ID} {SECRET}",
    f"{GARAGE} bucket create layers",
    f"{GARAGE} bucket allow --read --write layers --key {KEY_ID}",
    "mkdir -p /run/keys",
    f"(umask 077; echo {KEY_ID} > /run/keys/s3-access-key-id; echo {SECRET} > /run/keys/s3-secret-access-key)",
)

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
