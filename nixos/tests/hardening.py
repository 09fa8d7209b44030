# One line a probe: what is tried, and whether it worked. The same sandbox, another program in it.
PROBE = r'''
import ctypes, mmap, os, socket, time

libc = ctypes.CDLL(None, use_errno=True)

def connect(host, port):
    with socket.create_connection((host, port), timeout=5):
        pass

def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)

def write(path):
    with open(path, "w"):
        pass

def set_user_id(path):
    write(path)
    os.chmod(path, 0o4755)

def others():
    if not any(name.isdigit() and int(name) not in (os.getpid(), os.getppid()) for name in os.listdir("/proc")):
        raise OSError("no other process is to be seen")

state = os.environ["STATE_DIRECTORY"]
probes = {
    "write its state": lambda: write(state + "/probe"),
    "connect to the directory of accounts": lambda: connect("127.0.0.1", 2582),
    "read its own environment": lambda: open("/proc/self/environ").read(),
    "write /etc": lambda: write("/etc/probe"),
    "write /usr": lambda: write("/usr/probe"),
    "write /": lambda: write("/probe"),
    "read the root user's files": lambda: os.listdir("/root"),
    "read another service's state": lambda: os.listdir("/var/lib/private/atcr-hold"),
    "connect to Amazon's resolver": lambda: connect("169.254.169.253", 80),
    "connect to a router": lambda: connect("fe80::253%lo", 80),
    "connect to 169.254.169.254": lambda: connect("169.254.169.254", 80),
    "connect to 169.254.170.2": lambda: connect("169.254.170.2", 80),
    "connect to 169.254.7.7": lambda: connect("169.254.7.7", 80),
    "read /proc/1/environ": lambda: open("/proc/1/environ").read(),
    "see other processes": others,
    "read /proc/kallsyms": lambda: open("/proc/kallsyms").read(1),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "make a user namespace": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "become root": lambda: os.setuid(0),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "raise its priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
    "make memory both writable and executable": lambda: mmap.mmap(-1, 4096, prot=7).close(),
    "make a set-uid file": lambda: set_user_id(state + "/set-uid"),
    "change its execution domain": lambda: call("personality", 8),
    "open a disk": lambda: os.close(os.open("/dev/nvme0n1", os.O_RDONLY)),
}
for name, probe in probes.items():
    try:
        probe()
        print(name + ": done")
    except Exception as error:
        print(f"{name}: refused: {error}")
'''
ALLOWED = {"write its state", "connect to the directory of accounts", "read its own environment"}
# Name servers may be there.
ALLOWED |= {"connect to Amazon's resolver", "connect to a router"}
UNIT = "/run/systemd/system/probe.service"

begin()
machine.wait_for_unit("atcr-hold.service")

with subtest("systemd rates its exposure at 1.1 or less"):
    report = machine.succeed("systemd-analyze security --no-pager --threshold=11 atcr-hold.service")
    print("  " + report.strip().splitlines()[-1].strip())
    machine.fail("systemd-analyze security --no-pager --threshold=11 plc.service")

with subtest("its state is nobody else's, and its credentials are not in its environment"):
    assert machine.succeed("stat -L -c %a /var/lib/atcr-hold").strip() == "700"
    assert machine.succeed("stat -L -c %a /var/lib/atcr-hold/hold.db").strip() == "600"
    assert machine.succeed("stat -L -c %a /var/lib/atcr-hold/keys/signing.key").strip() == "600"

# What clouds have on the link: a metadata service, two kinds of it, to be refused; a name server.
for number, address in enumerate(["169.254.169.254", "169.254.170.2", "169.254.7.7", "169.254.169.253"]):
    machine.succeed(f"ip address add {address}/32 dev lo")
    machine.succeed(f"systemd-run --quiet --unit=link{number} $(command -v python3) -m http.server --bind {address} 80")
    machine.wait_until_succeeds(f"curl -s http://{address}/")
machine.succeed("ip address add fe80::253/64 dev lo nodad")
machine.succeed("systemd-run --quiet --unit=router $(command -v python3) -m http.server --bind fe80::253%lo 80")
machine.wait_until_succeeds("curl -s 'http://[fe80::253%lo]/'")

with subtest("from inside its sandbox, what it needs can be done, and nothing else"):
    program = base64.b64encode(PROBE.encode()).decode()
    python = machine.succeed("command -v python3").strip()
    machine.succeed(f"echo {program} | base64 -d > /run/probe.py", "chmod 644 /run/probe.py")
    # The hold's own unit, with another program, and a state directory of its own.
    drop = "Type|Exec.*|WatchdogSec|Restart.*|NotifyAccess|LoadCredential|StateDirectory|RuntimeDirectory|Requires|WantedBy"
    machine.succeed(
        f"systemctl cat atcr-hold.service | sed -E '/^#|^({drop})=/d' > {UNIT}",
        f"printf '[Service]\\nType=oneshot\\nStateDirectory=probe\\nExecStart={python} /run/probe.py\\n' >> {UNIT}",
        # The journal does not know whose lines they are when it reads them after the program's end.
        f"printf 'StandardOutput=truncate:/run/probe.told\\n' >> {UNIT}",
        "systemctl daemon-reload",
        "systemctl start probe.service",
    )
    told = machine.succeed("cat /run/probe.told")
    outcome = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    assert len(outcome) >= 20, told
    wrong = {name: result for name, result in outcome.items() if (result == "done") != (name in ALLOWED)}
    assert not wrong, wrong

with subtest("the same program outside of it is refused much less"):
    told = machine.succeed("STATE_DIRECTORY=/tmp python3 /run/probe.py; rm -f /etc/probe /usr/probe /probe")
    assert "connect to 169.254.169.254: done" in told and "read /proc/1/environ: done" in told, told
    assert told.count(": done") >= len(ALLOWED) + 10, told

with subtest("no refused system call is ever made: with a filter that kills, everything still works"):
    dropin = "/run/systemd/system/atcr-hold.service.d"
    machine.succeed(
        f"mkdir -p {dropin}; printf '[Service]\\nSystemCallErrorNumber=kill\\n' > {dropin}/kill.conf",
        "systemctl daemon-reload",
        "systemctl restart atcr-hold.service",
    )
    layer = make_layer("/tmp/layer", 3_000_000)
    for account, status in ((captain, 200), (alice, 403)):
        expect(initiate(account), status)
    push(captain, "/tmp/layer", layer)
    pull(captain, layer)
    member = {"$type": "io.atcr.hold.crew", "member": alice.did, "role": "mate", "permissions": ["blob:write"]}
    record = {"repo": HOLD_DID, "collection": "io.atcr.hold.crew", "record": {**member, "addedAt": "2026-01-01T00:00:00Z"}}
    expect(post("com.atproto.repo.createRecord", captain.token(), record), 200)
    expect(initiate(alice), 200)
    expect(get("/xrpc/com.atproto.sync.getRepo?did=" + HOLD_DID), 200)
    process = shown("MainPID")
    machine.succeed("systemctl reload atcr-hold.service")
    healthy()
    assert shown("MainPID") == process and shown("NRestarts") == "0"
    machine.succeed("systemctl restart atcr-hold.service")
    healthy()

with subtest("and the journal knows of none"):
    machine.succeed("journalctl --sync")
    machine.fail("journalctl -b --no-pager | grep -E 'status=31/SYS|type=1326'")
