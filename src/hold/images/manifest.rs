//! Parses and checks the description of a pushed manifest that the registry sends. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::ImagesError;
use atproto::lexicon::{LayerInfo, MAX_LAYERS, Manifest, ManifestInfo, NotifyManifest, RecordView, nsid};
use atproto::syntax::{AtUri, Did, Digest, HoldId, ImageName, RecordKey, ServiceUrl, Tag};

/// Limit of the layer record.
const MAX_LAYER_TYPE_BYTES: usize = 128;
/// Limit of the method.
const MAX_TYPE_BYTES: usize = 256;
/// Prefixes of the media types of foreign layers, whose blobs may be on any server.
const FOREIGN: [&str; 2] =
    ["application/vnd.docker.image.rootfs.foreign.", "application/vnd.oci.image.layer.nondistributable."];
/// The media type of a layer without one.
const ANY_TYPE: &str = "application/octet-stream";

/// An image by its owner and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The owner's account.
    pub owner: Did,
    /// Its name.
    pub name: ImageName,
}

/// A pushed manifest, with all blobs that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Its image.
    pub image: Image,
    /// The address of its record, in its owner's repository.
    pub manifest: AtUri,
    /// The tag of the push; `None` without one.
    pub tag: Option<Tag>,
    /// The image's config; an image index has none.
    pub config: Option<PushedBlob>,
    /// The layers, each once.
    pub layers: Vec<PushedLayer>,
}

/// A blob as the manifest describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes; `None` when the manifest gives none.
    pub size_bytes: Option<u64>,
}

/// A layer as the manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedLayer {
    /// The blob.
    pub blob: PushedBlob,
    /// Its media type.
    pub media_type: String,
}

impl Image {
    /// Parses the image of a notification.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`]
    pub fn of(input: &NotifyManifest) -> Result<Self, ImagesError> {
        let name = ImageName::parse(&input.repository);
        let name = name.map_err(|error| ImagesError::Invalid(format!("repository is {error}")))?;
        Ok(Self { owner: input.user_did.clone(), name })
    }
}

impl Push {
    /// Parses the description of a pushed manifest.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`] with the field that is wrong.
    pub fn of(input: NotifyManifest) -> Result<Self, ImagesError> {
        let image = Image::of(&input)?;
        let manifest = address(&image.owner, &digest("manifestDigest", Some(&input.manifest_digest))?)?;
        let tag = input.tag.as_deref().filter(|tag| !tag.is_empty()).map(Tag::parse).transpose();
        let tag = tag.map_err(|error| ImagesError::Invalid(format!("tag is {error}")))?;
        if input.manifest.media_type.is_some_and(|kind| kind.len() > MAX_TYPE_BYTES) {
            return Err(ImagesError::Invalid("manifest.mediaType has at most 256 bytes".into()));
        }
        // A client may write an empty config where there is none.
        let config = input.manifest.config.filter(|config| config.digest.as_ref().is_some_and(|text| !text.is_empty()));
        let config = config.map(|config| blob("manifest.config", config.digest.as_deref(), config.size)).transpose()?;
        let layers = layers(input.manifest.layers.unwrap_or_default())?;
        Ok(Self { image, manifest, tag, config, layers })
    }
}

/// The DID and the addresses of this hold, by which records name it.
#[derive(Clone, Copy, Debug)]
pub struct OwnAddress<'h> {
    /// The DID.
    pub did: &'h Did,
    /// The address.
    pub url: &'h ServiceUrl,
    /// The addresses of a hold by did:plc before, which another hold may have by now.
    pub earlier: &'h [ServiceUrl],
}

impl OwnAddress<'_> {
    /// Whether the blobs of the manifest in `record` were put into this hold, if no other has its earlier address now: a
    /// hold by did:plc was named by that. The record need not be valid.
    #[must_use]
    pub fn is_named_by_earlier_address(&self, record: &RecordView) -> bool {
        let text = |field| record.value.get(field).and_then(|text| text.as_str());
        match hold_of(text("holdDid"), text("holdEndpoint")) {
            Some(HoldId::Web(url)) => url != *self.url && self.earlier.contains(&url),
            Some(HoldId::Plc(_)) | None => false,
        }
    }
}

