//! A CAR from elsewhere: read in pieces or at once it is the same file, or no file. What is imported is a repository.
#![no_main]

use support::import;
use atproto::repo::{Cid, RepoError, car};
use libfuzzer_sys::fuzz_target;

const MAX_SECTION: usize = 64 * 1024;

type File = (Vec<Cid>, Vec<(Cid, Vec<u8>)>);

/// The whole file by way of the reader in pieces.
fn in_pieces(bytes: &[u8], piece: usize) -> Result<File, RepoError> {
    let (mut reader, mut blocks) = (car::Reader::new(MAX_SECTION), Vec::new());
    for bytes in bytes.chunks(piece) {
        reader.push(bytes);
        while let Some((cid, block)) = reader.next_block()? {
            blocks.push((cid, block.to_vec()));
        }
    }
    let roots = reader.roots().unwrap_or_default().to_vec();
    reader.finish()?;
    Ok((roots, blocks))
}

fuzz_target!(|input: &[u8]| {
    // The first byte says how large the pieces are.
    let Some((piece, bytes)) = input.split_first() else { return };
    let piece = usize::from(*piece) + 1;
    let whole = car::read(bytes);
    let pieces = in_pieces(bytes, piece);
    assert_eq!(whole.is_ok(), pieces.is_ok(), "both readers agree");
    if let (Ok(whole), Ok((roots, blocks))) = (whole, pieces) {
        assert_eq!(whole.roots, roots);
        assert!(whole.blocks.iter().copied().eq(blocks.iter().map(|(cid, block)| (*cid, block.as_slice()))));
        if roots.len() == 1 {
            let mut again = car::header(&roots[0]).expect("a header");
            blocks.iter().for_each(|(cid, block)| car::push_block(&mut again, cid, block));
            assert_eq!(again, bytes, "a file has one form");
        }
    }
    let _ = import(bytes, piece, MAX_SECTION);
});
