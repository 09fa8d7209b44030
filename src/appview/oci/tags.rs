//! The tags of a repository, in pages. <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags>

use std::sync::Arc;

use http::header::LINK;
use http::request::Parts;
use serde_json::json;

use super::refusal::OciError;
use super::route::query;
use super::state::OciState;
use crate::gate::PullPermit;
use atproto::syntax::Tag;
use server::wire::Response;
use server::xrpc::response;
use server::xrpc::response::set_header;

/// Handles `GET` and `HEAD` of the list of tags.
pub(super) async fn list(state: Arc<OciState>, permit: PullPermit, head: &Parts) -> Result<Response, OciError> {
    let count = query(head, "n").map(|n| n.parse::<usize>()).transpose();
    let count = count.map_err(|_| OciError::invalid("n is no number"))?;
    let name = permit.repository();
    let owner = state.owners.find(&name.owner, permit.caller()).await?;
    let tags = state.images.tags(&permit, &owner).await?.ok_or_else(OciError::name_unknown)?;
    let (page, more) = page(tags, query(head, "last").as_deref(), count);
    let mut response = response::json(&json!({ "name": name.as_str(), "tags": page }));
    if let (true, Some(count), Some(last)) = (more, count, page.last()) {
        // Neither a name nor a tag has a character that must be escaped in a URL.
        let next = format!("</v2/{}/tags/list?n={count}&last={last}>; rel=\"next\"", name.as_str());
        set_header(&mut response, LINK, &next);
    }
    Ok(response)
}

/// Returns at most `count` tags after `last`, which need not be one of them, and whether there are more.
fn page(mut tags: Vec<Tag>, last: Option<&str>, count: Option<usize>) -> (Vec<Tag>, bool) {
    // The specification orders tags without regard to case; the text itself makes the order total.
    let order = |text: &str| (text.to_ascii_lowercase(), text.to_owned());
    tags.sort_by_cached_key(|tag| order(tag.as_str()));
    tags.dedup();
    if let Some(last) = last.map(order) {
        tags.retain(|tag| order(tag.as_str()) > last);
    }
    let more = count.is_some_and(|count| count < tags.len());
    tags.truncate(count.unwrap_or(usize::MAX));
    (tags, more)
}

#[cfg(test)]
mod tests {
    use super::{Tag, page};

    #[test]
    fn pages_are_in_the_order_of_letters() {
        let all = || ["b", "a", "v10", "V2", "B", "_x", "b"].iter().map(|tag| Tag::parse(tag).unwrap()).collect();
        let shown = |last, count| {
            let (tags, more) = page(all(), last, count);
            (tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" "), more)
        };
        assert_eq!(shown(None, None), ("_x a B b v10 V2".into(), false));
        assert_eq!(shown(None, Some(3)), ("_x a B".into(), true));
        assert_eq!(shown(Some("B"), Some(3)), ("b v10 V2".into(), false));
        assert_eq!(shown(Some("c"), None), ("v10 V2".into(), false), "a last that is none of them");
        assert_eq!(shown(Some("z"), Some(3)), (String::new(), false));
        assert_eq!(shown(None, Some(0)), (String::new(), true));
    }
}
