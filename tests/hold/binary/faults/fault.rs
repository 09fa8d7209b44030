//! What may go wrong between a client of a store and the store, and which request it can happen to.

use std::collections::BTreeMap;

use super::message::Message;
use crate::binary::dice::Dice;

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// 500, and nothing was done.
    InternalError,
    /// 503, and nothing was done.
    SlowDown,
    /// This request and the next ones get 503.
    Storm,
    /// The connection is reset before the store has heard of it.
    ResetBefore,
    /// The store does it, and the answer is lost.
    LostReply,
    /// The client sees a reset, and the store does it only some time later.
    LateArrival,
    /// Half of the answer, then a reset.
    CutAnswer,
    /// The store gets half of the body.
    CutRequest,
    /// Silence, then a reset; nothing was done.
    StallBefore,
    /// The store does it, then silence and a reset.
    StallAfter,
    /// 200 with an error for a body, and nothing was done.
    ErrorInSuccess,
    /// 200 with an error for a body, and it was done.
    ErrorAfterSuccess,
    /// The request's date is a century off, so that the store refuses its signature.
    SkewedRequest,
    /// The answer's date is decades off.
    SkewedAnswer,
    /// The answer has another ETag.
    WrongEtag,
    /// The answer says another length.
    WrongLength,
    /// The store gets another byte in a body that is not signed.
    WrongByte,
    /// The answer comes in drops.
    Drip,
    /// The answer is right, and the kept connection is closed without a word.
    SilentClose,
}

use Fault::*;

const EVERYWHERE: [Fault; 12] = [
    InternalError,
    SlowDown,
    Storm,
    ResetBefore,
    LostReply,
    CutAnswer,
    StallBefore,
    StallAfter,
    SkewedRequest,
    SkewedAnswer,
    Drip,
    SilentClose,
];

/// What a request asks of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Read,
    Write,
    Part,
    Copy,
    Complete,
    Remove,
    Other,
}

impl Wish {
    pub(super) fn of(request: &Message) -> Self {
        let query = request.target().split_once('?').map_or("", |(_, query)| query);
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        match request.method() {
            "GET" if has("list-type") || has("uploads") => Self::Other,
            "GET" | "HEAD" => Self::Read,
            "PUT" if request.header("x-amz-copy-source").is_some() => Self::Copy,
            "PUT" if has("partNumber") => Self::Part,
            "PUT" => Self::Write,
            "POST" if has("uploadId") => Self::Complete,
            "DELETE" => Self::Remove,
            _ => Self::Other,
        }
    }
}

impl Fault {
    /// Something that can happen to this request.
    pub(super) fn draw(dice: &mut Dice, request: &Message) -> Self {
        let mut possible = EVERYWHERE.to_vec();
        match Wish::of(request) {
            Wish::Read => possible.extend([WrongEtag, WrongLength]),
            Wish::Part => possible.extend([CutRequest, LateArrival, WrongEtag]),
            Wish::Complete => possible.extend([CutRequest, LateArrival, ErrorInSuccess, ErrorAfterSuccess]),
            Wish::Copy => possible.extend([LateArrival, ErrorInSuccess, ErrorAfterSuccess]),
            Wish::Write | Wish::Remove => possible.push(LateArrival),
            Wish::Other => {}
        }
        // A body that the hold sends has been hashed on its way, or is signed.
        if is_presigned(request) && !request.body.is_empty() {
            possible.push(WrongByte);
        }
        // What can happen to few requests only is as likely as the rest together.
        if possible.len() > EVERYWHERE.len() && dice.below(2) == 0 {
            possible.drain(..EVERYWHERE.len());
        }
        possible[usize::try_from(dice.below(possible.len() as u64)).unwrap()]
    }

    /// Whether the store, as its client sees it, says or does what is not so. Then an upload may fail for good, and
    /// not as in a trouble that passes. To the store, a wrong date is a client's mistake (Garage answers 400).
    pub(super) fn is_lie(self) -> bool {
        matches!(self, WrongEtag | WrongLength | WrongByte | LateArrival | SkewedRequest)
    }
}

pub(super) fn is_presigned(request: &Message) -> bool {
    request.target().contains("X-Amz-Signature=")
}

/// Faults by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<Fault, u64>);

impl Tally {
    pub(super) fn note(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.0.iter().map(|(fault, count)| format!("{fault:?} {count}")).collect();
        f.write_str(&kinds.join(", "))
    }
}
