//! Whatever order parts come in, whatever breaks off and is repeated: a completed blob has exactly the bytes of the
//! parts that were acknowledged last, or completing fails.

use std::collections::BTreeMap;

use atcr_hold::blobs::{BlobError, BodyError, ETag, UploadId};
use bytes::Bytes;
use futures_util::stream;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::blob_hold::{Hold, NOW_US, alice, content, digest, frames, list, part_number, part_request};

const PARTS: u32 = 5;

#[derive(Debug, Clone)]
struct Part {
    number: u32,
    seed: u8,
    size_bytes: usize,
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        content(self.seed, self.size_bytes)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Parts sent at the same time.
    Send(Vec<Part>),
    /// A part whose client goes away.
    BreakOff(Part),
    /// A part whose first bytes are sent now; it ends with the upload, or is abandoned.
    Hang(Part),
    /// The hanging parts end.
    Finish,
    /// A completion with another digest.
    Mismatch,
    Restart,
}

fn part() -> impl Strategy<Value = Part> {
    (1..=PARTS, any::<u8>(), prop_oneof![0..200usize, Just(64), 100_000..300_000usize])
        .prop_map(|(number, seed, size_bytes)| Part { number, seed: seed % 3, size_bytes })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => part().prop_map(|part| Step::Send(vec![part])),
        3 => proptest::collection::vec(part(), 2..4).prop_map(Step::Send),
        1 => part().prop_map(Step::BreakOff),
        2 => part().prop_map(Step::Hang),
        1 => Just(Step::Finish),
        1 => Just(Step::Mismatch),
        1 => Just(Step::Restart),
    ]
}

/// A part, and what may be recorded for it: more than one only when they were sent at the same time.
type Model = BTreeMap<u32, Vec<(ETag, Vec<u8>)>>;

/// A list of parts, and the blob they would make.
type Outcome = (Vec<(u32, ETag)>, Vec<u8>);

struct Hanging {
    part: Part,
    sender: mpsc::Sender<Result<Bytes, BodyError>>,
    task: JoinHandle<Result<ETag, BlobError>>,
}

struct Run {
    hold: Hold,
    id: UploadId,
    model: Model,
    hanging: Vec<Hanging>,
}

impl Run {
    async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Send(parts) => self.send(&parts).await,
            Step::BreakOff(part) => {
                let body = stream::iter([Ok(Bytes::from(part.bytes())), Err(BodyError::Disconnected)]);
                let number = part_number(part.number);
                let outcome = self.hold.blobs.upload_part(part_request(self.id, &alice(), number, None), body).await;
                assert!(matches!(outcome, Err(BlobError::Body(BodyError::Disconnected))));
            }
            Step::Hang(part) => self.hang(part).await,
            Step::Finish => self.finish().await,
            Step::Mismatch => {
                let outcome = self.complete(b"never the content").await;
                assert!(matches!(outcome, Err(BlobError::DigestMismatch | BlobError::MissingParts)), "{outcome:?}");
            }
            Step::Restart => {
                for hanging in self.hanging.drain(..) {
                    hanging.task.abort();
                    assert!(hanging.task.await.is_err_and(|e| e.is_cancelled()));
                }
                self.hold = self.hold.reopen().await;
            }
        }
        self
    }

    async fn send(&mut self, parts: &[Part]) {
        let sent = parts.iter().map(|part| async {
            let bytes = part.bytes();
            (part.number, self.hold.part(&self.id, part.number, &bytes).await.unwrap(), bytes)
        });
        let mut now = Model::new();
        for (number, etag, bytes) in futures_util::future::join_all(sent).await {
            now.entry(number).or_default().push((etag, bytes));
        }
        self.model.extend(now);
    }

    async fn hang(&mut self, part: Part) {
        let (sender, mut frames) = mpsc::channel(1);
        let body = stream::poll_fn(move |context| frames.poll_recv(context));
        let (blobs, id, number) = (self.hold.blobs.clone(), self.id, part_number(part.number));
        let task = tokio::spawn(async move { blobs.upload_part(part_request(id, &alice(), number, None), body).await });
        for frame in part.bytes().chunks(32 * 1024) {
            sender.send(Ok(Bytes::copy_from_slice(frame))).await.unwrap();
        }
        self.hanging.push(Hanging { part, sender, task });
    }

    async fn finish(&mut self) {
        for Hanging { part, sender, task } in std::mem::take(&mut self.hanging) {
            drop(sender);
            match task.await.unwrap() {
                Ok(etag) => drop(self.model.insert(part.number, vec![(etag, part.bytes())])),
                // The upload was closed to it by a completion.
                Err(error) => assert!(matches!(error, BlobError::UnknownUpload), "{error:?}"),
            }
        }
    }

    /// All that may be the parts from 1 to the first gap.
    fn possible(&self) -> Vec<Outcome> {
        let mut possible: Vec<Outcome> = vec![(vec![], vec![])];
        for number in 1..=PARTS {
            let Some(candidates) = self.model.get(&number) else { break };
            possible = possible
                .iter()
                .flat_map(|(parts, whole)| {
                    candidates.iter().map(move |(etag, bytes)| {
                        ([&parts[..], &[(number, etag.clone())]].concat(), [&whole[..], bytes].concat())
                    })
                })
                .collect();
        }
        possible
    }

    async fn complete(&self, whole: &[u8]) -> Result<(), BlobError> {
        let (parts, _) = self.possible().swap_remove(0);
        let listed = parts.iter().map(|(number, etag)| (*number, etag)).collect::<Vec<_>>();
        self.hold.blobs.complete(&self.id, &alice(), digest(whole), list(&listed), NOW_US).await
    }

    async fn end(mut self) {
        self.finish().await;
        for (parts, whole) in self.possible() {
            let listed = parts.iter().map(|(number, etag)| (*number, etag)).collect::<Vec<_>>();
            match self.hold.complete(&self.id, &whole, &listed).await {
                Ok(()) => {
                    self.hold.assert_blob(&whole).await;
                    assert!(self.hold.staged(&self.id).is_empty());
                    return;
                }
                // Of parts sent at the same time another one was recorded last.
                Err(error) => assert!(matches!(error, BlobError::MissingParts), "{error:?}"),
            }
        }
        panic!("no acknowledged parts make a blob");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_parts_makes_exactly_the_intended_blob(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let hold = Hold::new().await;
            let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
            let mut run = Run { hold, id, model: Model::new(), hanging: vec![] };
            for step in steps {
                run = run.step(step).await;
            }
            run.end().await;
        });
    }
}

#[tokio::test]
async fn frames_of_any_size_are_taken() {
    let hold = Hold::new().await;
    let whole = content(1, 600_001);
    let id = hold.blobs.initiate(&alice(), NOW_US).await.unwrap();
    let body = stream::iter([Ok(Bytes::new()), Ok(Bytes::from(whole[..500_000].to_vec())), Ok(Bytes::new())]);
    let one = hold.blobs.upload_part(part_request(id, &alice(), part_number(1), Some(500_000)), body).await.unwrap();
    let rest = frames(&whole[500_000..]);
    let two = hold.blobs.upload_part(part_request(id, &alice(), part_number(2), None), rest).await.unwrap();
    hold.complete(&id, &whole, &[(1, &one), (2, &two)]).await.unwrap();
    hold.assert_blob(&whole).await;
}
