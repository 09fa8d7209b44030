//! The page of an image: its manifest, build history, attached artifacts, and the proof of its record.

use std::sync::Arc;

use askama::Template;
use tokio::time::timeout;

use super::layers::{self, Step};
use super::shown::{self, Ago, path_of};
use super::{PART_TIME, Subject, configs, markdown, missing};
use crate::catalog::{Inventory, ListedTag, LookUpError, RecordProof};
use crate::images::{ImageConfig, ManifestDetails, NamedContent, ParsedManifest, Referrer, RefusedNotice};
use crate::names::{Reference, RepositoryName};
use crate::repos::ReposError;
use crate::web::Web;
use crate::web::pages::{self, Frame, Shown};
use crate::web::refusal::WebError;
use crate::web::viewer::Viewer;
use atproto::syntax::{Datetime, Digest, ImageName, Tag};
use server::bulkhead::Caller;
use server::wire::Response;

const MAX_ANNOTATIONS: usize = 60;
/// Most rows of each list (layers, platforms, attached artifacts): a manifest of 5 MiB may name tens of thousands.
const MAX_ROWS: usize = 500;
/// Most tags of the image that are shown: the page of the repository has all of them.
const MAX_TAGS: usize = 20;
const MAX_VALUE_CHARS: usize = 600;

/// A manifest in an index.
struct Platform {
    name: String,
    path: String,
    digest: String,
    size: String,
}

/// An annotation; its value may be a link.
struct Annotation {
    name: String,
    value: String,
    is_link: bool,
}

/// An artifact that is attached to the image.
struct Attached {
    kind: &'static str,
    media_type: String,
    path: String,
    digest: String,
    size: String,
}

#[derive(Template)]
#[template(path = "image.html")]
struct ImagePage<'p> {
    frame: Frame<'p>,
    owner: String,
    owner_path: String,
    name: &'p str,
    repository_path: String,
    /// The tag or the shortened digest, as in the page's path.
    reference: String,
    /// The command that pulls it.
    pull: String,
    /// When the hold did not take the image, and why; for its owner alone.
    refused: Option<(Ago, String)>,
    digest: String,
    media_type: String,
    size: String,
    runs_on: Option<String>,
    created: Option<Ago>,
    pushed: Option<Ago>,
    tags: Vec<(String, String)>,
    /// A text about the tags that are left out, if there are any.
    more_tags: Option<String>,
    proof: Result<RecordProof, LookUpError>,
    /// The proof of the tag in the page's path, if it has a tag.
    tag_proof: Option<Result<RecordProof, LookUpError>>,
    platforms: Vec<Platform>,
    steps: Vec<Step>,
    /// Reason why the commands cannot be shown.
    no_history: Option<String>,
    annotations: Vec<Annotation>,
    attached: Vec<Attached>,
    no_attached: Option<String>,
    subject: Option<(String, String)>,
    /// Whether one of the lists was cut.
    is_cut: bool,
}

pub(super) async fn show(
    web: &Web,
    viewer: &Viewer,
    caller: &Caller,
    subject: &Subject,
    name: &ImageName,
    reference: &Reference,
) -> Result<Response, WebError> {
    let account = &subject.account;
    let away = |error: LookUpError| WebError::of_look_up("the account's records", &error);
    let inventory = web.catalog.inventory(account).await.map_err(away)?;
    let digest = match reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(tag) => {
            match inventory.repositories.get(name).and_then(|tags| tags.iter().find(|t| t.tag == *tag)) {
                Some(found) => found.digest,
                None if inventory.is_whole => return Err(missing()),
                None => tagged(web, subject, name, tag).await?,
            }
        }
    };
    if inventory.is_whole && !inventory.manifests.contains_key(&digest) {
        return Err(missing());
    }
    let manifest = manifest(web, subject, &digest).await?;
    let details = manifest.details();
    let repository = RepositoryName::of(&subject.owner, name).map_err(|_| missing())?;
    let tag_proof = async {
        match reference {
            Reference::Tag(tag) => Some(web.catalog.tag_proof(account, name, tag, &digest).await),
            Reference::Digest(_) => None,
        }
    };
    let (proof, tag_proof, history, attached) = tokio::join!(
        web.catalog.proof(account, &digest),
        tag_proof,
        configs::of(web, viewer, caller, subject, &repository, &details),
        attached(web, subject, name, &inventory, &digest),
    );
    let refused = if viewer.is(&account.did) { web.images.refused(&account.did, &digest).await? } else { None };
    let (inventory, manifest) = (&*inventory, &manifest);
    let image =
        Image { subject, name, reference, inventory, manifest, details, proof, tag_proof, history, attached, refused };
    Ok(pages::finish(web, None, page(web, viewer, image).render(), Shown { script: true }))
}

