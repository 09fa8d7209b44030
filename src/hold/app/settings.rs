//! Converts the configuration to the settings of the rooms.

use crate::api::SubscriberLimits;
use crate::blobs;
use crate::config::{Avatar, Config, Profile};
use crate::crew::{self, Declared, DeclaredProfile};
use crate::images::{GrowthLimits, QuotaTier, Tiers};
use crate::pds::{NewBlob, PdsLimits};
use atproto::syntax::Size;
use server::daemon::ConnectionLimits;

pub(super) fn blob_limits(config: &Config) -> blobs::UploadLimits {
    blobs::UploadLimits {
        max_part_bytes: config.limits.max_part_bytes,
        max_blob_bytes: config.limits.max_blob_bytes,
        uploads_per_account: config.limits.uploads_per_account.into(),
        uploads_total: config.limits.uploads_total.into(),
        stale_upload_s: config.limits.stale_upload.as_secs(),
        empty_upload_s: config.limits.empty_upload.as_secs(),
        reserve_bytes: config.limits.reserve_bytes,
        measure_upload_s: config.limits.measure_upload.as_secs(),
        last_used_resolution: blobs::last_used_resolution(config.gc.grace),
        ..blobs::UploadLimits::default()
    }
}

/// Returns the limits of connections on the public sockets.
pub(super) fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        total: config.limits.connections,
        per_address: config.limits.connections_per_address,
        proxies: config.trusted_proxies.clone(),
    }
}

pub(super) fn declared(config: &Config, profile: Profile) -> Declared {
    let member = |member: &crate::config::ConfiguredMember| crew::DeclaredMember {
        role: member.role.clone(),
        permissions: member.permissions.clone(),
        tier: member.tier.clone(),
    };
    let avatar = |avatar: Avatar| NewBlob::new(&avatar.media_type, avatar.bytes.into());
    Declared {
        url: config.public_url.clone(),
        profile: DeclaredProfile {
            display_name: profile.display_name,
            description: profile.description,
            avatar: profile.avatar.map(avatar),
        },
        owner: config.owner.clone(),
        public: config.public,
        allow_all_crew: config.allow_all_crew,
        bluesky_posts: config.bluesky_posts,
        region: config.region.clone(),
        successor: config.successor.as_ref().map(|hold| hold.did().clone()),
        crew: config.crew.iter().map(|(did, declared)| (did.clone(), member(declared))).collect(),
    }
}

/// Returns the settings of the room `images`.
pub(super) fn images_settings(config: &Config) -> crate::images::ImagesSettings {
    let tier =
        |tier: &crate::config::Tier| QuotaTier { name: tier.name.clone(), limit: Size { bytes: tier.limit_bytes } };
    crate::images::ImagesSettings {
        tiers: Tiers {
            all: config.quota.tiers.iter().map(tier).collect(),
            of_new_crew: config.quota.new_crew_tier.clone(),
        },
        appviews: config.appviews.clone(),
        posts: config.bluesky_posts,
        growth: GrowthLimits {
            images: config.limits.images_per_account,
            records: config.limits.records_per_account,
            config_bytes: config.limits.max_config_bytes,
        },
    }
}

/// Returns the limits of subscribers of events.
pub(super) fn subscriber_limits(config: &Config) -> SubscriberLimits {
    SubscriberLimits { total: config.limits.subscribers, per_address: config.limits.subscribers_per_address }
}

/// Returns the limits of the repository.
pub(super) fn pds_limits(config: &Config) -> PdsLimits {
    PdsLimits {
        event_bytes: config.limits.event_bytes,
        records_per_hour: config.limits.records_per_hour,
        commits_per_hour: config.limits.commits_per_hour,
        reserve_bytes: config.limits.reserve_bytes,
    }
}
