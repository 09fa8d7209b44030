UPLOADS = 12
CGROUP = "/sys/fs/cgroup/system.slice/atcr-hold.service"

begin()
machine.wait_for_unit("atcr-hold.service")
# A container may be given no say over memory by the kernel around it.
bounded = "memory" in machine.succeed("cat /sys/fs/cgroup/cgroup.controllers").split()
if not bounded:
    print("skipped: limits of memory and tasks: this machine has no controllers for them")

with subtest("it may open as many files as its connections need"):
    assert machine.succeed(f"grep 'Max open files' /proc/{shown('MainPID')}/limits").split()[3:5] == ["16384", "16384"]
    assert machine.succeed(f"grep 'Max core file' /proc/{shown('MainPID')}/limits").split()[4] == "0"

if bounded:
    with subtest("the kernel knows the bounds on memory and tasks"):
        assert machine.succeed(f"cat {CGROUP}/memory.max").strip() == str(1 << 30)
        assert machine.succeed(f"cat {CGROUP}/pids.max").strip() == "256"

    with subtest("and keeps to such a bound: who takes more is ended"):
        take = "$(command -v python3) -c 'print(len(bytearray(200 << 20)))'"
        run = "systemd-run --quiet --wait --pipe -p MemorySwapMax=0"
        machine.succeed(f"{run} -p MemoryMax=1G {take} < /dev/null")
        machine.fail(f"{run} -p MemoryMax=64M {take} < /dev/null")

    with subtest("a sixteenth of the memory is enough for uploads that are larger together"):
        machine.succeed(
            "mkdir -p /run/systemd/system/atcr-hold.service.d",
            "printf '[Service]\\nMemoryMax=64M\\nMemorySwapMax=0\\n' > /run/systemd/system/atcr-hold.service.d/small.conf",
            "systemctl daemon-reload",
            "systemctl restart atcr-hold.service",
        )
        digest = make_layer("/tmp/layer", 8_000_000)
        uploads = [expect(initiate(captain), 200)["uploadId"] for _ in range(UPLOADS)]
        token = captain.token()
        bodies = [{"uploadId": upload, "partNumber": 1} for upload in uploads]
        urls = [expect(post("io.atcr.hold.getPartUploadUrl", token, body), 200)["url"] for body in bodies]
        machine.succeed("cat > /tmp/urls <<'END'\n" + "".join(f"{local(url)}\n" for url in urls) + "END")
        put = f"curl -s -f -T /tmp/layer --unix-socket {SOCKET} -o /dev/null -w '%{{http_code}}\\n'"
        codes = machine.succeed(f"xargs -P {UPLOADS} -n 1 {put} < /tmp/urls").split()
        assert codes == ["200"] * UPLOADS, codes
        print(f"  peak: {int(machine.succeed(f'cat {CGROUP}/memory.peak')) >> 20} MiB, page cache included")
        assert "oom_kill 0" in machine.succeed(f"cat {CGROUP}/memory.events")
        assert shown("NRestarts") == "0"