/// Returns the manifest of a tag that is not among those that were listed, of an account with more records than that.
async fn tagged(web: &Web, subject: &Subject, name: &ImageName, tag: &Tag) -> Result<Digest, WebError> {
    let found = timeout(PART_TIME, web.repos.tagged(&subject.account, name, tag)).await.map_err(|_| too_slow())?;
    found?.ok_or_else(missing)
}

/// Reads and parses a manifest, whose hash is verified.
async fn manifest(web: &Web, subject: &Subject, digest: &Digest) -> Result<ParsedManifest, WebError> {
    let bytes = timeout(PART_TIME, web.repos.known_bytes(&subject.account, digest)).await;
    let bytes = bytes.map_err(|_| too_slow())?.map_err(|error| match error {
        ReposError::WrongBytes => WebError::wrong("the account's server has other bytes under this digest"),
        ReposError::Inactive(why) => why.into(),
        error => WebError::away(error.to_string()),
    })?;
    ParsedManifest::stored(bytes.ok_or_else(missing)?).map_err(|error| WebError::wrong(error.to_string()))
}

fn too_slow() -> WebError {
    WebError::away("the account's server is too slow: try again in a minute")
}

/// Returns attached artifacts like signatures, by subject and by the tags of older programs, or the reason why they
/// cannot be shown.
async fn attached(
    web: &Web,
    subject: &Subject,
    name: &ImageName,
    inventory: &Inventory,
    digest: &Digest,
) -> Result<Vec<Attached>, String> {
    let path = path_of(&subject.owner, name);
    let found = timeout(PART_TIME, web.images.referrers(&subject.account, digest, None, None)).await;
    let page = found.map_err(|_| "the account's server is too slow".to_owned())?.map_err(|error| error.to_string())?;
    let mut attached: Vec<_> = page.referrers.into_iter().map(|referrer| of_referrer(referrer, &path)).collect();
    let tags = inventory.repositories.get(name).into_iter().flatten();
    let by_tags = tags.filter_map(|tag| of_tag(tag, digest, inventory, &path));
    // One more than is shown says that the list is cut.
    attached.extend(by_tags.take((MAX_ROWS + 1).saturating_sub(attached.len())));
    Ok(attached)
}

fn of_referrer(referrer: Referrer, path: &str) -> Attached {
    let annotations = referrer.annotation_texts();
    let artifact_type = referrer.artifact_type.unwrap_or(referrer.media_type);
    Attached {
        kind: shown::kind(&artifact_type, &annotations),
        media_type: server::text::line(&artifact_type, MAX_VALUE_CHARS).unwrap_or_default(),
        path: format!("{path}@{}", referrer.digest),
        digest: shown::short(&referrer.digest),
        size: shown::size(referrer.size),
    }
}

/// Returns what a tag attaches to the manifest with this digest, if it does.
fn of_tag(tag: &ListedTag, digest: &Digest, inventory: &Inventory, path: &str) -> Option<Attached> {
    let (_, kind) = tag.tag.attached_to().filter(|(of, _)| of == digest)?;
    let kind = match kind {
        ".sig" => "Signature",
        ".att" => "Attestation",
        ".sbom" => "Bill of materials",
        _ => "Artifact",
    };
    Some(Attached {
        kind,
        media_type: format!("by the tag {}…{}", &tag.tag.as_str()[..19], &tag.tag.as_str()[71..]),
        path: format!("{path}:{}", tag.tag),
        digest: shown::short(&tag.digest),
        size: inventory.manifests.get(&tag.digest).map_or_else(String::new, |found| shown::size(found.size_bytes)),
    })
}

/// What a page shows of an image. Each part was asked for by itself.
struct Image<'p> {
    subject: &'p Subject,
    name: &'p ImageName,
    reference: &'p Reference,
    inventory: &'p Inventory,
    manifest: &'p ParsedManifest,
    details: ManifestDetails,
    proof: Result<RecordProof, LookUpError>,
    tag_proof: Option<Result<RecordProof, LookUpError>>,
    history: Result<Option<Arc<ImageConfig>>, LookUpError>,
    attached: Result<Vec<Attached>, String>,
    refused: Option<RefusedNotice>,
}

