//! The table of options: the source of the file's options, the variables, the rules of a reload, the manual and the
//! NixOS module.

server::options! {
    Restart "public_url" ["HOLD_PUBLIC_URL"] Text Words("required")
        => "`https://<host>`, or `http://localhost[:port]`. Without `did` it makes the DID: never change it then";
    Restart "did" ["HOLD_DID"] Text Words("`did:web:` of `public_url`")
        => "the DID, where the hold [moved in](moving.md#from-another-program-under-the-same-address) with a did:plc: never change it";
    Live "owner" ["HOLD_OWNER"] Text Words("required") => "DID of the captain";
    Live "public" ["HOLD_PUBLIC"] Flag Toml("false") => "anyone may pull";
    Live "allow_all_crew" ["HOLD_ALLOW_ALL_CREW"] Flag Toml("false") => "any account may join by `requestCrew`";
    Live "mutable_crew" Flag Toml("true") => "`false`: crew is exactly what is declared here";
    Live "region" Text Words("none") => "shown in the captain record";
    Live "successor" ["HOLD_SUCCESSOR"] Text Words("none")
        => "DID of the hold that follows this one: who asks for a blob that is not here is sent there (307)";
    Live "profile.display_name" ["HOLD_PROFILE_DISPLAY_NAME"] Text Words("the host")
        => "the name that atproto software shows";
    Live "profile.description" ["HOLD_PROFILE_DESCRIPTION"] Text Words("a sentence")
        => "the text that atproto software shows";
    Live "profile.avatar" ["HOLD_PROFILE_AVATAR"] Text Words("none")
        => "path of a PNG or JPEG of at most 1,000,000 bytes, read at start and at a reload";
    Live "crew.\"<did>\".role" Text Words("`member`") => "a word for people";
    Live "crew.\"<did>\".permissions" List Words("required")
        => "`blob:read`, `blob:write` (implies read), `crew:admin` (implies all)";
    Live "crew.\"<did>\".tier" Text Words("none") => "quota tier, one of `tiers` where there are any";
    Live "tiers.<name>.quota" Text Words("no tiers, no quotas")
        => "what one account may store, each blob once: `50 GB` (1 GB is 1,000,000,000 bytes), `512 MiB`";
    Live "new_crew_tier" Text Words("the smallest") => "the tier of members whose record names none";
    Live "appviews" List Toml("[]")
        => "DIDs of registry front ends that may put members into tiers (`updateCrewTier`), like `did:web:atcr.io`";
    Live "bluesky_posts" Flag Toml("false")
        => "a push may make a post of the hold's account; the captain record says whether it does";
    Restart "server.addr" ["HOLD_SERVER_ADDR"] Text Toml("\":8080\"")
        => "`host:port`, or a path for a Unix socket; an inherited socket goes first";
    Restart "server.trusted_proxies" List Toml("[]")
        => "addresses whose `X-Forwarded-For` is believed; a Unix socket's always is";
    Restart "server.accel_redirect" Text Words("none")
        => "nginx's location of the storage directory, like `/.blobs/`: nginx at the Unix socket sends blobs itself (`X-Accel-Redirect`)";
    Restart "database.path" ["HOLD_DATABASE_PATH"] Text
        Words("`$STATE_DIRECTORY/hold.db`, else `/var/lib/atcr-hold/hold.db`") => "its directory must exist";
    Restart "database.signing_key" ["HOLD_SIGNING_KEY"] Secret Words("none")
        => "the signing key itself, 64 hexadecimal digits, instead of the file in `key_path`";
    Restart "database.key_path" ["HOLD_DATABASE_KEY_PATH"] Text Words("`keys/` beside the database")
        => "directory of `signing.key`";
    Restart "admin.socket" ["HOLD_ADMIN_SOCKET"] Text
        Words("`$RUNTIME_DIRECTORY/admin.sock`, else `admin.sock` beside the database")
        => "see [Commands](commands.md)";
    Restart "metrics.addr" ["HOLD_METRICS_ADDR"] Text Words("none")
        => "where metrics are given, like `server.addr`; see [Monitoring](monitoring.md)";
    Restart "storage.driver" ["STORAGE_DRIVER"] Text Words("`s3` when a bucket is set, else `filesystem`")
        => "where the blobs are; [`gcs` and `azure`](buckets.md#google-and-azure) need a build of their own";
    Restart "storage.root_dir" ["STORAGE_ROOT_DIR"] Text Words("required for `filesystem`")
        => "directory of the blobs; it must exist";
    Restart "storage.presigned" ["STORAGE_PRESIGNED"] Text Words("`all`")
        => "what goes past the hold with a bucket: `all`, `downloads` (parts pass through the hold), or `none`; [which one](buckets.md#which-bytes-go-past-the-hold)";
    Restart "storage.disable_presigned_urls" (was "storage.s3.disable_presigned_urls") ["DISABLE_PRESIGNED_URLS"]
        Flag Toml("false") => "`true` is the former way to say `storage.presigned = \"none\"`";
    Restart "storage.s3.bucket" ["S3_BUCKET"] Text Words("required for `s3`") => "it must exist";
    Restart "storage.s3.endpoint" ["S3_ENDPOINT"] Text Words("AWS") => "the provider's URL, without the bucket";
    Restart "storage.s3.region" ["AWS_REGION"] Text Toml("\"us-east-1\"") => "Garage and others want their own word";
    Restart "storage.s3.force_path_style" ["S3_FORCE_PATH_STYLE"] Flag Words("`true` with an endpoint")
        => "`https://host/bucket/…`; `false`: `https://bucket.host/…`";
    Restart "storage.s3.prefix" ["S3_PREFIX"] Text Toml("\"\"")
        => "a folder of the bucket; everything of the hold is below it";
    Restart "storage.s3.pull_zone" ["S3_PULL_ZONE"] Text Words("none")
        => "host of a CDN before the bucket; it takes the store's place in URLs for downloads";
    Restart "storage.s3.public_endpoint" ["S3_PUBLIC_ENDPOINT"] Text Words("`storage.s3.endpoint`")
        => "the provider's URL as clients reach it, for presigned URLs";
    Restart "storage.s3.access_key_id" ["AWS_ACCESS_KEY_ID"] Secret Words("the role of the machine")
        => "a secret, as the next two";
    Restart "storage.s3.secret_access_key" ["AWS_SECRET_ACCESS_KEY"] Secret Words("the role of the machine") => "";
    Restart "storage.s3.session_token" ["AWS_SESSION_TOKEN"] Secret Words("none") => "for temporary keys";
    Restart "storage.s3.container_credentials_relative_uri" ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] Text
        Words("none") => "what the cloud says about the role of a container, as the next two";
    Restart "storage.s3.container_credentials_full_uri" ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] Text Words("none") => "";
    Restart "storage.s3.container_authorization_token_file" ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] Text
        Words("none") => "";
    Restart "storage.s3.web_identity_token_file" ["AWS_WEB_IDENTITY_TOKEN_FILE"] Text Words("none")
        => "a web identity role, with the next one";
    Restart "storage.s3.role_arn" ["AWS_ROLE_ARN"] Text Words("none") => "";
    Restart "storage.s3.ec2_metadata_service_endpoint" ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] Text Words("the cloud's")
        => "where the keys of a machine's role come from";
    Restart "storage.gcs.bucket" ["GCS_BUCKET"] Text Words("required for `gcs`") => "it must exist";
    Restart "storage.gcs.service_account" ["GOOGLE_APPLICATION_CREDENTIALS"] SecretFile Words("required for `gcs`")
        => "the service account's key as JSON; the variable names its file";
    Restart "storage.gcs.endpoint" ["GCS_ENDPOINT"] Text Words("Google") => "another URL";
    Restart "storage.gcs.prefix" ["GCS_PREFIX"] Text Toml("\"\"") => "as of `s3`";
    Restart "storage.azure.account" ["AZURE_STORAGE_ACCOUNT_NAME"] Text Words("required for `azure`")
        => "the storage account";
    Restart "storage.azure.access_key" ["AZURE_STORAGE_ACCOUNT_KEY"] Secret Words("required for `azure`")
        => "one of its two keys";
    Restart "storage.azure.container" ["AZURE_STORAGE_CONTAINER_NAME"] Text Words("required for `azure`")
        => "it must exist";
    Restart "storage.azure.endpoint" ["AZURE_STORAGE_ENDPOINT"] Text Words("the account's own") => "another URL";
    Restart "storage.azure.prefix" ["AZURE_STORAGE_PREFIX"] Text Toml("\"\"") => "as of `s3`";
    Restart "identity.plc_url" ["HOLD_PLC_DIRECTORY_URL"] Text Toml("\"https://plc.directory\"")
        => "the directory of did:plc accounts";
    Restart "relays" ["HOLD_RELAYS"] List Toml("[]")
        => "hosts of relays that are asked to crawl the hold, like `bsky.network`; commas between them in the variable";
    Restart "test_mode" ["TEST_MODE"] Flag Toml("false")
        => "http and loopback for other people's DIDs and for relays: tests only";
    Restart "log_level" ["HOLD_LOG_LEVEL"] Text Toml("\"info\"") => "`error` to `trace`, or a filter";
    Restart "gc.enabled" Flag Toml("false")
        => "the hold [removes blobs that nothing needs](garbage-collection.md) by itself";
    Restart "gc.schedule" Text Toml("\"03:30\"") => "when: a time of day in UTC, or every so many hours, like `6h`";
    Restart "gc.grace_s" Number Toml("86400")
        => "blobs that nothing names are kept for so long after their last use; at least a day";
    // S3's limit of a part, and enough for the largest model images seen in registries.
    Live "limits.max_part_bytes" Number Toml("5368709120") => "5 GiB";
    Live "limits.max_blob_bytes" Number Toml("107374182400") => "100 GiB";
    Live "limits.uploads_per_account" Number Toml("64") => "open uploads; 429 beyond";
    // Each is a row and a folder. The last sixteenth is reserved for the captain; of the other 960 an account gets one
    // more only while it has no more than are free, so that 16 accounts which take all they get have 56 or 57 each,
    // and 55 are free.
    Live "limits.uploads_total" Number Toml("1024")
        => "the same, of all accounts; the last sixteenth is kept for the captain";
    Live "limits.stale_upload_s" Number Toml("86400") => "uploads untouched for so long are dropped";
    // A client sends its first part right away; pauses of a person in between take minutes.
    Live "limits.empty_upload_s" Number Toml("600") => "the same, of uploads without any part";
    // A request a minute for each open upload, ten for one of 10,000 parts: 60 a minute during a push of 60 layers. In
    // a minute a client stores 7.5 GB over a line of 1 Gbit/s; beyond a limit, the upload is then aborted and its parts
    // are deleted.
    Live "limits.measure_upload_s" Number Toml("60")
        => "how often a bucket is asked what it has of uploads whose parts go past the hold";
    Restart "limits.connections" Number Toml("1024")
        => "at the limit the longest idle one is closed; while none is idle, more wait in the kernel's backlog";
    // Half of all: a front end needs one for each concurrent transfer of its users.
    Restart "limits.connections_per_address" Number Toml("512")
        => "of one address, or one /64 of IPv6; more are closed at once. A trusted proxy has no such bound";
    // One registry front end sends the requests of all of its users, so an address gets much more than an account.
    Live "limits.requests_per_address" Number Toml("2000") => "a second; 0: no limit";
    Live "limits.requests_per_account" Number Toml("500") => "a second; 0: no limit";
    // There is one writer, which takes up to 60 ms for a push on a busy disk: with two requests of each account others
    // wait for 0.5 s. There are eight places.
    Restart "limits.writes_per_account" Number Toml("2")
        => "requests of one account at once that write to the database, 8 at most; more wait, and get 429 after 10 s";
    // A few relays and indexers subscribe to a hold. Each may keep a page of up to 2.3 MB in memory: 147 MB in all.
    Restart "limits.subscribers" Number Toml("64")
        => "of the events (`subscribeRepos`) at once; the last quarter is for addresses that have none yet";
    // A relay connects once; some indexers of one network, or a few tools at one address, more often.
    Restart "limits.subscribers_per_address" Number Toml("8") => "the same, of one address or one /64 of IPv6";
    // Each image is a record of 300 bytes that every push writes anew. The largest organisations on public registries
    // have some hundreds.
    Live "limits.images_per_account" Number Toml("2000") => "names of images; 403 beyond, 0: no limit";
    // About 1 KB of the database each: half a gigabyte. 100 pushes a day of 20 layers reach the limit in eight months.
    Live "limits.records_per_account" Number Toml("500000")
        => "layers and manifests that are recorded; 403 beyond, 0: no limit";
    // The configs of images have some 10 KB, those of artifacts seldom more. A client reads one into its memory;
    // clients with a limit of their own stop at 4 MiB, as for a manifest.
    Live "limits.max_config_bytes" Number Toml("4194304")
        => "4 MiB, the largest config of a manifest; 400 beyond, 0: no limit";
    // 2,500 pushes of 20 layers; at 2 KB for each record and its event, 100 MB of the database.
    Live "limits.records_per_hour" Number Toml("50000")
        => "layers and manifests that one account adds within an hour; 429 beyond, 0: no limit";
    // Relays accept 2,500 events an hour from a host.
    Live "limits.commits_per_hour" Number Toml("2000")
        => "commits that one account causes within an hour; 429 beyond, 0: no limit";
    // A push of ten layers is an event of some 10 KB: 50,000 of them in the 24 hours that events are kept.
    Live "limits.event_bytes" Number Toml("536870912") => "512 MiB of events are kept, or 24 hours if those are fewer";
    // The largest part is 5 GiB, but parts in flight have reserved their space: this reserve is for the database. Its
    // log has up to 16 MiB, an export may hold back 64 MiB more; half is reserved for the captain, for 800 removals of
    // members.
    Live "limits.reserve_bytes" Number Toml("67108864")
        => "64 MiB of the disk are left free by what writes blobs; half of it, on the database's disk, by everybody but the captain";
    Restart "limits.drain_s" Number Toml("30") => "requests in flight may take so long after SIGTERM";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use server::settings::{Reload, SettingKind};

    use super::*;
    use crate::config::raw::Raw;

    /// Returns the fields of a table, as listed in serde's error for an unknown field.
    fn fields(table: &str) -> BTreeSet<String> {
        let key = table.replace(".<name>", ".\"<name>\"");
        let text = if table.is_empty() { "nothing = 1".into() } else { format!("{key}.nothing = 1") };
        let message = toml::from_str::<Raw>(&text).unwrap_err().message().to_owned();
        message.split('`').skip(3).step_by(2).map(|field| join(table, field)).collect()
    }

    fn join(table: &str, field: &str) -> String {
        if table.is_empty() { field.to_owned() } else { format!("{table}.{field}") }
    }

    #[test]
    fn the_table_and_the_file_have_the_same_options() {
        let names: BTreeSet<_> = OPTIONS.iter().map(|option| option.name.to_owned()).collect();
        let tables: BTreeSet<_> = OPTIONS.iter().filter_map(|it| Some(it.name.rsplit_once('.')?.0)).collect();
        let mut known: BTreeSet<String> = BTreeSet::new();
        for table in tables.iter().copied().chain([""]) {
            known.extend(fields(table));
        }
        // Tables themselves are left out, and those whose keys are names.
        known.retain(|name| !tables.iter().any(|table| *table == name || table.starts_with(&format!("{name}."))));
        assert_eq!(names, known);
        assert_eq!(names.len(), OPTIONS.len(), "each once");
    }

    #[test]
    fn each_variable_sets_one_option() {
        let variables: Vec<_> = OPTIONS.iter().filter_map(|option| option.variable).collect();
        assert_eq!(variables.iter().collect::<BTreeSet<_>>().len(), variables.len());
    }

    #[test]
    fn secrets_need_a_restart() {
        // A reload does not replace keys and clients, and a secret is part of one.
        let secrets =
            OPTIONS.iter().filter(|option| matches!(option.kind, SettingKind::Secret | SettingKind::SecretFile));
        assert!(
            secrets.count() == 6
                && !OPTIONS.iter().any(|option| option.kind == SettingKind::Secret && option.reload == Reload::Live)
        );
    }
}
