//! The post about a push. Pure. <https://docs.bsky.app/docs/advanced-guides/posts>

use super::{Push, PushedLayer};
use atproto::lexicon::{Facet, FacetFeature, FacetIndex, Post, nsid};
use atproto::syntax::{Datetime, Size, Tag};

/// Limit of the characters of the image's name and tag: with the rest, well below the 300 of a post.
const MAX_NAME: usize = 200;

/// Returns the post about the push of an image under a tag. The image's name is a mention of the account that pushed
/// it.
pub(super) fn post(push: &Push, tag: &Tag, recorded: &[(PushedLayer, u64)], now: Datetime) -> Post {
    let mut name = format!("{}:{tag}", push.image.name);
    if name.len() > MAX_NAME {
        // Names and tags are ASCII.
        name.truncate(MAX_NAME);
        name.push('…');
    }
    let size = Size { bytes: recorded.iter().map(|(_, size_bytes)| size_bytes).sum() };
    let content = match recorded.len() {
        0 => String::new(),
        1 => format!(": 1 layer, {size}"),
        layers => format!(": {layers} layers, {size}"),
    };
    let mention = FacetFeature { kind: nsid::FACET_MENTION.into(), did: Some(push.image.owner.clone()) };
    let facet = Facet { index: FacetIndex { byte_start: 0, byte_end: name.len() }, features: vec![mention] };
    Post { text: format!("{name} was pushed{content}"), facets: vec![facet], langs: vec!["en".into()], created_at: now }
}
