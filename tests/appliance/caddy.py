# A Debian machine without the module: hold and front end as their manuals install them, and before them Caddy, as these have it.
BEFORE_HOLD, BEFORE_BOTH, BEFORE_REGISTRY = CADDYFILES
REGISTRY = "registry.example.org"
CONFIG = "/etc/atcr-hold/config.toml"
REGISTRY_CONFIG = "/etc/atcr-appview/config.toml"
RESTART = "systemctl restart atcr-hold.service atcr-appview.service"


def caddy(*sites: str) -> None:
    """Has Caddy serve these, by the test's certificate."""
    write("/etc/caddy/Caddyfile", "".join(sites).replace(".org {\n", ".org {\n  tls /run/tls/cert.pem /run/tls/key.pem\n"))
    machine.succeed("caddy validate --config /etc/caddy/Caddyfile 2>&1", "systemctl restart caddy.service")
    machine.wait_for_open_port(443)


def image_passes(image: str) -> None:
    """Pushed by its owner, pulled by anybody; a stranger's push is refused."""
    digest = make_image(3_000_000)
    machine.fail(push_image(image))
    machine.succeed(push_image(image, "alice.example.org:app-alice"))
    assert pull_image(image) == digest


def asked(host: str, extra: str = "") -> dict[str, str]:
    """The head of an answer of the front end's to a client of another address."""
    return outside_head(f"--resolve {REGISTRY}:443:127.0.0.1 --interface 127.0.0.9 {extra} https://{host}/v2/")


LIE = "-H 'X-Forwarded-For: 192.0.2.66'"
captain.did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
for account in (alice, bob):
    account.handle, account.pds = account.name + ".example.org", "http://localhost:2583"

machine.succeed("cd /root\n" + STEPS[0], "cd /root\n" + REGISTRY_STEPS[0])
machine.succeed(*(f"{program} systemd-units --group caddy --directory /etc/systemd/system --force"
                  for program in ("atcr-hold", "atcr-appview")))
write("/etc/systemd/system/atcr-appview.service.d/authority.conf", "[Service]\nEnvironment=SSL_CERT_FILE=/run/tls/ca.pem\n")
machine.succeed(
    f"printf 'public = true\\ntest_mode = true\\nidentity.plc_url = \"http://127.0.0.1:2582\"\\n' >> {CONFIG}",
    f"printf 'test_mode = true\\n[identity]\\nplc_url = \"http://127.0.0.1:2582\"\\n"
    f"handle_resolver_url = \"http://127.0.0.1:2583\"\\n' >> {REGISTRY_CONFIG}",
    # An address of the loopback device that is public: the front end asks holds at no other.
    "ip address replace 11.0.0.1/32 dev lo",
    f"echo 11.0.0.1 hold.example.org {REGISTRY} >> /etc/hosts",
)
make_certificate("hold.example.org", REGISTRY)
machine.succeed("systemctl daemon-reload", "systemctl restart atcr-hold.socket atcr-appview.socket", RESTART)
begin()
machine.wait_for_unit("pds.service")
machine.succeed(f"atcr-hold crew add {alice.did} --permission blob:write --config {CONFIG}")

caddy(BEFORE_HOLD, BEFORE_REGISTRY)
passes("Caddy")

with subtest("Caddy: an image goes through the front end and comes back"):
    image_passes(f"{REGISTRY}/alice.example.org/app:v1")

with subtest("Caddy: the front end's log has the client's address, whatever the client says that it is"):
    for header in ("", LIE):
        logged_as("127.0.0.9", asked(REGISTRY, header), "atcr-appview")

with subtest("Caddy has both on one name, and comes by an address to a front end that believes it"):
    write("/etc/systemd/system/atcr-appview.socket.d/address.conf", "[Socket]\nListenStream=127.0.0.1:5000\n")
    by_address = BEFORE_BOTH.replace("unix//run/atcr-appview.sock", "127.0.0.1:5000")
    assert by_address != BEFORE_BOTH
    caddy(by_address)
    machine.succeed(f"sed -i s/{REGISTRY}/hold.example.org/ {REGISTRY_CONFIG}", "systemctl daemon-reload",
                    "systemctl stop atcr-appview.service", "systemctl restart atcr-appview.socket", RESTART)
    # Until it is told to, it believes no address: the proxy's stands for everybody.
    logged_as("127.0.0.1", asked("hold.example.org"), "atcr-appview")
    machine.succeed(f"sed -i '1i server.trusted_proxies = [\"127.0.0.1\"]' {REGISTRY_CONFIG}", RESTART)
    for header in ("", LIE):
        logged_as("127.0.0.9", asked("hold.example.org", header), "atcr-appview")

passes("Caddy with both on one name")

with subtest("Caddy with both on one name: an image goes in and comes back, and people get the front end's pages"):
    image_passes("hold.example.org/alice.example.org/both:v1")
    expect(outside(f"{HOLD_URL}/.well-known/did.json"), 200, HOLD_DID)
    expect(outside(f"{HOLD_URL}/auth/oauth/login"), 200, "<title>Sign in")
    expect(outside(f"{HOLD_URL}/xrpc/io.atcr.appview.searchRepositories?q=both"), 200, '"repositories"')
