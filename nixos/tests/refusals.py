begin()
machine.wait_for_unit("atcr-hold.service")


def tried(token: str | None) -> Answer:
    return post("io.atcr.hold.initiateUpload", token, {"digest": "uploads/temp-1"})


now = machine_time()

with subtest("a right token is taken, with the method that it is for, or the registry's"):
    expect(tried(captain.token()), 200)
    expect(tried(captain.token(lxm="io.atcr.hold.initiateUpload")), 200)
    expect(tried(captain.token(lxm="com.atproto.repo.getRecord")), 200)
    expect(tried(captain.token(aud=HOLD_DID + "#atcr_hold")), 200)

with subtest("no token, and one that is none, are refused"):
    expect(tried(None), 401)
    expect(tried("a.b.c"), 401, "BadJwt")

with subtest("a token for another method is refused"):
    expect(tried(captain.token(lxm="com.atproto.server.getSession")), 401, "BadJwtLexiconMethod")

with subtest("a token for another hold is refused"):
    expect(tried(captain.token(aud="did:web:other.example.org")), 401, "BadJwtAudience")
    expect(tried(captain.token(aud=HOLD_DID + "#atproto_pds")), 401, "BadJwtAudience")

with subtest("a token that has expired, or lives for days, is refused"):
    expect(tried(captain.token(exp=now - 600, iat=now - 660)), 401, "JwtExpired")
    expect(tried(captain.token(exp=now + 86_400)), 401, "BadJwt")

with subtest("a token signed by somebody else's key is refused"):
    expect(tried(captain.token(key=stranger.key)), 401, "BadJwtSignature")

with subtest("a token without a signature is refused"):
    expect(tried(captain.token(header={"alg": "none"})), 401, "BadJwt")
    expect(tried(captain.token().rsplit(".", 1)[0] + "."), 401, "BadJwt")

with subtest("a token of an account that nobody knows is refused"):
    expect(tried(captain.token(iss="did:plc:" + "nobody".ljust(24, "a"))), 401, "BadJwtIss")

with subtest("an account that is known, and no crew, is refused otherwise: 403"):
    expect(tried(stranger.token()), 403, "user is not a crew member")

with subtest("a body, a path and a method that are wrong are refused as such"):
    expect(curl(f"-X DELETE {local(HOLD_URL + '/xrpc/_health')}"), 405)
    expect(post("io.atcr.hold.nothing", captain.token(), {}), 501)
    expect(get("/nothing"), 404)
    expect(post("io.atcr.hold.initiateUpload", captain.token(), {}), 400)

with subtest("after all this the hold is the same process, and healthy"):
    assert shown("NRestarts") == "0"
    healthy()
