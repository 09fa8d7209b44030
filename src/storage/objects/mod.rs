//! The blob store: proven blobs under their digest, staged bytes until they are proven.
