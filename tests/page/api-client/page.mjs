// What a page does with the reference client and a hold of another origin. `run` answers what came of each call.
import { AtpAgent } from "@atproto/api";

const CREW = "io.atcr.hold.crew";
// A method that no lexicon of the client has.
const INITIATE = {
  lexicon: 1,
  id: "io.atcr.hold.initiateUpload",
  defs: {
    main: {
      type: "procedure",
      input: { encoding: "application/json", schema: { type: "object", properties: { digest: { type: "string" } } } },
      output: { encoding: "application/json", schema: { type: "object", properties: { uploadId: { type: "string" } } } },
    },
  },
};

async function outcome(call) {
  try {
    const { data } = await call;
    return data instanceof Uint8Array ? { bytes: data.length } : { data };
  } catch (failure) {
    return { status: failure.status, error: failure.error, message: failure.message };
  }
}

globalThis.run = async ({ service, did, token, member }) => {
  const agent = new AtpAgent({ service });
  agent.lex.add(INITIATE);
  const { repo, sync } = agent.com.atproto;
  const signed = (encoding) => ({ encoding, headers: { authorization: `Bearer ${token}` } });
  const record = {
    $type: CREW,
    member,
    role: "mate",
    permissions: ["blob:read"],
    addedAt: "2026-01-01T00:00:00Z",
  };
  const create = { repo: did, collection: CREW, record };
  return {
    describeRepo: await outcome(repo.describeRepo({ repo: did })),
    getRecord: await outcome(repo.getRecord({ repo: did, collection: "io.atcr.hold.captain", rkey: "self" })),
    missing: await outcome(repo.getRecord({ repo: did, collection: "io.atcr.hold.captain", rkey: "none" })),
    getRepo: await outcome(sync.getRepo({ did })),
    unsigned: await outcome(repo.createRecord(create)),
    createRecord: await outcome(repo.createRecord(create, signed("application/json"))),
    listRecords: await outcome(repo.listRecords({ repo: did, collection: CREW })),
    uploadBlob: await outcome(repo.uploadBlob(new Uint8Array([1, 2, 3]), signed("application/octet-stream"))),
    initiateUpload: await outcome(agent.call(INITIATE.id, {}, { digest: "x" }, signed("application/json"))),
    // With cookies the browser lets no page read an answer that is for any origin.
    withCookies: await fetch(`${service}/xrpc/_health`, { credentials: "include" }).then((answer) => answer.status, String),
  };
};
