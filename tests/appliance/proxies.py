# A Debian machine without the module, and before its hold the two reverse proxies of the manual's page, as they stand there.
HTTP_PART, LOCATION, HAPROXY = PROXIES
INSTALL = STEPS[0]
CONFIG = "/etc/atcr-hold/config.toml"
GZIP = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0;"
COMPRESSION = "  compression algo gzip\n  compression type application/json application/octet-stream text/html\n"

captain.did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
machine.succeed("cd /root\n" + INSTALL)
machine.succeed(f"printf 'test_mode = true\\nidentity.plc_url = \"http://127.0.0.1:2582\"\\n' >> {CONFIG}")
machine.succeed("systemctl restart atcr-hold.service")
begin()
make_certificate()

write("/etc/nginx/conf.d/atcr-hold.conf", HTTP_PART)
TLS = "listen 443 ssl; listen [::]:443 ssl; ssl_certificate /run/tls/cert.pem; ssl_certificate_key /run/tls/key.pem;"
SITE_OF_NGINX = f"server {{\n{TLS}\nserver_name hold.example.org;\n{GZIP}\n{LOCATION}}}\n"
write("/etc/nginx/sites-enabled/hold", SITE_OF_NGINX)
machine.succeed("nginx -t 2>&1", "systemctl restart nginx.service")
machine.wait_for_open_port(443)
url = nginx_passes()
with subtest("nginx compresses JSON, and makes the part's entity tag a weak one"):
    assert outside_head(f"--compressed {HOLD_URL}/xrpc/_health").get("content-encoding") == "gzip"
    assert push_outside(captain, "/tmp/layer", make_layer("/tmp/layer", 100_000)).startswith('W/"')
with subtest("nginx that does not listen to the hold would write the download to its disk"):
    deaf = SITE_OF_NGINX.replace("proxy_http_version", "proxy_ignore_headers X-Accel-Buffering; proxy_http_version")
    write("/etc/nginx/sites-enabled/hold", deaf)
    machine.succeed("systemctl restart nginx.service")
    assert nginx_spools(url)

machine.succeed("systemctl stop nginx.service", "cat /run/tls/cert.pem /run/tls/key.pem > /etc/haproxy/hold.pem")
write("/etc/haproxy/haproxy.cfg", HAPROXY.replace("  default_backend", COMPRESSION + "  default_backend"))
machine.succeed("cd /; haproxy -c -f /etc/haproxy/haproxy.cfg 2>&1", "systemctl restart haproxy.service")
machine.wait_for_open_port(443)
bounds("HAProxy", passes("HAProxy"))
with subtest("HAProxy compresses the page, and leaves JSON as it is"):
    assert outside_head(f"--compressed {HOLD_URL}/").get("content-encoding") == "gzip"
    assert "content-encoding" not in outside_head(f"--compressed {HOLD_URL}/xrpc/_health")
    assert push_outside(captain, "/tmp/layer", make_layer("/tmp/layer", 100_000)).startswith('"')
