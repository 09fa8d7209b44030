//! An event of the firehose, taken apart as strictly as its form allows.

use std::collections::BTreeMap;

use atproto::repo::cbor::{self, Ipld};
use atproto::repo::{Cid, car};

const KINDS: [&str; 4] = ["#identity", "#account", "#commit", "#sync"];

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    pub(crate) seq: i64,
    pub(crate) body: BTreeMap<String, Ipld>,
}

/// One entry of a #commit's `ops`.
#[derive(Debug, PartialEq)]
pub(crate) struct Op {
    pub(crate) action: String,
    pub(crate) path: String,
    pub(crate) cid: Option<Cid>,
    /// `None` when the field is absent.
    pub(crate) prev: Option<Cid>,
}

impl Event {
    /// Takes a frame apart: a header and a body, both in their only form, and nothing after them.
    pub(crate) fn decode(frame: &[u8]) -> Self {
        let header = |kind: &str| {
            let header = BTreeMap::from([("op".into(), Ipld::Integer(1)), ("t".into(), Ipld::String(kind.into()))]);
            cbor::encode(&Ipld::Map(header)).unwrap()
        };
        let (kind, body) =
            KINDS.into_iter().find_map(|kind| Some((kind, frame.strip_prefix(&header(kind)[..])?))).expect("a header");
        let Ipld::Map(body) = cbor::decode(body).unwrap() else { panic!("a body is a map") };
        let Some(Ipld::Integer(seq)) = body.get("seq") else { panic!("{kind} has no seq") };
        let event = Self { kind, seq: i64::try_from(*seq).unwrap(), body };
        assert!(event.seq < 1 << 53 && !event.body.contains_key("$type"));
        event
    }

    pub(crate) fn field(&self, name: &str) -> &Ipld {
        self.body.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.kind))
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        let Ipld::String(text) = self.field(name) else { panic!("{name} is no text") };
        text
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.body.keys().map(String::as_str).collect()
    }

    pub(crate) fn link(&self, name: &str) -> Cid {
        link(self.field(name)).unwrap_or_else(|| panic!("{name} is no link"))
    }

    pub(crate) fn blocks(&self) -> car::Car<'_> {
        let Ipld::Bytes(bytes) = self.field("blocks") else { panic!("blocks are no bytes") };
        car::read(bytes).unwrap()
    }

    pub(crate) fn ops(&self) -> Vec<Op> {
        let Ipld::List(ops) = self.field("ops") else { panic!("ops are no list") };
        ops.iter().map(op).collect()
    }
}

fn op(value: &Ipld) -> Op {
    let Ipld::Map(fields) = value else { panic!("an op is a map") };
    let text = |name: &str| match &fields[name] {
        Ipld::String(text) => text.clone(),
        other => panic!("{name} is {other:?}"),
    };
    assert!(fields["cid"] == Ipld::Null || link(&fields["cid"]).is_some());
    assert_eq!(fields.len(), if fields.contains_key("prev") { 4 } else { 3 });
    Op {
        action: text("action"),
        path: text("path"),
        cid: link(&fields["cid"]),
        prev: fields.get("prev").map(|prev| link(prev).expect("prev is a link or absent")),
    }
}

fn link(value: &Ipld) -> Option<Cid> {
    if let Ipld::Link(cid) = value { Some(*cid) } else { None }
}
