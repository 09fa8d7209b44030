//! The repository as a CAR file: out of one home, into another, and taken apart in between.

use std::io::Cursor;

use atcr_hold::crew::import_rules;
use atcr_hold::pds::{ImportError, ImportFile, Imported, Pds};
use atproto::keys::PublicKey;
use atproto::repo::{Cid, car};

/// All of an export.
pub(crate) async fn exported(pds: &Pds) -> Vec<u8> {
    let mut chunks = pds.export(None).await.unwrap().expect("a repository");
    let mut file = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        file.extend_from_slice(&chunk.unwrap());
    }
    file
}

/// Imports a file into `pds` as a hold does.
pub(crate) async fn import(
    pds: &Pds,
    now_us: u64,
    file: Vec<u8>,
    signed_by: Option<PublicKey>,
) -> Result<Imported, ImportError> {
    pds.import(
        now_us,
        ImportFile { bytes: Cursor::new(file), signed_by },
        import_rules(atcr_hold::images::rebuild),
        |_| {},
    )
    .await
}

/// Roots and blocks, to be changed.
pub(crate) type Parts = (Vec<Cid>, Vec<(Cid, Vec<u8>)>);

pub(crate) fn parts(file: &[u8]) -> Parts {
    let car = car::read(file).unwrap();
    (car.roots, car.blocks.into_iter().map(|(cid, bytes)| (cid, bytes.to_vec())).collect())
}

/// The file of these parts; of several roots only the first is written by the writer, so there is one or none.
pub(crate) fn joined(root: Option<&Cid>, blocks: &[(Cid, Vec<u8>)]) -> Vec<u8> {
    let mut file = car::header(root).unwrap();
    blocks.iter().for_each(|(cid, bytes)| car::push_block(&mut file, cid, bytes));
    file
}
