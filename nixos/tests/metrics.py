METRICS = "http://127.0.0.1:9464"

begin()

with subtest("a scrape is answered, by a hold that it starts"):
    assert shown("ActiveState") == "inactive"
    page = expect(curl(METRICS + "/metrics", None), 200, "atcr_hold_build_info{")
    assert shown("ActiveState") == "active"

with subtest("in its sandbox the process still sees itself, and its disks"):
    for name in ("process_resident_memory_bytes", "process_open_fds", 'atcr_hold_filesystem_free_bytes{of=\\"blobs\\"}'):
        value = json.dumps(page).split(f"\\n{name} ")[1].split("\\n")[0]
        assert float(value) > 0, f"{name} {value}"

with subtest("nothing else is there, and no metrics where requests go"):
    expect(curl(METRICS + "/xrpc/_health", None), 404)
    expect(get("/metrics"), 404)
    healthy()

with subtest("a restart keeps both sockets"):
    machine.succeed("systemctl restart atcr-hold.service")
    expect(curl(METRICS + "/metrics", None), 200, "atcr_hold_build_info{")
    healthy()