fn page<'p>(web: &'p Web, viewer: &'p Viewer, image: Image<'p>) -> ImagePage<'p> {
    let Image { subject, name, reference, inventory, manifest, details, .. } = image;
    let (path, now_us) = (path_of(&subject.owner, name), (web.settings.clock)());
    let suffix = shown::suffix(reference);
    let (config, no_history) = match image.history {
        Ok(config) => (config, None),
        Err(reason) => (None, Some(reason.to_string())),
    };
    let (attached, no_attached) = match image.attached {
        Ok(attached) => (attached, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    let listed = inventory.manifests.get(&manifest.digest);
    let tags = inventory.repositories.get(name).into_iter().flatten();
    let tags: Vec<_> = tags.filter(|of| of.digest == manifest.digest && of.tag.attached_to().is_none()).collect();
    let more_tags = tags.len().saturating_sub(MAX_TAGS) as u64;
    let size_bytes = details.config.iter().chain(&details.layers).map(|blob| blob.size_bytes);
    let mut cuts = Cuts::default();
    let created = config.as_deref().and_then(|config| Datetime::parse(config.created.as_deref()?).ok());
    ImagePage {
        frame: Frame::of_viewer(web, viewer),
        owner: subject.owner.to_string(),
        owner_path: format!("/{}", subject.owner),
        name: name.as_str(),
        pull: shown::pull(details.content(), &format!("{}{path}", web.settings.registry), reference),
        reference: match reference {
            Reference::Tag(_) => suffix,
            Reference::Digest(digest) => format!("@sha256:{}…", shown::short(digest)),
        },
        refused: image.refused.map(|refused| (Ago::of(refused.refused_us, now_us), shown::reason(&refused.problem))),
        digest: manifest.digest.to_string(),
        media_type: server::text::line(details.artifact_type.as_ref().unwrap_or(&manifest.media_type), MAX_VALUE_CHARS)
            .unwrap_or_default(),
        size: shown::size(size_bytes.fold(0, u64::saturating_add)),
        runs_on: config.as_deref().and_then(runs_on),
        created: Ago::of_record(created.as_ref(), now_us),
        pushed: Ago::of_record(listed.and_then(|listed| listed.created.as_ref()), now_us),
        tags: tags.iter().take(MAX_TAGS).map(|of| (of.tag.to_string(), format!("{path}:{}", of.tag))).collect(),
        more_tags: (more_tags > 0).then(|| server::text::with_noun(more_tags, "other")),
        proof: image.proof,
        tag_proof: image.tag_proof,
        platforms: cuts.rows(platforms(&details, &path, inventory)),
        steps: cuts.rows(layers::steps(&details, config.as_deref()).into_iter()),
        no_history,
        annotations: annotations(&details),
        attached: cuts.rows(attached.into_iter()),
        no_attached,
        subject: details.subject.map(|of| (shown::short(&of), format!("{path}@{of}"))),
        is_cut: cuts.0,
        repository_path: path,
    }
}

/// Cuts lists to [`MAX_ROWS`]; the field is whether one was cut.
#[derive(Default)]
struct Cuts(bool);

impl Cuts {
    fn rows<T>(&mut self, mut all: impl Iterator<Item = T>) -> Vec<T> {
        let rows = all.by_ref().take(MAX_ROWS).collect();
        self.0 |= all.next().is_some();
        rows
    }
}

fn runs_on(config: &ImageConfig) -> Option<String> {
    let words = [&config.os, &config.architecture, &config.variant];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).map(String::as_str).collect();
    server::text::line(&words.join("/"), 100)
}

fn platforms<'d>(
    details: &'d ManifestDetails,
    path: &'d str,
    inventory: &'d Inventory,
) -> impl Iterator<Item = Platform> + 'd {
    let platform = move |child: &NamedContent| {
        let is_attestation = child.annotations.iter().any(|(name, _)| name == "vnd.docker.reference.type");
        let name = if is_attestation { Some("attestation".to_owned()) } else { child.platform.clone() };
        let size_bytes = inventory.manifests.get(&child.digest).map(|found| found.size_bytes);
        Platform {
            name: name.and_then(|name| server::text::line(&name, 100)).unwrap_or_else(|| "any".to_owned()),
            path: format!("{path}@{}", child.digest),
            digest: shown::short(&child.digest),
            size: size_bytes.map_or_else(String::new, shown::size),
        }
    };
    details.manifests.iter().map(platform)
}

fn annotations(details: &ManifestDetails) -> Vec<Annotation> {
    let annotation = |(name, value): &(String, String)| {
        let value = server::text::line(value, MAX_VALUE_CHARS)?;
        let is_link = markdown::is_address(&value) && !value.contains(char::is_whitespace) && !value.ends_with('…');
        Some(Annotation { name: server::text::line(name, 200)?, is_link, value })
    };
    details.annotations.iter().filter_map(annotation).take(MAX_ANNOTATIONS).collect()
}
