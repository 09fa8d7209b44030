//! Uploads and reads of image blobs, in a directory and in buckets.

mod bucket;
mod crashes;
mod orders;
mod reads;
mod uploads;
