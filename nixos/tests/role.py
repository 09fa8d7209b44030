# What a cloud has at link-local addresses: name servers, for which every name is this machine's, and a service that hands
# the keys of the machine's role to whoever asks.
CLOUD = r'''
import http.server, json, socket, sys, threading

METADATA, KEY_ID, SECRET, *NAME_SERVERS = sys.argv[1:]

def serve_names(address):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        question, client = server.recvfrom(512)
        end = question.index(0, 12) + 5
        is_a = question[end - 4:end - 2] == b"\0\1"
        head = question[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + bytes(4)
        answer = b"\xc0\x0c\0\1\0\1" + b"\0\0\0\x3c\0\4" + b"\x7f\0\0\1" if is_a else b""
        server.sendto(head + question[12:end] + answer, client)

class Metadata(http.server.BaseHTTPRequestHandler):
    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.say("session")

    def do_GET(self):
        if self.path.endswith("/security-credentials/"):
            return self.say("hold")
        keys = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Token": "session"}
        self.say(json.dumps({**keys, "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2126-01-01T00:00:00Z"}))

for address in NAME_SERVERS:
    threading.Thread(target=serve_names, args=(address,), daemon=True).start()
http.server.ThreadingHTTPServer((METADATA, 80), Metadata).serve_forever()
'''
METADATA, RESOLVER, OTHER = "169.254.169.254", "169.254.169.253", "169.254.7.7"
DROPIN = "/run/systemd/system/atcr-hold.service.d"


def restart(resolver: str, sandbox: str = "") -> None:
    """Starts the hold anew, with this name server and these lines about its sandbox."""
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service", "rm -f /etc/resolv.conf")
    machine.succeed(f"mkdir -p {DROPIN}; printf '[Service]\\n{sandbox}\\n' > {DROPIN}/addresses.conf")
    machine.succeed(f"echo nameserver {resolver} > /etc/resolv.conf", "systemctl daemon-reload")
    machine.succeed("systemctl start atcr-hold.socket", "systemctl start --no-block atcr-hold.service")


def waits_for(words: str) -> None:
    """The hold waits to start, and its status says why."""
    machine.wait_until_succeeds(f"systemctl show -p StatusText atcr-hold.service | grep 'waiting to start.*{words}'", timeout=180)
    assert shown("ActiveState") == "activating", shown("ActiveState")


begin()
make_bucket()
machine.succeed(*(f"ip address replace {address}/32 dev lo" for address in (METADATA, RESOLVER, OTHER)))
program = base64.b64encode(CLOUD.encode()).decode()
machine.succeed(
    f"echo {program} | base64 -d > /run/cloud.py",
    "systemd-run --quiet --unit=cloud $(command -v python3) /run/cloud.py"
    f" {METADATA} {S3_KEY_ID} {S3_SECRET} {RESOLVER} {OTHER}",
)
machine.wait_until_succeeds(f"curl -sf http://{METADATA}/latest/meta-data/iam/security-credentials/")
# A kernel without the programs that do it (BPF) lets everything through, which systemd says in its log only.
inside = "systemd-run --quiet --wait --pipe -p IPAddressDeny=link-local $(command -v curl) -s -m 5 -o /dev/null"
enforced = machine.execute(f"{inside} http://{METADATA}/ < /dev/null")[0] != 0
if not enforced:
    print("skipped: what the sandbox denies by address: this machine's kernel does not enforce IPAddressDeny")

with subtest("by the role of its machine the hold has its bucket: name server and metadata service are let through"):
    restart(RESOLVER)
    healthy()
    digest = make_layer("/tmp/layer", 1_000_000)
    push(captain, "/tmp/layer", digest)
    pull(captain, digest)

if enforced:
    with subtest("another name server on the link is cut off: the status and the log name it"):
        restart(OTHER)
        waits_for(f"the name server {OTHER} is link-local: does the service.s sandbox let it through")
        machine.succeed("journalctl --sync", f"journalctl -u atcr-hold.service -o cat | grep 'name server {OTHER} is link-local'")

    with subtest("once the operator lets it through, the start goes on"):
        restart(OTHER, f"IPAddressAllow={OTHER}")
        healthy()
        pull(captain, digest)

    with subtest("without the exception for a role the metadata service is cut off: the log names the sandbox"):
        restart(RESOLVER, f"IPAddressAllow=\\nIPAddressAllow={RESOLVER}")
        machine.wait_until_succeeds(
            "journalctl -u atcr-hold.service -o cat | grep 'provider of credentials gives no answer.*IPAddressDeny'", timeout=180
        )
        waits_for("")

    with subtest("with the unit as it is, all is well again"):
        restart(RESOLVER)
        healthy()
        pull(captain, digest)
