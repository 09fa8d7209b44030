SYSTEM = "/run/current-system"
METRICS = "http://127.0.0.1:9464/metrics"
base = machine.succeed(f"readlink -f {SYSTEM}").strip()


def switch(name: str = "") -> None:
    """To a specialisation, or back."""
    place = f"{base}/specialisation/{name}" if name else base
    machine.succeed(f"{place}/bin/switch-to-configuration test 2>&1", timeout=120)


def owner() -> str:
    return machine.succeed(f"stat -c '%U:%G %a' {SOCKET}").strip()


def elsewhere() -> None:
    """It listens on nothing that it was not given."""
    listening = machine.succeed("cat /proc/net/tcp /proc/net/tcp6")
    assert f":{8080:04X} " not in listening, listening


begin()
machine.wait_for_unit("atcr-hold.service")
machine.wait_for_unit("atcr-hold-sockets.service")
healthy()

with subtest("another stream is listened on, and the old one is not"):
    switch("stream")
    expect(curl("http://127.0.0.1:8081/xrpc/_health", None), 200, "version")
    assert get("/xrpc/_health")[0] == 0
    elsewhere()
    switch()
    healthy()
    assert curl("http://127.0.0.1:8081/xrpc/_health", None)[0] == 0

with subtest("another group owns the socket"):
    assert owner() == "root:root 660", owner()
    switch("group")
    assert owner() == "root:caddy 660", owner()
    healthy()
    switch()
    assert owner() == "root:root 660", owner()

with subtest("nginx that is enabled later reaches the hold at once; without it the socket is root's again"):
    make_certificate()
    switch("proxy")
    machine.wait_for_open_port(443)
    expect(outside(f"{HOLD_URL}/xrpc/_health"), 200, "version")
    switch()
    assert owner() == "root:root 660", owner()
    healthy()

with subtest("metrics that are enabled later are given, and then no more"):
    switch("watched")
    expect(curl(METRICS, None), 200, "atcr_hold_build_info{")
    healthy()
    switch()
    assert curl(METRICS, None)[0] == 0
    healthy()

with subtest("a switch that changes no socket leaves them alone, and the process too"):
    since = machine.succeed("systemctl show --value -p ActiveEnterTimestampMonotonic atcr-hold.socket")
    process = shown("MainPID")
    switch("rate")
    assert machine.succeed("systemctl show --value -p ActiveEnterTimestampMonotonic atcr-hold.socket") == since
    assert shown("MainPID") == process
    switch()

with subtest("a stopped hold stays stopped while its sockets change, until somebody connects"):
    machine.succeed("systemctl stop atcr-hold.service")
    machine.succeed("systemctl reload atcr-hold-sockets.service")
    assert shown("ActiveState") == "inactive"
    healthy()

with subtest("without its sockets it refuses to start, in a sentence, and listens nowhere"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service")
    command = machine.succeed("systemctl show --value -p ExecStart atcr-hold.service").split("argv[]=")[1].split(" ;")[0]
    status, said = machine.execute(f"{command} 2>&1")
    assert status == 78 and "start atcr-hold.socket" in said, (status, said)
    elsewhere()
    machine.succeed("systemctl start atcr-hold.socket")
    healthy()
