begin()
machine.wait_for_unit("atcr-hold.service")
DROP_INS = "/run/systemd/system"


def probe(command: str) -> int:
    """Runs a command in the hold's own sandbox, under another name; its exit code."""
    shell = machine.succeed("readlink -f $(command -v bash)").strip()
    machine.succeed("cp -L $(systemctl show --value -p FragmentPath atcr-hold.service) /tmp/probe.unit")
    # The directives of the sandbox stay; what makes it the hold goes.
    machine.succeed(
        "grep -vE '^(ExecStart|Type|NotifyAccess|WatchdogSec|Restart.*|Requires|After|Wants|WantedBy|LoadCredential"
        "|StateDirectory|RuntimeDirectory|WorkingDirectory|Environment|X-.*)=' /tmp/probe.unit"
        f" > {DROP_INS}/probe.service"
    )
    path = machine.succeed("echo $PATH").strip()
    machine.succeed(
        f"mkdir -p {DROP_INS}/probe.service.d",
        f"printf '[Service]\\nType=oneshot\\nStateDirectory=probe\\nEnvironment=PATH={path}\\n"
        f"ExecStart={shell} /tmp-probe.sh\\n' > {DROP_INS}/probe.service.d/run.conf",
        f"cat > /tmp-probe.sh <<'END'\n{command}\nEND",
        "systemctl daemon-reload",
    )
    machine.execute("systemctl reset-failed probe.service")
    machine.execute("systemctl start probe.service")
    return int(machine.succeed("systemctl show --value -p ExecMainStatus probe.service"))


def refused(command: str) -> None:
    """Outside, root may do it; inside, the hold may not."""
    machine.succeed(command)
    assert probe(command) != 0, f"the sandbox let this pass: {command}"


with subtest("systemd finds little to say against the unit: 1.1 of 10, and not 0.1"):
    machine.succeed("systemd-analyze security --threshold=11 atcr-hold.service > /dev/null")
    machine.fail("systemd-analyze security --threshold=1 atcr-hold.service > /dev/null")

with subtest("it may write its own state"):
    assert probe("touch $STATE_DIRECTORY/file") == 0

with subtest("it may not write the system's"):
    refused("touch /etc/probe")

with subtest("it may not see other processes"):
    refused("test -r /proc/1/environ && cat /proc/1/environ > /dev/null")

with subtest("it may not see people's files"):
    machine.succeed("mkdir -p /root/people")
    refused("test -d /root/people")

with subtest("it may reach a server of this machine, and not the cloud's metadata address"):
    machine.succeed("ip address add 169.254.169.254/32 dev lo")
    machine.succeed("systemd-run --unit=metadata $(command -v python3) -m http.server --bind 169.254.169.254 80 2>&1")
    machine.wait_until_succeeds("curl -s http://169.254.169.254/")
    assert probe("exec 3<> /dev/tcp/127.0.0.1/2582") == 0
    refused("exec 3<> /dev/tcp/169.254.169.254/80")

with subtest("it may make no namespace and mount nothing"):
    refused("unshare --mount true")
    refused("mount -t tmpfs none /mnt && umount /mnt")

with subtest("it may not become another user, nor set the clock"):
    refused("setpriv --reuid=65534 true")
    refused("date -s @$(date +%s)")

with subtest("it needs none of the calls that are refused: a whole upload with death as the answer to any"):
    machine.succeed(
        f"mkdir -p {DROP_INS}/atcr-hold.service.d",
        f"printf '[Service]\\nSystemCallErrorNumber=kill\\n' > {DROP_INS}/atcr-hold.service.d/kill.conf",
        "systemctl daemon-reload",
        "systemctl restart atcr-hold.service",
    )
    process = shown("MainPID")
    digest = make_layer("/tmp/layer", 3_000_000)
    push(captain, "/tmp/layer", digest)
    pull(captain, digest)
    expect(initiate(stranger), 403)
    assert shown("MainPID") == process
    machine.succeed("systemctl restart atcr-hold.service")
    assert shown("Result") == "success"
    machine.fail("journalctl -u atcr-hold.service | grep -E 'SIGSYS|status=31'")
