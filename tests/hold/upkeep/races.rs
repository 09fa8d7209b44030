//! A repair beside uploads of the very blobs that it repairs.

use std::time::Duration;

use atcr_hold::upkeep::VerifyOptions;

use super::{Stock, digest, key, read_blob, room, upload};
use crate::support::blob_hold::content;

const BLOBS: u8 = 8;
const ROUNDS: u64 = 40;

pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_that_heals_a_blob_is_never_undone() {
    let stock = Stock::in_directory().await;
    let (blobs, upkeep) = room(&stock.root(), &stock.db).await;
    let contents: Vec<_> = (0..BLOBS).map(|seed| content(seed, 30_000 + usize::from(seed))).collect();
    for content in &contents {
        upload(&blobs, content).await;
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..ROUNDS {
        // Whether the blob counts as absent, so that an upload must bring it.
        let mut absent = vec![];
        for content in &contents {
            let path = stock.root().join(key(&digest(content)));
            let kind = dice.roll(4);
            match kind {
                0 => std::fs::write(&path, &content[..content.len() / 2]).unwrap(),
                1 => std::fs::remove_file(&path).unwrap(),
                2 => std::fs::write(&path, vec![7; content.len()]).unwrap(),
                _ => {}
            }
            absent.push(kind < 2);
        }
        let repair = {
            let (upkeep, pause) = (upkeep.clone(), dice.roll(3000));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(pause)).await;
                upkeep.verify(VerifyOptions { repair: true, bytes_per_s: None }, |_, _| {}).await.unwrap()
            })
        };
        let uploads: Vec<_> = contents
            .iter()
            .map(|content| {
                let (blobs, content, pause) = (blobs.clone(), content.clone(), dice.roll(6000));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(pause)).await;
                    upload(&blobs, &content).await;
                })
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap();
        }
        repair.await.unwrap();
        for (content, absent) in contents.iter().zip(absent) {
            let found = read_blob(&blobs, &digest(content)).await;
            match found {
                Some(found) => assert!(found == *content, "round {round}: wrong bytes are visible after a repair"),
                // Its wrong bytes were taken for the blob by the upload before the repair looked.
                None => assert!(!absent, "round {round}: an acknowledged upload was lost"),
            }
            upload(&blobs, content).await;
            assert!(read_blob(&blobs, &digest(content)).await.as_ref() == Some(content), "round {round}");
        }
    }
}
