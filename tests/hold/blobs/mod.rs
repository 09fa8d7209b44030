//! Uploads and reads of image blobs, in a directory and in buckets.

mod bucket;
mod crashes;
mod orders;
mod presence;
mod quotas;
mod reads;
mod sweep;
mod uploads;
