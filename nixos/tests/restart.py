RESTARTS = 100

# Pushes, pulls and asks for health until told to stop, by both sockets, each request on a connection of its own. What
# fails is tried once more. It runs on the machine, so that nothing stands between it and the sockets.
LOAD = r'''
import hashlib, http.client, json, os, socket, sys, threading, time

class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/run/atcr-hold.sock")

token = open("/tmp/load.token").read().strip()
count = {"requests": 0, "refused": 0, "retried": 0, "failed": 0, "blobs": 0, "wrong": 0}
lock = threading.Lock()

def add(name):
    with lock:
        count[name] += 1

def once(kind, method, path, body, headers):
    connection = kind("127.0.0.1", 8080, timeout=60)
    try:
        try:
            connection.connect()
        except OSError as error:
            add("refused")
            raise
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()

def call(kind, method, path, body=None, authorized=True):
    headers = {"Authorization": "Bearer " + token} if authorized else {}
    if isinstance(body, dict):
        body = json.dumps(body)
        headers["Content-Type"] = "application/json"
    add("requests")
    for attempt in (1, 2):
        try:
            answer = once(kind, method, path, body, headers)
            if answer[0] < 500:
                return answer
            problem = answer
        except (OSError, http.client.HTTPException) as error:
            problem = error
        if attempt == 1:
            add("retried")
    add("failed")
    print(method, path.split("?")[0], repr(problem)[:200], flush=True)
    raise RuntimeError("twice")

def local(url):
    return "/" + url.split("/", 3)[3]

def push(kind):
    data = os.urandom(60_000)
    xrpc = "/xrpc/io.atcr.hold."
    upload = json.loads(call(kind, "POST", xrpc + "initiateUpload", {"digest": "uploads/temp-1"})[2])["uploadId"]
    parts = []
    for number, part in ((1, data[:40_000]), (2, data[40_000:])):
        given = call(kind, "POST", xrpc + "getPartUploadUrl", {"uploadId": upload, "partNumber": number})
        sent = call(kind, "PUT", local(json.loads(given[2])["url"]), part, authorized=False)
        parts.append({"partNumber": number, "etag": json.loads(sent[2])["etag"]})
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    done = call(kind, "POST", xrpc + "completeUpload", {"uploadId": upload, "digest": digest, "parts": parts})
    url = call(kind, "GET", "/xrpc/com.atproto.sync.getBlob?did=did:web:hold.example.org&cid=" + digest)
    got = call(kind, "GET", local(json.loads(url[2])["url"]), authorized=False)
    add("blobs" if done[0] == 200 and got[2] == data else "wrong")

def health(kind):
    add("wrong" if call(kind, "GET", "/xrpc/_health", authorized=False)[0] != 200 else "requests")

def repeat(work, kind):
    while not os.path.exists("/tmp/load.stop"):
        try:
            work(kind)
        except RuntimeError:
            pass
        except (KeyError, ValueError) as error:
            add("wrong")
            print(work.__name__, repr(error), flush=True)
        time.sleep(0.005)

kinds = (Unix, http.client.HTTPConnection)
threads = [threading.Thread(target=repeat, args=(work, kind)) for work in (push, health) for kind in kinds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open("/tmp/load.json", "w") as file:
    json.dump(count, file)
'''

begin()
machine.wait_for_unit("atcr-hold.service")
machine.wait_for_open_port(8080)


def restart() -> None:
    # By hand it may be restarted as often as one likes.
    machine.succeed("systemctl reset-failed atcr-hold.service", "systemctl restart atcr-hold.service")


with subtest("a part on its way is finished before the old process ends, and its upload goes on in the new one"):
    make_layer("/tmp/slow1", 800_000)
    make_layer("/tmp/slow2", 1_000)
    digest = "sha256:" + machine.succeed("cat /tmp/slow1 /tmp/slow2 | sha256sum").split()[0]
    upload = expect(initiate(captain), 200)["uploadId"]
    body = {"uploadId": upload, "partNumber": 1}
    url = expect(post("io.atcr.hold.getPartUploadUrl", captain.token(), body), 200)["url"]
    before = shown("MainPID")
    machine.succeed(
        "systemd-run --quiet --unit=slow --property=RemainAfterExit=yes sh -c "
        f"\"$(command -v curl) -s -f --limit-rate 200k -T /tmp/slow1 --unix-socket {SOCKET} {local(url)} > /tmp/slow.json\""
    )
    machine.wait_until_succeeds(f"test -s /var/lib/atcr-hold/blobs/uploads/{upload}/main")
    restart()
    machine.wait_until_succeeds("systemctl show --value -p SubState slow.service | grep -qx exited")
    assert shown("MainPID") != before
    first = json.loads(machine.succeed("cat /tmp/slow.json"))["etag"]
    second = send_part(captain, upload, 2, "/tmp/slow2")
    expect(complete(captain, upload, digest, [first, second]), 200, "completed")
    pull(captain, digest)

with subtest("a hundred restarts under load refuse no connection, and fail no request twice"):
    now = machine_time()
    token = captain.token(exp=now + 3500)
    machine.succeed(f"echo '{token}' > /tmp/load.token")
    program = base64.b64encode(LOAD.encode()).decode()
    machine.succeed(f"echo {program} | base64 -d > /tmp/load.py")
    machine.succeed("systemd-run --quiet --unit=load sh -c \"$(command -v python3) /tmp/load.py > /tmp/load.log 2>&1\"")
    for _ in range(RESTARTS):
        restart()
    machine.succeed("touch /tmp/load.stop")
    machine.wait_until_succeeds("test -s /tmp/load.json")
    load = json.loads(machine.succeed("cat /tmp/load.json"))
    print(f"  {RESTARTS} restarts: {load}")
    assert load["refused"] == 0 and load["failed"] == 0 and load["wrong"] == 0, machine.succeed("cat /tmp/load.log")
    assert load["blobs"] >= RESTARTS / 2 and load["requests"] >= 10 * RESTARTS, "there was no load to speak of"

with subtest("without its socket it would refuse them"):
    machine.succeed("systemctl stop atcr-hold.socket atcr-hold.service")
    expect(curl("http://127.0.0.1:8080/xrpc/_health", None), 0)
    machine.succeed("systemctl start atcr-hold.socket")
    healthy()