impl Push {
    /// Parses the record of a manifest in the repository of `account`. Returns `None` when it does not name `hold`. The
    /// push has no tag: tags are in other records.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`] with the field that is wrong.
    pub fn of_record(hold: OwnAddress<'_>, account: &Did, record: &RecordView) -> Result<Option<Self>, ImagesError> {
        let manifest: Manifest = serde_json::from_value(record.value.clone())
            .map_err(|error| ImagesError::Invalid(format!("the record is not that of a manifest: {error}")))?;
        if !names(hold, &manifest) {
            return Ok(None);
        }
        let said = NotifyManifest {
            repository: manifest.repository,
            user_did: account.clone(),
            manifest_digest: manifest.digest,
            manifest: ManifestInfo { media_type: None, config: manifest.config, layers: manifest.layers },
            tag: None,
            operation: None,
        };
        Self::of(said).map(Some)
    }
}

/// The blobs that the record of a manifest names, also where it is not valid, as where a media type is too long to be recorded:
/// whoever pushed it can pull it all the same.
pub(super) fn blobs_of(record: &RecordView) -> Vec<Digest> {
    let layers = record.value.get("layers").and_then(|layers| layers.as_array()).into_iter().flatten();
    let blobs = record.value.get("config").into_iter().chain(layers);
    blobs.filter_map(|blob| Digest::parse(blob.get("digest")?.as_str()?).ok()).collect()
}

/// Whether the blobs of a manifest are in this hold: the record names its DID or, an older one, its address. A hold by
/// did:plc may have been the did:web of its address before.
fn names(hold: OwnAddress<'_>, manifest: &Manifest) -> bool {
    match hold_of(manifest.hold_did.as_deref(), manifest.hold_endpoint.as_deref()) {
        Some(HoldId::Web(url)) => url == *hold.url,
        Some(HoldId::Plc(did)) => did == *hold.did,
        None => false,
    }
}

fn hold_of(did: Option<&str>, endpoint: Option<&str>) -> Option<HoldId> {
    let did = did.filter(|did| !did.is_empty());
    did.or(endpoint).and_then(|text| HoldId::parse(text).ok())
}

impl PushedLayer {
    /// Whether it is a foreign layer, whose blob need not be in this hold.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        FOREIGN.iter().any(|prefix| self.media_type.starts_with(prefix))
    }
}

/// Returns the address of a manifest's record, in its owner's repository.
fn address(owner: &Did, digest: &Digest) -> Result<AtUri, ImagesError> {
    let invalid = |error: atproto::syntax::SyntaxError| ImagesError::Invalid(error.to_string());
    Ok(AtUri::record(owner, &nsid::MANIFEST.into(), &RecordKey::parse(&digest.hex()).map_err(invalid)?))
}

fn layers(infos: Vec<LayerInfo>) -> Result<Vec<PushedLayer>, ImagesError> {
    if infos.len() > MAX_LAYERS {
        return Err(ImagesError::Invalid(format!("a manifest has at most {MAX_LAYERS} layers")));
    }
    let mut layers: Vec<PushedLayer> = Vec::new();
    let mut sizes = HashMap::new();
    for (number, info) in infos.into_iter().enumerate() {
        let field = format!("manifest.layers[{number}]");
        let blob = blob(&field, info.digest.as_deref(), info.size)?;
        let media_type = info.media_type.filter(|kind| !kind.is_empty()).unwrap_or_else(|| ANY_TYPE.into());
        if media_type.len() > MAX_LAYER_TYPE_BYTES {
            return Err(ImagesError::Invalid(format!("{field}.mediaType has at most 128 bytes")));
        }
        match sizes.entry(blob.digest) {
            Entry::Vacant(size) => {
                size.insert(blob.size_bytes);
                layers.push(PushedLayer { blob, media_type });
            }
            Entry::Occupied(same) if *same.get() == blob.size_bytes => {}
            Entry::Occupied(_) => {
                return Err(ImagesError::Invalid(format!("{field}.size is not that of the same digest before")));
            }
        }
    }
    Ok(layers)
}

fn blob(field: &str, text: Option<&str>, size: Option<i64>) -> Result<PushedBlob, ImagesError> {
    let size_bytes = size.map(u64::try_from).transpose();
    let size_bytes = size_bytes.map_err(|_| ImagesError::Invalid(format!("{field}.size must not be negative")))?;
    Ok(PushedBlob { digest: digest(&format!("{field}.digest"), text)?, size_bytes })
}

fn digest(field: &str, text: Option<&str>) -> Result<Digest, ImagesError> {
    text.and_then(|text| Digest::parse(text).ok()).ok_or_else(|| {
        ImagesError::Invalid(format!("{field} must be \"sha256:\" and 64 lower-case hexadecimal digits"))
    })
}
