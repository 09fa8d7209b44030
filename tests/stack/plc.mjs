// did:plc identities of services, which no PDS makes, by the libraries of the PLC directory itself.

import { Secp256k1Keypair } from '@atproto/crypto'
import * as plc from '@did-plc/lib'

/**
 * Makes a did:plc at the directory `plcUrl`, whose repository is at `url`; `moveTo` names another address, and `update`
 * changes whatever an operation says.
 */
export async function plcIdentity(plcUrl, handle, url) {
  const client = new plc.Client(plcUrl)
  const [key, signer] = await Promise.all([Secp256k1Keypair.create(), Secp256k1Keypair.create()])
  const did = await client.createDid({ signingKey: key.did(), handle, pds: url, rotationKeys: [signer.did()], signer })
  return {
    did,
    moveTo: (other) => client.updatePds(did, signer, other),
    update: (data) => client.updateData(did, signer, (last) => ({ ...last, ...data })),
  }
}
